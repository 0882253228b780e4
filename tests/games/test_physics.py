"""The rules of the platformer, to the pixel, and what they promise to training: exact branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.generator import generate
from games.platformer.level import FRAME, PLAYER_H, PLAYER_W, SOLID, TILE, Levels
from games.platformer.physics import State

Play = Callable[..., Any]
FLOOR = "#" * 16
SEEDS = st.integers(0, 2**40)
GAMES = 12


def random_keys(seed: int, games: int, ticks: int) -> NDArray[np.bool_]:
    """Buttons held for a few ticks each, (ticks, games, 3)."""
    rng = np.random.default_rng(seed)
    change = rng.random((ticks, games, 3)) < 0.2
    return np.logical_xor.accumulate(change, 0)  # a change flips what is held


def stage(seed: int, games: int = GAMES) -> Levels:
    return Levels.stack([generate(seed + i) for i in range(games)])


def run(levels: Levels, keys: NDArray[np.bool_]) -> list[tuple[State, NDArray[np.bool_]]]:
    state, moments = physics.initial(levels), []
    for held in keys:
        state, events = physics.step(levels, state, held)
        moments.append((state, events))
    return moments


def assert_same(one: State, other: State) -> None:
    for field in fields(State):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype, field.name
        np.testing.assert_array_equal(a, b, field.name)


# -- promises to training


@given(SEEDS)
@settings(max_examples=8)
def test_the_same_buttons_give_the_same_states_and_events(seed: int) -> None:
    levels, keys = stage(seed), random_keys(seed, GAMES, 60)
    for (a, events_a), (b, events_b) in zip(run(levels, keys), run(levels, keys), strict=True):
        assert_same(a, b)
        np.testing.assert_array_equal(events_a, events_b)


@given(SEEDS)
@settings(max_examples=8)
def test_stepping_a_kept_state_again_branches_from_it(seed: int) -> None:
    levels, keys = stage(seed), random_keys(seed, GAMES, 40)
    moments = run(levels, keys)
    branch = moments[19][0]
    run_on = branch
    for held in ~keys[20:]:
        run_on, _ = physics.step(levels, run_on, held)
    for tick in range(20, 40):
        branch, events = physics.step(levels, branch, keys[tick])
        assert_same(branch, moments[tick][0])
        np.testing.assert_array_equal(events, moments[tick][1])


@given(SEEDS)
@settings(max_examples=5)
def test_a_game_in_a_batch_goes_as_it_would_alone(seed: int) -> None:
    games = 5
    keys = random_keys(seed, games, 60)
    together = run(stage(seed, games), keys)
    for game in range(games):
        alone = run(stage(seed + game, 1), keys[:, game : game + 1])
        for (all_states, all_events), (state, events) in zip(together, alone, strict=True):
            assert_same(all_states.take(slice(game, game + 1)), state)
            np.testing.assert_array_equal(all_events[game], events[0])


def test_taking_games_selects_them_in_order() -> None:
    levels = stage(3)
    state = run(levels, random_keys(3, GAMES, 30))[-1][0]
    taken = state.take(np.array([7, 2]))
    assert (taken.x.tolist(), taken.coins.shape) == ([state.x[7], state.x[2]], (2, 16, 16))


@given(SEEDS)
@settings(max_examples=12)
def test_nobody_enters_a_solid_tile_or_leaves_the_frame_sideways(seed: int) -> None:
    levels = stage(seed)
    solid = (levels.tiles == SOLID).repeat(TILE, 1).repeat(TILE, 2)
    solid = np.pad(solid, ((0, 0), (0, 64), (0, 0)))
    rows, cols = (grid.ravel() for grid in np.indices((PLAYER_H, PLAYER_W)))
    game = np.arange(GAMES)[:, None]
    for state, _ in run(levels, random_keys(seed, GAMES, 120)):
        assert ((state.x >= 0) & (state.x <= FRAME - PLAYER_W)).all()
        assert ((state.y >= 0) & (state.y < FRAME)).all()
        assert not solid[game, state.y[:, None] + rows, state.x[:, None] + cols].any()
        at = np.where(levels.enemy_alive, state.enemy_x, 0)
        assert ((at >= 0) & (at <= FRAME - TILE)).all()


@given(SEEDS)
@settings(max_examples=8)
def test_events_say_what_the_states_show(seed: int) -> None:
    levels = stage(seed)
    before = physics.initial(levels)
    for state, events in run(levels, random_keys(seed, GAMES, 120)):
        coin, death, goal, spring, landed = events.T
        taken = before.coins.sum((1, 2)) - state.coins.sum((1, 2))
        assert ((taken > 0) == coin)[~goal].all()
        assert (taken >= 0)[~goal].all()
        at_start = (state.x == levels.spawn_x) & (state.y == levels.spawn_y)
        assert at_start[death | goal].all()
        assert not (death & goal).any()
        assert (state.coins == levels.coins)[goal].all()
        assert (state.vy[spring] == -physics.SPRING_SPEED).all()
        assert (state.on_ground & ~before.on_ground)[landed].all()
        before = state


# -- running


def test_a_key_moves_the_very_next_state(play: Play) -> None:
    for keys, moved in (("l", -2), ("r", 2), ("j", 0)):
        game = play(".......P", FLOOR)
        x, y = game.x, game.y
        game.press(keys)
        assert game.x - x == moved
        assert game.y - y == (-physics.JUMP_SPEED if keys == "j" else 0)


def test_a_run_speeds_up_to_three_pixels_a_tick_and_stops_in_two(play: Play) -> None:
    game = play("P", FLOOR)
    xs = [game.x]
    for keys in "rrrr" + "  ":
        game.press(keys)
        xs.append(game.x)
    assert np.diff(xs).tolist() == [2, 3, 3, 3, 1, 0]


def test_left_and_right_together_stand_still(play: Play) -> None:
    game = play(".......P", FLOOR)
    x = game.x
    game.press("lr", 5)
    assert game.x == x


def test_a_player_faces_where_it_last_wished_to_go(play: Play) -> None:
    game = play(".......P", FLOOR)
    facings = []
    for keys in ("", "l", "", "r", "", "lr"):
        game.press(keys)
        facings.append(int(game.state.facing[0]))
    assert facings == [1, -1, -1, 1, 1, 1]


@pytest.mark.parametrize(("keys", "stop"), [("l", 3 * TILE), ("r", 12 * TILE - PLAYER_W)])
def test_a_wall_stops_a_run_flush(play: Play, keys: str, stop: int) -> None:
    game = play("..#.........#", "..#....P....#", FLOOR)
    game.press(keys, 30)
    assert (game.x, int(game.state.vx[0])) == (stop, 0)


@pytest.mark.parametrize(("keys", "stop"), [("l", 0), ("r", FRAME - PLAYER_W)])
def test_the_frame_ends_in_walls(play: Play, keys: str, stop: int) -> None:
    game = play(".......P", FLOOR)
    game.press(keys, 40)
    assert game.x == stop


# -- jumping and falling


FULL_JUMP = [7, 13, 18, 22, 25, 27, 28, 28, 27, 25, 22, 18, 13, 7, 1, 0]


def test_a_full_jump_is_28_pixels_high_and_lasts_16_ticks(play: Play) -> None:
    game = play("P", FLOOR)
    assert game.heights(("j", 16)) == FULL_JUMP
    assert game.on_ground
    assert game.happened == ["landed"]


@pytest.mark.parametrize(("held", "top"), [(1, 13), (2, 19), (3, 24), (4, 28), (8, 28)])
def test_letting_go_cuts_a_jump_short(play: Play, held: int, top: int) -> None:
    assert max(play("P", FLOOR).heights(("j", held), ("", 20))) == top


def test_a_key_held_since_the_last_jump_jumps_again_a_tick_after_landing(play: Play) -> None:
    assert play("P", FLOOR).heights(("j", 32)) == FULL_JUMP * 2


def test_nobody_jumps_in_the_air(play: Play) -> None:
    game = play("P", "", "", "", "", FLOOR)
    assert game.heights(("j", 4)) == [-1, -3, -6, -10]


def test_a_ceiling_stops_a_jump_flush_and_the_fall_starts_there(play: Play) -> None:
    game = play("####", "", "P", FLOOR)
    assert game.heights(("j", 6)) == [4, 3, 1, 0, 4, 3]


def test_the_top_of_the_frame_is_a_ceiling(play: Play) -> None:
    game = play("", "P", "#..............D", *[""] * 13)
    assert game.y == 4
    assert game.heights(("j", 4)) == [4, 3, 1, 0]


def test_a_fall_gets_faster_up_to_six_pixels_a_tick(play: Play) -> None:
    game = play("P", *[""] * 12, FLOOR)
    assert (-np.diff([0, *game.heights(("", 10))])).tolist() == [1, 2, 3, 4, 5, 6, 6, 6, 6, 6]


def test_walking_off_a_ledge_falls_a_tick_later_and_lands(play: Play) -> None:
    game = play("P", "#", "#", FLOOR)
    game.press("r")
    heights = []
    while not game.happened:
        heights += game.heights(("r", 1))
        assert len(heights) < 20
    assert game.on_ground
    assert game.happened == ["landed"]
    assert game.feet == TILE


def test_landing_happens_once_and_standing_never(play: Play) -> None:
    game = play("P", "", "", FLOOR)
    assert game.press("", 40) == ["landed"]
    assert play("P", FLOOR).press("", 10) == []


# -- platforms


def test_a_platform_lets_a_jump_through_and_holds_the_fall(play: Play) -> None:
    game = play("===", "", "P", FLOOR)
    heights = game.heights(("j", 10), ("", 20))
    assert max(heights) == 28
    assert game.happened == ["landed"]
    assert game.feet == 4 * TILE


def test_a_platform_holds_whoever_starts_or_walks_on_it(play: Play) -> None:
    game = play("P", "======", "", "", FLOOR)
    game.press("r", 10)
    assert (game.feet, game.on_ground, game.happened) == (4 * TILE, True, [])


def test_a_platform_is_no_wall(play: Play) -> None:
    game = play("..=", "P.=", FLOOR)
    game.press("r", 10)
    assert game.x > 3 * TILE
    assert game.feet == TILE


def test_a_head_below_a_platform_is_not_pulled_up(play: Play) -> None:
    # 13 px is not enough to bring the feet over a platform 16 px up.
    game = play("===", "", "P", FLOOR)
    game.press("j")
    game.press("", 20)
    assert game.feet == TILE


# -- springs


@pytest.mark.parametrize(("keys", "top"), [("", 33), ("j", 55)])
def test_a_spring_throws_higher_while_jump_is_held(play: Play, keys: str, top: int) -> None:
    game = play("P", "", "S", FLOOR)
    while not game.happened:
        game.press(keys)
        assert game.feet > 0
    assert game.happened == ["spring"], "a throw is no landing"
    assert max(game.heights((keys, 14))) == top


def test_running_onto_a_spring_is_enough(play: Play) -> None:
    game = play("P..S", FLOOR)
    game.press("r", 12)
    assert game.happened[0] == "spring"


def test_a_spring_does_not_throw_through_a_ceiling(play: Play) -> None:
    game = play(FLOOR, "", "", "", "P", "", "S", FLOOR)
    assert max(game.heights(("j", 40))) <= 4 * TILE


# -- coins, deaths, goals, enemies


def test_a_coin_is_collected_once(play: Play) -> None:
    game = play("P..o", FLOOR)
    assert game.press("r", 12) == ["coin"]
    assert game.press("l", 12) == []
    assert not game.state.coins.any()


@pytest.mark.parametrize("hazard", "^~")
def test_a_hazard_kills_and_puts_back_at_the_start(play: Play, hazard: str) -> None:
    game = play(f"P.o.{hazard}", FLOOR)
    start = (game.x, game.y)
    while "death" not in game.happened:
        game.press("r")
        assert len(game.happened) < 3
    assert game.happened == ["coin", "death"]
    assert (game.x, game.y) == start
    assert (int(game.state.vx[0]), int(game.state.facing[0]), game.on_ground) == (0, 1, True)
    assert not game.state.coins.any(), "coins taken before a death stay taken"


def test_grazing_a_hazard_by_one_pixel_does_not_kill(play: Play) -> None:
    game = play("P..^", FLOOR)
    game.state = replace(game.state, x=np.array([3 * TILE - PLAYER_W + 1], np.int32))
    assert game.press() == []
    game.state = replace(game.state, x=np.array([3 * TILE - PLAYER_W + 2], np.int32))
    assert game.press() == ["death"]


def test_a_pit_kills_below_the_frame(play: Play) -> None:
    game = play("P", "##")
    game.press("r", 8)
    assert game.happened == []
    game.press("", 20)
    assert game.happened == ["death"]


def test_the_goal_restores_the_coins_and_starts_over(play: Play) -> None:
    game = play("P.o.D", FLOOR)
    start = (game.x, game.y)
    while "goal" not in game.happened:
        game.press("r")
    assert game.happened == ["coin", "goal"]
    assert (game.x, game.y) == start
    assert game.state.coins.sum() == 1


def patrol(game: Any, ticks: int) -> list[int]:
    found = []
    for _ in range(ticks):
        game.press()
        found.append(int(game.state.enemy_x[0, 0]))
    return found


@pytest.mark.parametrize(
    "rows",
    [(".#.E.#", ".#####"), ("..=E=", "..==="), ("..#E#", "..###"), (".^.E.~", "######")],
    ids=["walls", "platform", "pen", "hazards"],
)
def test_an_enemy_patrols_between_walls_ledges_and_hazards(play: Play, rows: Any) -> None:
    game = play("P", "#", *rows, FLOOR)
    row = game.levels.enemy_y[0, 0] // TILE
    xs = patrol(game, 80)
    free = [col for col in range(16) if game.levels.tiles[0, row, col] == 0]
    floor = [col for col in free if game.levels.tiles[0, row + 1, col] in (1, 2)]
    walked = [col for col in floor if 2 <= col <= 4]
    assert (min(xs), max(xs)) == (min(walked) * TILE, max(walked) * TILE)
    assert set(np.abs(np.diff(xs)).tolist()) <= {0, 1}


def test_an_enemy_rests_a_tick_where_it_turns(play: Play) -> None:
    game = play("P", "#", ".#E.#", FLOOR)
    xs = patrol(game, 20)
    assert xs[6:12] == [23, 24, 24, 23, 22, 21]


def test_an_enemy_kills_on_touch_and_walks_on(play: Play) -> None:
    game = play("P....E#", FLOOR)
    enemy = int(game.state.enemy_x[0, 0])
    while "death" not in game.happened:
        game.press("r")
        assert game.x < 60
    assert game.x == 1
    assert int(game.state.enemy_x[0, 0]) != enemy


def test_absent_enemies_neither_move_nor_kill(play: Play) -> None:
    game = play("P", FLOOR)
    game.state = replace(game.state, enemy_x=game.state.x[:, None] * np.ones(3, np.int32),
                         enemy_y=game.state.y[:, None] * np.ones(3, np.int32))  # fmt: skip
    assert game.press("", 5) == []
