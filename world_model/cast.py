"""The cast: the actors' drawings, as the painter lays them over a frame.

They are read from the model sheet, the first frame of a session: a grid of 16x16 px squares, row by
row, each with a drawing at its top left, the player's first; the drawings' silhouettes stand in the
lower half.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from world_model.config import CastConfig

SQUARE = CastConfig.SQUARE_PX
CUT_PX = 2
"""So much of an actor may be outside at the sides of the frame."""
TOP, LEFT, DRAWING, COMING = range(4)
"""The numbers of a place: the pixel of the drawing's top left corner, which drawing of the cast it
is, and how the actor came there."""
COMINGS = GOES_ON, PUT_BACK, ANEW = range(3)
"""It went on from the place before, or was put back to the start: alone, or as everything starts
anew."""
NOWHERE = (-1000, -1000, 0, GOES_ON)
"""The place of an actor that cannot be found."""
ALIKE: Final = 0.75
"""Share of a drawing's pixels that must be seen, as another actor may be in front of it."""
APART_PX: Final = 4
AWAY_COST: Final = 0.01
"""A pixel from where an actor is expected is worth so much of what is seen of it."""
NEAR_PX: Final = 2
"""So far from where it is expected an actor is looked for."""
_OUTSIDE: Final = -1

Places = NDArray[np.int64]


def locate(frame: NDArray[np.uint8], cast: NDArray[np.float32], config: CastConfig) -> Places:
    """Find where a true frame (H, W, 3) shows actors, to the pixel; returns places (A, 4).

    Each is `NOWHERE` where there is none: the player, then the others, from the top left on. Up to
    `CUT_PX` of one may be outside at the sides.
    """
    alike = _likeness(_packed(frame), cast)
    places = np.full((config.actors, len(NOWHERE)), NOWHERE, np.int64)
    players, others = np.split(alike, [config.player_drawings])
    if found := _best(players, 1):
        places[0] = *found[0], GOES_ON
    ranked = sorted(_best(others, config.actors - 1))
    for place, (top, left, drawing) in zip(places[1:], ranked, strict=False):
        place[:] = top, left, drawing + config.player_drawings, GOES_ON
    return places


def follow(frames: NDArray[np.uint8], cast: NDArray[np.float32], config: CastConfig) -> Places:
    """Find actors in true frames (K, H, W, 3) of consecutive ticks; returns (K, A, 4).

    In the first as `locate` does. Each keeps its row; one that others hide is taken to go on as it
    went.
    """
    places = [locate(frames[0], cast, config)]
    for frame in frames[1:]:
        last = places[-1]
        expected = 2 * last - places[-2] if len(places) > 1 else last
        players, others = np.split(_likeness(_packed(frame), cast), [config.player_drawings])
        after = np.full_like(last, NOWHERE)
        for top, left, drawing in _best(players, 1):
            after[0] = top, left, drawing, GOES_ON
        rows = [row for row in range(1, len(last)) if last[row, 0] != NOWHERE[0]]
        while rows:
            sights = {row: _seen_near(others, *expected[row, :2].tolist()) for row in rows}
            row = max(rows, key=lambda row: sights[row][0])
            _, (top, left, drawing) = sights[row]
            after[row] = top, left, drawing + config.player_drawings, GOES_ON
            others[:, top, left + CUT_PX] = 0  # nobody else is right there
            rows.remove(row)
        places.append(after)
    return np.stack(places)


def _seen_near(
    alike: NDArray[np.float64], top: int, left: int
) -> tuple[float, tuple[int, int, int]]:
    """Look for an actor around a place; it is there if it is not seen.

    Returns which share of it is seen, and its place and drawing; the nearer of two counts more.
    """
    sizes = alike.shape[1:]
    row, column = np.clip((top, left + CUT_PX), 0, np.subtract(sizes, 1)).tolist()
    rows, columns = (
        np.arange(max(0, at - NEAR_PX), min(size, at + NEAR_PX + 1))
        for at, size in zip((row, column), sizes, strict=True)
    )
    near = alike[:, rows[:, None], columns]
    away = np.maximum(np.abs(rows - row)[:, None], np.abs(columns - column))
    shares = near - away * AWAY_COST
    drawing, below, beside = (int(i) for i in np.unravel_index(shares.argmax(), shares.shape))
    if near[drawing, below, beside] >= ALIKE:
        row, column = int(rows[below]), int(columns[beside])
    else:
        drawing = int(alike[:, row, column].argmax())
    return float(shares.max()), (row, column - CUT_PX, drawing)


def _best(alike: NDArray[np.float64], most: int) -> list[tuple[int, int, int]]:
    """Choose up to so many places (top, left, drawing), the best first, none close to another."""
    left = alike.copy()
    found: list[tuple[int, int, int]] = []
    while left.size and len(found) < most and left.max() >= ALIKE:
        drawing, row, column = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        found.append((row, column - CUT_PX, drawing))
        rows, columns = (slice(max(0, at - APART_PX), at + APART_PX + 1) for at in (row, column))
        left[:, rows, columns] = 0
    return found


def _likeness(packed: NDArray[np.int64], cast: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return which share of each drawing's pixels is seen at each place, (D, rows, columns)."""
    height, width = cast.shape[-2:]
    padded = np.pad(packed, [(0, 0), (CUT_PX, CUT_PX)], constant_values=_OUTSIDE)
    rows, columns = (size - of + 1 for size, of in zip(padded.shape, (height, width), strict=True))
    drawings = [_opaque_pixels(sprite) for sprite in cast]
    palette = np.unique(np.concatenate([colours for _, colours in drawings]))
    outside = padded == _OUTSIDE
    shown = {rgb: ((padded == rgb) | outside).view(np.uint8) for rgb in palette.tolist()}
    alike = np.zeros((len(cast), rows, columns))
    for share, (places, colours) in zip(alike, drawings, strict=True):
        count = np.zeros((rows, columns), np.uint8)
        for (row, column), colour in zip(places.tolist(), colours.tolist(), strict=True):
            count += shown[colour][row : row + rows, column : column + columns]
        # Of two drawings that are seen whole the larger is meant.
        share[:] = count / (max(1, len(places)) - len(places) * 1e-6)
    return alike


def _opaque_pixels(sprite: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places (n, 2) of a drawing's pixels (4, H, W) that are not clear, and their
    colours (n,)."""
    opaque = sprite[3] > 0
    rgb = ((sprite[:3, opaque].T + 1) * 127.5).round().astype(np.uint8)
    return np.argwhere(opaque), _packed(rgb)


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Turn colours (..., 3) into numbers (...)."""
    return np.asarray(pixels.astype(np.int64) @ np.array([65536, 256, 1]))


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
