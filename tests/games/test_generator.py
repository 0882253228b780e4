"""Generated levels: the same for the same seed, playable by construction, and varied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.platformer import physics
from games.platformer.generator import generate, standing_spots
from games.platformer.level import (
    DOOR,
    EMPTY,
    MAX_ENEMIES,
    PLATFORM,
    SIZE,
    SOLID,
    Level,
    Levels,
    format_level,
    parse_level,
)

MANY = 400


@pytest.fixture(scope="module")
def levels() -> list[Level]:
    return [generate(seed) for seed in range(MANY)]


@given(st.integers(0, 2**63 - 1))
@settings(max_examples=20)
def test_the_same_seed_gives_the_same_level(seed: int) -> None:
    assert format_level(generate(seed)) == format_level(generate(seed))


def test_different_seeds_give_different_levels(levels: list[Level]) -> None:
    assert len({format_level(level) for level in levels}) == MANY


def test_every_level_can_be_written_as_a_map_and_read_again(levels: list[Level]) -> None:
    for level in levels:
        read = parse_level(format_level(level))
        np.testing.assert_array_equal(read.tiles, level.tiles)
        np.testing.assert_array_equal(read.coins, level.coins)
        assert read.spawn == level.spawn
        assert set(read.enemies) == set(level.enemies)


def test_start_and_door_stand_on_ground_with_headroom(levels: list[Level]) -> None:
    for level in levels:
        ((door_row, door_col),) = np.argwhere(level.tiles == DOOR)
        for col, row in (level.spawn, (door_col, door_row)):
            assert level.tiles[row + 1, col] in (SOLID, PLATFORM)
            assert level.tiles[row - 1, col] == EMPTY
        assert level.tiles[level.spawn[1], level.spawn[0]] == EMPTY


def test_coins_and_enemies_have_tiles_of_their_own(levels: list[Level]) -> None:
    for level in levels:
        assert (level.tiles[level.coins] == EMPTY).all()
        assert len(set(level.enemies)) == len(level.enemies) <= MAX_ENEMIES
        for col, row in level.enemies:
            assert level.tiles[row, col] == EMPTY
            assert level.tiles[row + 1, col] in (SOLID, PLATFORM)
            assert not level.coins[row, col]
            assert abs(col - level.spawn[0]) + abs(row - level.spawn[1]) > 3


def test_waiting_at_the_start_is_safe_at_first(levels: list[Level]) -> None:
    batch = Levels.stack(levels)
    state, events = physics.step(batch, physics.initial(batch), np.zeros((MANY, 3), np.bool_))
    assert not events[:, 1:].any(), "at most a coin over the head"
    assert state.on_ground.all()


def test_enemies_have_room_to_walk(levels: list[Level]) -> None:
    batch = Levels.stack(levels)
    state = physics.initial(batch)
    moved = np.zeros_like(batch.enemy_alive)
    for _ in range(20):
        state, _ = physics.step(batch, state, np.zeros((MANY, 3), np.bool_))
        moved |= state.enemy_x != batch.enemy_x
    assert moved[batch.enemy_alive].all()


def test_every_tile_coins_and_enemies_are_well_represented(levels: list[Level]) -> None:
    for tile in range(7):
        assert np.mean([(level.tiles == tile).any() for level in levels]) > 0.25, tile
    assert np.mean([level.coins.any() for level in levels]) > 0.8
    assert np.mean([bool(level.enemies) for level in levels]) > 0.4


def test_standing_spots_have_floor_and_room_for_the_player() -> None:
    tiles = np.full((SIZE, SIZE), EMPTY, np.uint8)
    tiles[10, 3:6] = SOLID
    tiles[8, 4] = PLATFORM
    assert standing_spots(tiles) == [(4, 7), (3, 9), (5, 9)]
