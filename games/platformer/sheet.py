"""The model sheet: the frame that shows a world what its actors look like, once, before it dreams.

Drawings stand in a grid of 16x16 px, row by row, at the top left of their squares; their
silhouettes, white on black, stand four rows below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import FRAME
from games.platformer.physics import State
from games.platformer.sprites import (
    FACINGS,
    POSES,
    enemy_frame,
    enemy_sprites,
    facing_index,
    hero_pose,
    hero_sprites,
)
from games.platformer.themes import Palette

SQUARE = 16
SILHOUETTES = 4 * SQUARE


def model_sheet(palette: Palette) -> NDArray[np.uint8]:
    """Draw the hero's poses and facings, then an enemy's steps and facings, (128, 128, 3) RGB."""
    sheet = np.zeros((FRAME, FRAME, 3), np.uint8)
    drawings = [*hero_sprites(palette), *enemy_sprites(palette)]
    for index, sprite in enumerate(sprite for facings in drawings for sprite in facings):
        row, column = divmod(index, FRAME // SQUARE)
        height, width = sprite.shape[:2]
        opaque = sprite[..., 3:]
        for top, drawing in ((0, sprite[..., :3] * (opaque > 0)), (SILHOUETTES, opaque)):
            rows = slice(top + row * SQUARE, top + row * SQUARE + height)
            sheet[rows, column * SQUARE : column * SQUARE + width] = drawing
    return sheet


def drawing_of(state: State) -> NDArray[np.intp]:
    """Return which drawing of the sheet each hero of a batch shows, (B,)."""
    return hero_pose(state) * len(FACINGS) + facing_index(state.facing)


def drawing_of_enemies(state: State) -> NDArray[np.intp]:
    """Return the same of their enemies, (B, 3)."""
    step = len(POSES) + enemy_frame(state.enemy_x)
    return step * len(FACINGS) + facing_index(state.enemy_dir)
