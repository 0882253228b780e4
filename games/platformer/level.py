"""What a platformer level is: a 16x16 map of tiles, its ASCII form, and batches of levels.

Knows nothing about motion (`physics`) or looks (`render`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TILE: Final = 8
SIZE: Final = 16
FRAME: Final = TILE * SIZE
MAX_ENEMIES: Final = 3
PLAYER_W: Final = 6
PLAYER_H: Final = 12

EMPTY: Final = 0
SOLID: Final = 1
PLATFORM: Final = 2
SPIKES: Final = 3
LAVA: Final = 4
SPRING: Final = 5
DOOR: Final = 6

TILE_CHARS: Final = {
    ".": EMPTY,
    " ": EMPTY,
    "#": SOLID,
    "=": PLATFORM,
    "^": SPIKES,
    "~": LAVA,
    "S": SPRING,
    "D": DOOR,
}
COIN_CHAR: Final = "o"
ENEMY_CHAR: Final = "E"
PLAYER_CHAR: Final = "P"
LEVEL_CHARS: Final = "".join(TILE_CHARS) + COIN_CHAR + ENEMY_CHAR + PLAYER_CHAR


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a map; `line` and `column` are 0-based within the map."""

    line: int
    column: int
    message: str
    expected: str


class LevelError(ValueError):
    """A map that is no level; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"row {p.line + 1}: {p.message}" for p in self.problems))


@dataclass(frozen=True, eq=False)
class Level:
    """One level: `tiles` (16, 16) uint8, `coins` (16, 16) bool, starts as (column, row)."""

    tiles: NDArray[np.uint8]
    coins: NDArray[np.bool_]
    spawn: tuple[int, int]
    enemies: tuple[tuple[int, int], ...]


def parse_level(text: str) -> Level:
    """Read an ASCII map of 16 rows of 16 characters from `LEVEL_CHARS`.

    Raises LevelError with every problem at once.
    """
    rows = text.splitlines()
    problems = _shape_problems(rows)
    tiles = np.full((SIZE, SIZE), EMPTY, np.uint8)
    coins = np.zeros((SIZE, SIZE), np.bool_)
    found: dict[str, list[tuple[int, int]]] = {PLAYER_CHAR: [], ENEMY_CHAR: [], "D": []}
    for row, line in enumerate(rows[:SIZE]):
        for col, char in enumerate(line[:SIZE]):
            if char in found:
                found[char].append((col, row))
            if char in TILE_CHARS:
                tiles[row, col] = TILE_CHARS[char]
            elif char == COIN_CHAR:
                coins[row, col] = True
            elif char not in found:
                expected = f"one of {' '.join(LEVEL_CHARS.replace(' ', ''))} or a space"
                problems.append(Problem(row, col, f"unknown map character {char!r}", expected))
    problems += _count_problems(found, len(rows))
    if len(found[PLAYER_CHAR]) == 1:
        problems += _headroom_problems(tiles, *found[PLAYER_CHAR][0])
    if problems:
        raise LevelError(problems)
    return Level(tiles, coins, found[PLAYER_CHAR][0], tuple(found[ENEMY_CHAR]))


def format_level(level: Level) -> str:
    """Write a level as the ASCII map that `parse_level` reads."""
    chars = {tile: char for char, tile in TILE_CHARS.items() if char != " "}
    grid = [[chars[int(tile)] for tile in row] for row in level.tiles]
    for row, col in zip(*np.nonzero(level.coins), strict=True):
        grid[row][col] = COIN_CHAR
    for col, row in level.enemies:
        grid[row][col] = ENEMY_CHAR
    grid[level.spawn[1]][level.spawn[0]] = PLAYER_CHAR
    return "\n".join("".join(row) for row in grid)


def _shape_problems(rows: list[str]) -> list[Problem]:
    problems = []
    if len(rows) != SIZE:
        problems.append(
            Problem(
                max(0, min(len(rows), SIZE + 1) - 1),
                0,
                f"the map has {len(rows)} rows",
                f"{SIZE} rows",
            )
        )
    for row, line in enumerate(rows):
        if len(line) != SIZE:
            at = min(len(line), SIZE)
            message = f"this row has {len(line)} characters"
            problems.append(Problem(row, at, message, f"{SIZE} characters"))
    return problems


def _count_problems(found: dict[str, list[tuple[int, int]]], rows: int) -> list[Problem]:
    problems = []
    for char, noun in ((PLAYER_CHAR, "player start"), ("D", "goal door")):
        if not found[char]:
            message = f"the map has no {noun} {char!r}"
            problems.append(Problem(max(0, rows - 1), 0, message, f"exactly one {char}"))
        for col, row in found[char][1:]:
            problems.append(Problem(row, col, f"a second {noun}", f"exactly one {char}"))
    for col, row in found[ENEMY_CHAR][MAX_ENEMIES:]:
        problems.append(Problem(row, col, "one enemy too many", f"at most {MAX_ENEMIES} E"))
    return problems


def _headroom_problems(tiles: NDArray[np.uint8], col: int, row: int) -> list[Problem]:
    """Say what is in the way of a player who starts here: it is taller than a tile."""
    if row == 0:
        expected = f"{PLAYER_CHAR} in rows 2 to {SIZE} (the player is taller than a tile)"
        return [Problem(row, col, "the player starts above the frame", expected)]
    if tiles[row - 1, col] in (SOLID, DOOR):
        message = "no room for the player's head"
        return [Problem(row, col, message, f"neither # nor D above {PLAYER_CHAR}")]
    return []


@dataclass(frozen=True, eq=False)
class Levels:
    """A batch of B levels as arrays; positions in pixels, of each box's top left corner.

    `tiles` (B, 16, 16) uint8; `coins` (B, 16, 16) bool; `spawn_x`, `spawn_y` (B,) int32;
    `enemy_x`, `enemy_y` (B, 3) int32; `enemy_alive` (B, 3) bool.
    """

    tiles: NDArray[np.uint8]
    coins: NDArray[np.bool_]
    spawn_x: NDArray[np.int32]
    spawn_y: NDArray[np.int32]
    enemy_x: NDArray[np.int32]
    enemy_y: NDArray[np.int32]
    enemy_alive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tiles)

    @classmethod
    def stack(cls, levels: Sequence[Level]) -> Levels:
        """Batch levels; a player stands on the bottom of its start tile, centred."""
        spawn = np.array([level.spawn for level in levels], np.int32).reshape(-1, 2)
        enemies = np.zeros((len(levels), MAX_ENEMIES, 2), np.int32)
        alive = np.zeros((len(levels), MAX_ENEMIES), np.bool_)
        for i, level in enumerate(levels):
            for j, start in enumerate(level.enemies):
                enemies[i, j] = start
                alive[i, j] = True
        return cls(
            tiles=np.stack([level.tiles for level in levels]),
            coins=np.stack([level.coins for level in levels]),
            spawn_x=spawn[:, 0] * TILE + (TILE - PLAYER_W) // 2,
            spawn_y=(spawn[:, 1] + 1) * TILE - PLAYER_H,
            enemy_x=enemies[..., 0] * TILE,
            enemy_y=enemies[..., 1] * TILE,
            enemy_alive=alive,
        )
