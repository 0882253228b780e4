"""The cast: the player's drawings, as the painter lays them over a frame.

They are read from the model sheet, the first frame of a session: a grid of 16x16 px squares, row by
row, each with a drawing at its top left; the drawings' silhouettes stand in the lower half.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from world_model.config import CastConfig

SQUARE = CastConfig.SQUARE_PX


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
