"""The formulae, on arrays whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.generator import generate
from games.platformer.level import EMPTY, FRAME, SIZE, SOLID, TILE, Level, Levels, parse_level
from games.platformer.render import Renderer
from games.platformer.themes import THEMES
from world_model.data import HELD_OUT_SEED, looks
from world_model.evaluation.metrics import (
    LAG_HORIZON,
    MOST_PSNR_DB,
    QUALITY_SCALE,
    QUALITY_TICKS,
    answer_lag,
    drift,
    median_or_none,
    percentile_or_none,
    psnr_db,
    share_of_one,
    tile_quality,
    touched_tiles,
)
from world_model.evaluation.tile_judge import TileJudge, enemy_routes

Frame = NDArray[np.uint8]
FLAT = "\n".join(["." * SIZE] * 12 + ["P....oo...E....D", "#" * SIZE, "#" * SIZE, "#" * SIZE])


def grey(value: int) -> Frame:
    return np.full((FRAME, FRAME, 3), value, np.uint8)


def test_psnr_of_an_error_of_ten_grey_levels() -> None:
    assert psnr_db(grey(90), grey(100)) == pytest.approx(20 * np.log10(25.5))
    assert psnr_db(grey(100), grey(90)) == psnr_db(grey(90), grey(100))


def test_psnr_of_an_equal_frame_is_finite() -> None:
    assert psnr_db(grey(7), grey(7)) == MOST_PSNR_DB


def test_quality_of_a_tile_falls_with_its_own_error_only() -> None:
    frame = grey(100)
    frame[TILE : 2 * TILE, 2 * TILE : 3 * TILE] += np.uint8(QUALITY_SCALE)
    quality = tile_quality(frame, grey(100))
    assert quality[1, 2] == pytest.approx(np.exp(-1))
    quality[1, 2] = 1
    assert (quality == 1).all()


@settings(deadline=None)
@given(x=st.integers(-20, 140), y=st.integers(-20, 140))
def test_touched_tiles_are_those_that_share_a_pixel_with_the_box(x: int, y: int) -> None:
    inside = np.zeros((FRAME, FRAME), np.bool_)
    inside[max(0, y) : max(0, y + 12), max(0, x) : max(0, x + 10)] = True
    expected = inside.reshape(SIZE, TILE, SIZE, TILE).any((1, 3))
    assert np.array_equal(touched_tiles([(x, y, 10, 12)]), expected)


def test_drift_is_the_relative_loss_from_first_to_last_ten_seconds() -> None:
    quality = np.full((3 * QUALITY_TICKS, SIZE, SIZE), 0.8)
    quality[-QUALITY_TICKS:] = 0.6
    assert drift(quality) == pytest.approx(0.25)


def test_drift_compares_only_tiles_that_both_stretches_saw() -> None:
    quality = np.full((2 * QUALITY_TICKS, SIZE, SIZE), 0.5)
    quality[:QUALITY_TICKS, 0] = np.nan
    quality[QUALITY_TICKS:, 0] = 0.1
    quality[::2, 5, 5] = np.nan
    assert drift(quality) == pytest.approx(0)


def test_a_run_too_short_for_two_stretches_has_no_drift() -> None:
    assert drift(np.ones((2 * QUALITY_TICKS - 1, SIZE, SIZE))) is None
    assert drift(np.full((2 * QUALITY_TICKS, SIZE, SIZE), np.nan)) is None


def test_presence_counts_neither_none_nor_two() -> None:
    assert share_of_one(np.array([1, 0, 1, 2])) == 0.5
    assert share_of_one(np.array([], np.int64)) is None


@pytest.mark.parametrize("true_first", [4, -4])
def test_lag_is_the_ticks_until_the_players_part_by_half_and_stay_apart(true_first: int) -> None:
    sign = np.sign(true_first)
    assert answer_lag(sign * np.array([4.0, 10, 16, 20]), true_first) == 0
    assert answer_lag(sign * np.array([0.0, 1, 2, 10]), true_first) == 2
    assert answer_lag(sign * np.array([3.0, 0, 0, 9]), true_first) == 3
    assert answer_lag(sign * np.array([np.nan, np.nan, 9, 9]), true_first) == 2


def test_no_answer_and_one_the_wrong_way_count_as_the_whole_horizon() -> None:
    assert answer_lag(np.zeros(LAG_HORIZON), 4) == LAG_HORIZON
    assert answer_lag(np.full(LAG_HORIZON, np.nan), 4) == LAG_HORIZON
    assert answer_lag(np.full(LAG_HORIZON, -9.0), 4) == LAG_HORIZON


def test_medians_and_percentiles_of_nothing_are_none() -> None:
    assert median_or_none([float("nan")]) is None
    assert median_or_none([1.0, float("nan"), 3.0]) == 2.0
    assert percentile_or_none([], 50) is None
    assert percentile_or_none([0] * 95 + [5] * 5, 95) == 0
    assert percentile_or_none([0] * 94 + [5] * 6, 95) == 5


@pytest.fixture(scope="module", params=range(12))
def judge(request: pytest.FixtureRequest) -> TileJudge:
    seed = HELD_OUT_SEED + 7000 + request.param
    return TileJudge(generate(seed), looks(seed))


def test_true_tiles_are_right(judge: TileJudge) -> None:
    assert judge.right(judge.background).all()
    assert (judge.quality(judge.background) == 1).all()


def test_tiles_stay_right_under_a_codecs_noise(judge: TileJudge) -> None:
    noise = np.random.default_rng(0).normal(0, 7, judge.background.shape)
    noisy = (judge.background + noise).round().clip(0, 255).astype(np.uint8)
    assert 29 < psnr_db(noisy, judge.background) < 33
    assert judge.right(noisy).mean() >= 0.995


def test_a_tile_worn_down_to_the_backdrop_is_wrong() -> None:
    for seed in range(HELD_OUT_SEED + 7100, HELD_OUT_SEED + 7110):
        level, palette = generate(seed), looks(seed)
        bare = Level(np.full_like(level.tiles, EMPTY), level.coins, level.spawn, ())
        worn = Renderer(Levels.stack([bare]), [palette]).background(0)
        right = TileJudge(level, palette).right(worn)
        assert np.array_equal(right, level.tiles == EMPTY)


def test_ground_that_grows_into_the_air_is_wrong() -> None:
    level = parse_level(FLAT)
    judge = TileJudge(level, THEMES["meadow"])
    grown = judge.background.copy()
    ground = (slice(14 * TILE, 15 * TILE), slice(3 * TILE, 4 * TILE))
    grown[5 * TILE : 6 * TILE, 9 * TILE : 10 * TILE] = judge.background[ground]
    wrong = np.argwhere(~judge.right(grown))
    assert wrong.tolist() == [[5, 9]]
    assert level.tiles[14, 3] == SOLID


def test_coins_and_enemy_routes_are_never_static() -> None:
    level = parse_level(FLAT)
    judge = TileJudge(level, THEMES["meadow"])
    assert judge.never_static[12, 5:7].all()
    assert not judge.never_static[:12].any()
    levels = Levels.stack([level])
    route = enemy_routes(levels)
    state = physics.initial(levels)
    for _ in range(600):
        state, _ = physics.step(levels, state, np.zeros((1, 3), np.bool_))
        box = (int(state.enemy_x[0, 0]), int(state.enemy_y[0, 0]), TILE, TILE)
        assert not (touched_tiles([box]) & ~route).any()
    assert route[12, 10]
    assert not route[12, 15], "an enemy turns at a door"
