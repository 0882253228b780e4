"""Seeded random levels for training and for held-out evaluation.

Same seed, same level. Four kinds of ground are mixed so that hand-made maps look familiar to a
network trained on these. Knows nothing about motion or looks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import (
    DOOR,
    EMPTY,
    LAVA,
    MAX_ENEMIES,
    PLATFORM,
    SIZE,
    SOLID,
    SPIKES,
    SPRING,
    Level,
)

Tiles = NDArray[np.uint8]
KINDS: Final = ("hills", "flat", "floating", "cave")


def generate(seed: int) -> Level:
    """Return the level of `seed`; every level has a start, a door, and ground under both."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x1E7E1]))
    while True:
        tiles = _ground(rng)
        _add_ledges(tiles, rng)
        _add_hazards(tiles, rng)
        level = _furnish(tiles, rng)
        if level is not None:
            return level


def _ground(rng: np.random.Generator) -> Tiles:
    kind = KINDS[rng.choice(4, p=(0.35, 0.25, 0.2, 0.2))]
    tiles = np.full((SIZE, SIZE), EMPTY, np.uint8)
    if kind == "flat":
        tiles[SIZE - rng.integers(1, 4) :] = SOLID
    elif kind == "floating":
        if rng.random() < 0.5:
            tiles[SIZE - 1] = LAVA
        _floating_islands(tiles, rng)
    else:
        _hills(tiles, rng)
    if kind == "cave":
        tiles[0] = SOLID
        for col in range(SIZE):
            tiles[: rng.integers(1, 4), col] = SOLID
    if kind == "cave" or rng.random() < 0.3:
        tiles[:, [0, -1]] = SOLID
    return tiles


def _hills(tiles: Tiles, rng: np.random.Generator) -> None:
    height = int(rng.integers(1, 6))
    col = 0
    while col < SIZE:
        width = int(rng.integers(1, 6))
        tiles[SIZE - height :, col : col + width] = SOLID
        col += width
        height = int(np.clip(height + rng.integers(-3, 4), 1, 8))


def _floating_islands(tiles: Tiles, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(5, 9)):
        row, col = rng.integers(4, SIZE - 1), rng.integers(0, SIZE - 3)
        tiles[row : row + rng.integers(1, 3), col : col + rng.integers(2, 7)] = SOLID


def _add_ledges(tiles: Tiles, rng: np.random.Generator) -> None:
    """Hang solid and one-way ledges in the air, and stand a few blocks and pillars."""
    for _ in range(rng.integers(1, 7)):
        row, col, width = rng.integers(3, SIZE - 2), rng.integers(0, SIZE - 1), rng.integers(1, 6)
        ledge = tiles[row, col : col + width]
        ledge[ledge == EMPTY] = PLATFORM if rng.random() < 0.65 else SOLID
    for _ in range(rng.integers(0, 3)):
        col = rng.integers(0, SIZE)
        top = _first_floor(tiles, int(col))
        if top is not None and top > 4:
            tiles[top - rng.integers(1, 3) : top, col] = SOLID


def _first_floor(tiles: Tiles, col: int) -> int | None:
    rows = np.flatnonzero((tiles[1:, col] == SOLID) & (tiles[:-1, col] == EMPTY))
    return int(rows[-1]) + 1 if len(rows) else None


def _add_hazards(tiles: Tiles, rng: np.random.Generator) -> None:
    """Cut pits and lava pools into the floor; stand spikes and springs on it."""
    for _ in range(rng.integers(0, 3)):
        col, width = rng.integers(1, SIZE - 3), rng.integers(1, 4)
        pool = tiles[-1, col : col + width]
        if (pool == SOLID).all():
            depth = rng.integers(1, 3)
            tiles[SIZE - depth :, col : col + width] = LAVA if rng.random() < 0.7 else EMPTY
    for tile, most in ((SPIKES, 4), (SPRING, 3)):
        spots = standing_spots(tiles)
        for index in rng.permutation(len(spots))[: rng.integers(0, most)]:
            col, row = spots[index]
            tiles[row, col] = tile


def standing_spots(tiles: Tiles) -> list[tuple[int, int]]:
    """Return (column, row) of empty tiles with floor below and headroom for the player above."""
    above, here, below = tiles[:-2], tiles[1:-1], tiles[2:]
    floor = (below == SOLID) | (below == PLATFORM)
    rows, cols = np.nonzero((here == EMPTY) & (above == EMPTY) & floor)
    return [(int(col), int(row) + 1) for row, col in zip(rows, cols, strict=True)]


def _furnish(tiles: Tiles, rng: np.random.Generator) -> Level | None:
    """Place start, door, enemies and coins; None where there is no room for them."""
    spots = standing_spots(tiles)
    if len(spots) < 6:
        return None
    order = rng.permutation(len(spots))
    spawn = spots[order[0]]
    far = max(order[1:4], key=lambda i: abs(spots[i][0] - spawn[0]) + abs(spots[i][1] - spawn[1]))
    door = spots[far]
    tiles[door[1], door[0]] = DOOR
    walks = [spot for spot in spots if _room_to_walk(tiles, spot) and _apart(spot, spawn, door)]
    picks = rng.permutation(len(walks))[: rng.integers(0, MAX_ENEMIES + 1)]
    enemies = tuple(walks[i] for i in picks)
    return Level(tiles, _coins(tiles, rng, {spawn, door, *enemies}), spawn, enemies)


def _room_to_walk(tiles: Tiles, spot: tuple[int, int]) -> bool:
    col, row = spot
    if not 0 < col < SIZE - 1:
        return False
    floors = tiles[row + 1, col - 1 : col + 2]
    walkable = ((floors == SOLID) | (floors == PLATFORM)) & (tiles[row, col - 1 : col + 2] == EMPTY)
    return bool(walkable.sum() >= 2)


def _apart(spot: tuple[int, int], spawn: tuple[int, int], door: tuple[int, int]) -> bool:
    return abs(spot[0] - spawn[0]) + abs(spot[1] - spawn[1]) > 3 and spot != door


def _coins(
    tiles: Tiles, rng: np.random.Generator, taken: set[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Strew coins: rows of them over floors and ledges, and a few in the air."""
    coins = np.zeros((SIZE, SIZE), np.bool_)
    spots = standing_spots(tiles)
    for _ in range(rng.integers(1, 5)):
        col, row = spots[rng.integers(len(spots))]
        row -= int(rng.choice((0, 1, 2), p=(0.5, 0.25, 0.25)))
        for step in range(rng.integers(1, 5)):
            c = col + step
            if row >= 0 and c < SIZE and tiles[row, c] == EMPTY and (c, row) not in taken:
                coins[row, c] = True
    return coins
