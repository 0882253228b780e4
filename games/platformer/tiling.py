"""The choice of art for every cell of a level.

It depends on the cell's kind, its neighbours and its place, never on time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from games.platformer import level
from games.platformer.textures import (
    DOOR_AT,
    DOWN,
    EDGES,
    EMPTY_AT,
    LAVA_AT,
    LEFT,
    PLATFORM_AT,
    RIGHT,
    SOLID_AT,
    SPIKES_AT,
    SPRING_AT,
    UP,
    VARIANTS,
)  # fmt: skip


def tile_choice(tiles: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Which art of a tile set each cell shows; (B, SIZE, SIZE) kinds in, same shape out."""
    solid, lava = tiles == level.SOLID, tiles == level.LAVA
    # Beyond the frame the world goes on, and lava lies flush against its bed.
    up, right, down, left = _neighbours(solid | lava)
    edges = UP * ~up + RIGHT * ~right + DOWN * ~down + LEFT * ~left
    row, column = np.indices(tiles.shape[1:])
    variant = (row * 7 + column * 13 + (row * column) // 3 + (row ^ column)) % VARIANTS

    _, plank_right, _, plank_left = _neighbours(solid | (tiles == level.PLATFORM))
    solid_up, _, solid_down, _ = _neighbours(solid)
    kinds = {
        level.SOLID: SOLID_AT + variant * EDGES + edges,
        level.PLATFORM: PLATFORM_AT + ~plank_left * 1 + ~plank_right * 2,
        level.SPIKES: SPIKES_AT + (solid_up & ~solid_down),
        level.LAVA: LAVA_AT + 2 * up + variant % 2,
        level.SPRING: np.intp(SPRING_AT),
        level.DOOR: np.intp(DOOR_AT),
    }
    choice = np.full(tiles.shape, EMPTY_AT, dtype=np.intp)
    for kind, picked in kinds.items():
        np.copyto(choice, picked, where=tiles == kind)
    return choice


def _neighbours(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    """The mask as seen above, right, below and left of each cell; True beyond the frame."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    return padded[:, :-2, 1:-1], padded[:, 1:-1, 2:], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2]
