"""What the platformer's renderer promises: exact, repeatable frames of any state and palette."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from games.platformer.level import FRAME, TILE, Level, Levels, parse_level
from games.platformer.physics import State, initial
from games.platformer.render import HERO_LEFT_PX, Renderer
from games.platformer.sprites import (
    ENEMY_PX,
    HERO_H,
    HERO_W,
    POSES,
    coin_art,
    enemy_frame,
    enemy_sprites,
    hero_pose,
    hero_sprites,
)  # fmt: skip
from games.platformer.themes import COLOURS, HERO_COLOURS, THEMES, Palette, jitter

LEVEL = parse_level("\n".join([
    "................", "..o.......####..", ".===......#^.##.", "......E.......o.",
    ".oo..====....###", "####..........##", "##......oo......", ".......E........",
    "....======..oo..", "..o.........==..", "................", "..P.........S...",
    "#####.....E.####", "#####...^#######", "#####~~~####.D.#", "#####~~~########",
]))  # fmt: skip
BARE = parse_level("\n".join(["." * 16] * 14 + [".P............D.", "#" * 16]))
MEADOW = THEMES["meadow"]


def start(level: Level = LEVEL, count: int = 1) -> tuple[Renderer, State]:
    levels = Levels.stack([level] * count)
    return Renderer(levels, [MEADOW] * count), initial(levels)


def placed(state: State, x: int, y: int) -> State:
    return replace(state, x=np.full_like(state.x, x), y=np.full_like(state.y, y))


def over(sprite: NDArray[np.uint8], ground: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.where(sprite[..., 3:] > 0, sprite[..., :3], ground)


def test_every_theme_renders_differently() -> None:
    levels = Levels.stack([LEVEL] * len(THEMES))
    frames = Renderer(levels, list(THEMES.values())).render(initial(levels))
    assert frames.shape == (len(THEMES), FRAME, FRAME, 3)
    assert frames.dtype == np.uint8
    assert len({frame.tobytes() for frame in frames}) == len(THEMES)


def test_the_same_state_gives_the_same_frame_in_fresh_and_reused_memory() -> None:
    renderer, state = start(count=2)
    first = renderer.render(state)
    out = np.full_like(first, 77)
    assert renderer.render(state, out) is out
    np.testing.assert_array_equal(out, first)
    np.testing.assert_array_equal(start(count=2)[0].render(state), first)
    np.testing.assert_array_equal(out[0], out[1])


def test_the_hero_is_drawn_at_its_place_and_nowhere_else() -> None:
    renderer, state = start(BARE)
    state = placed(state, 60, 40)
    sprite = hero_sprites(MEADOW)[hero_pose(state)[0], 0]
    expected = renderer.background(0).copy()
    box = (slice(40, 40 + HERO_H), slice(60 - HERO_LEFT_PX, 60 - HERO_LEFT_PX + HERO_W))
    expected[box] = over(sprite, expected[box])
    np.testing.assert_array_equal(renderer.render(state)[0], expected)


def test_the_hero_mirrors_with_its_facing() -> None:
    renderer, state = start(BARE)
    state = placed(state, 60, 40)
    left = renderer.render(replace(state, facing=np.full_like(state.facing, -1)))
    assert not np.array_equal(renderer.render(state), left)
    sprites = hero_sprites(MEADOW)
    np.testing.assert_array_equal(sprites[:, 1], sprites[:, 0, :, ::-1])


@pytest.mark.parametrize(
    ("on_ground", "vx", "vy", "x", "pose"),
    [
        (True, 0, 0, 9, "stand"),
        (True, 2, 0, 8, "run_a"),
        (True, -2, 0, 12, "run_b"),
        (False, 0, -3, 9, "jump"),
        (False, 2, 0, 9, "fall"),
    ],
)
def test_the_pose_follows_from_what_is_visible(
    on_ground: bool, vx: int, vy: int, x: int, pose: str
) -> None:
    state = start(BARE)[1]
    state = replace(
        state,
        x=np.full_like(state.x, x),
        vx=np.full_like(state.vx, vx),
        vy=np.full_like(state.vy, vy),
        on_ground=np.full_like(state.on_ground, on_ground),
    )
    assert POSES[hero_pose(state)[0]] == pose


@pytest.mark.parametrize(("x", "y"), [(-5, 30), (FRAME - 2, 30), (60, -7), (60, FRAME - 3)])
def test_a_hero_across_the_border_is_cut_off_not_wrapped(x: int, y: int) -> None:
    renderer, state = start(BARE, count=3)
    frames = renderer.render(placed(state, x, y))
    changed = np.argwhere((frames != renderer.background(0)).any(-1))
    assert len(changed) > 0
    left = x - HERO_LEFT_PX
    assert changed[:, 1].min() >= max(y, 0)
    assert changed[:, 1].max() < y + HERO_H
    assert changed[:, 2].min() >= max(left, 0)
    assert changed[:, 2].max() < left + HERO_W


def test_a_hero_out_of_sight_changes_nothing() -> None:
    renderer, state = start(BARE)
    for x, y in ((-100, 20), (500, 20), (20, -100), (20, 500)):
        frame = renderer.render(placed(state, x, y))[0]
        np.testing.assert_array_equal(frame, renderer.background(0))


def test_of_enemies_the_one_further_right_is_in_front_whichever_it_is() -> None:
    renderer, state = start(
        parse_level("\n".join(["." * 16] * 14 + ["P....E....E....D", "#" * 16]))
    )
    frames = []
    for x in ([44, 40], [40, 44]):
        enemies = state.enemy_x.copy()
        enemies[0, :2] = x
        state = replace(state, enemy_x=enemies, enemy_dir=np.ones_like(state.enemy_dir))
        frames.append(renderer.render(state)[0])
    np.testing.assert_array_equal(*frames)
    rows, columns = slice(112, 112 + ENEMY_PX), slice(44, 44 + ENEMY_PX)
    expected = renderer.background(0)[rows, columns].copy()
    behind = enemy_sprites(MEADOW)[enemy_frame(np.array([40]))[0], 0]
    expected[:, :4] = over(behind[:, 4:], expected[:, :4])
    front = enemy_sprites(MEADOW)[enemy_frame(np.array([44]))[0], 0]
    np.testing.assert_array_equal(frames[0][rows, columns], over(front, expected))


def test_a_coin_shows_in_its_tile_until_it_is_taken() -> None:
    renderer, state = start(BARE)
    coins = np.zeros_like(state.coins)
    coins[0, 3, 5] = True
    without = renderer.render(state)[0]
    with_coin = renderer.render(replace(state, coins=coins))[0]
    changed = (without != with_coin).any(-1)
    tile = (slice(3 * TILE, 4 * TILE), slice(5 * TILE, 6 * TILE))
    np.testing.assert_array_equal(changed[tile], coin_art() > 0)
    assert changed.sum() == changed[tile].sum()


def test_enemies_are_drawn_where_they_are_and_only_while_alive() -> None:
    levels = Levels.stack([LEVEL])
    state = initial(levels)
    state = replace(
        placed(state, 500, 500),
        coins=np.zeros_like(state.coins),
        enemy_x=state.enemy_x * 0 + np.array([8, 40, 72], dtype=np.int32),
        enemy_y=state.enemy_y * 0 + 80,
        enemy_dir=state.enemy_dir * 0 - 1,
    )
    one = replace(levels, enemy_alive=np.array([[False, True, False]]))
    renderer = Renderer(one, [MEADOW])
    expected = renderer.background(0).copy()
    box = (slice(80, 88), slice(40, 48))
    expected[box] = over(enemy_sprites(MEADOW)[40 // 4 % 2, 1], expected[box])
    np.testing.assert_array_equal(renderer.render(state)[0], expected)


def test_take_keeps_each_level_with_its_palette() -> None:
    levels = Levels.stack([LEVEL, BARE, LEVEL])
    palettes = [THEMES["neon"], MEADOW, THEMES["desert"]]
    state = initial(levels)
    frames = Renderer(levels, palettes).render(state)
    picked = np.array([2, 1])
    taken = Renderer(levels, palettes).take(picked)
    np.testing.assert_array_equal(taken.render(state.take(picked)), frames[picked])


def test_wrong_batches_are_rejected() -> None:
    renderer, _ = start(count=2)
    with pytest.raises(ValueError, match="2 levels"):
        renderer.render(start(count=3)[1])
    with pytest.raises(ValueError, match="palettes"):
        Renderer(Levels.stack([LEVEL]), [])
    with pytest.raises(ValueError, match="out must be"):
        renderer.render(start(count=2)[1], np.zeros((2, 8, 8, 3), dtype=np.uint8))


def test_jitter_is_reproducible_and_makes_valid_palettes() -> None:
    for palette in THEMES.values():
        moved = [jitter(palette, np.random.default_rng(seed), 1.0) for seed in range(20)]
        assert moved == [jitter(palette, np.random.default_rng(seed), 1.0) for seed in range(20)]
        assert len(set(moved)) == 20
        assert jitter(palette, np.random.default_rng(0), 0.0) == palette


def test_jitter_keeps_the_hero_in_its_family() -> None:
    for seed in range(30):
        moved = jitter(MEADOW, np.random.default_rng(seed))
        for name in HERO_COLOURS:
            distance = np.subtract(getattr(moved, name), getattr(MEADOW, name))
            assert np.abs(distance).max() < 40


def test_a_palette_rejects_what_cannot_be_drawn() -> None:
    colours: dict[str, object] = {name: getattr(MEADOW, name) for name in COLOURS}
    for wrong in ((0, 0, 256), (0, -1, 0), (0, 0), (0.5, 0, 0)):
        with pytest.raises(ValueError, match="sky must be"):
            Palette(**(colours | {"sky": wrong}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ground_style must be one of brick"):
        replace(MEADOW, ground_style="jelly")
    with pytest.raises(ValueError, match="backdrop_style must be one of hills"):
        replace(MEADOW, backdrop_style="jelly")
    with pytest.raises(ValueError, match="backdrop_seed"):
        replace(MEADOW, backdrop_seed=-1)
