"""The cast: the player's drawings, as the painter lays them over a frame.

They are read from the model sheet, the first frame of a session: a grid of 16x16 px squares, row by
row, each with a drawing at its top left; the drawings' silhouettes stand in the lower half.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from world_model.config import CastConfig

SQUARE = CastConfig.SQUARE_PX
CUT_PX = 2
"""So much of a player may be outside at the sides of the frame."""
NOWHERE = (-1000, -1000, 0)
"""Where a player is that cannot be found."""
SAME = 1 / 255
"""Colours that differ by less, in [-1, 1], are the same."""


def locate(frame: NDArray[np.uint8], cast: NDArray[np.float32]) -> tuple[int, int, int] | None:
    """Find where a true frame (H, W, 3) shows a drawing of the cast, to the pixel.

    Returns top, left and drawing; None where there is none. Up to `CUT_PX` of it may be outside.
    """
    height, width = cast.shape[-2:]
    unit = np.pad(frame.astype(np.float32) / 127.5 - 1, [(CUT_PX, CUT_PX)] * 2 + [(0, 0)],
                  constant_values=np.nan)  # fmt: skip
    for drawing, sprite in enumerate(cast):
        rows, columns = np.nonzero(sprite[3])
        if not len(rows):
            continue
        colours = sprite[:3, rows, columns].T
        tops, lefts = np.arange(len(unit) - height + 1), np.arange(unit.shape[1] - width + 1)
        places = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
        for row, column, colour in zip(rows, columns, colours, strict=True):
            there = unit[places[:, 0] + row, places[:, 1] + column]
            places = places[~(np.abs(there - colour).max(-1) >= SAME)]  # outside is anything
        if len(places):
            return int(places[0, 0]) - CUT_PX, int(places[0, 1]) - CUT_PX, drawing
    return None


def read_cast(sheet: NDArray[np.uint8], config: CastConfig) -> NDArray[np.float32]:
    """Cut a model sheet (H, W, 3) into drawings (D, 4, h, w): RGB in [-1, 1], and opacity 0 or 1.

    RGB is 0 where nothing is drawn.
    """
    rows, columns = (side // SQUARE for side in sheet.shape[:2])
    squares = sheet.reshape(rows, SQUARE, columns, SQUARE, 3).transpose(0, 2, 4, 1, 3)
    upper, lower = squares[: rows // 2], squares[rows // 2 :]
    drawn, silhouettes = (
        part.reshape(-1, 3, SQUARE, SQUARE)[: config.drawings, :, : config.height, : config.width]
        for part in (upper, lower)
    )
    opacity = (silhouettes[:, :1] > 127).astype(np.float32)
    colours = (drawn.astype(np.float32) / 127.5 - 1) * opacity
    return np.concatenate([colours, opacity], 1)
