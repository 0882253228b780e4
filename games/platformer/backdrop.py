"""Backdrops: the sky and the far silhouettes behind a level, as ink numbers.

Knows shapes only; every style is a deterministic function of its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from games.platformer.inks import CLOUD, DETAIL, FAR, NEAR, SKY, Art
from games.platformer.level import FRAME, SIZE, TILE

Heights = NDArray[np.int64]

COLUMNS = np.arange(FRAME)


@lru_cache(maxsize=512)
def backdrop_art(style: str, seed: int) -> Art:
    """The whole frame behind the tiles, (FRAME, FRAME) inks, read-only."""
    rng = np.random.default_rng((seed, sum(style.encode())))
    image = np.repeat(SKY + np.arange(SIZE), TILE)[:, None].repeat(FRAME, axis=1).astype(np.uint8)
    STYLES[style](image, rng)
    image.flags.writeable = False
    return image


def _fill(image: Art, heights: Heights, ink: int) -> None:
    """Paint each column from the ground up to its height in pixels."""
    image[COLUMNS[:, None] >= FRAME - heights[None, :]] = ink


def _hang(image: Art, depths: Heights, ink: int) -> None:
    image[COLUMNS[:, None] < depths[None, :]] = ink


def _waves(rng: np.random.Generator, base: float, swing: float, periods: int) -> Heights:
    """A rolling line: two sines with random phases."""
    phase = rng.uniform(0, 2 * np.pi, 2)
    angle = 2 * np.pi * COLUMNS / FRAME * periods
    line = np.sin(angle + phase[0]) + 0.45 * np.sin(2.3 * angle + phase[1])
    heights: Heights = np.rint(base + swing * line).astype(np.int64)
    return heights


def _teeth(
    rng: np.random.Generator, base: tuple[int, int], width: tuple[int, int], slope: float
) -> Heights:
    """A line of triangles side by side: firs, peaks, stalactites."""
    line = np.zeros(FRAME)
    centre = -int(rng.integers(0, width[0]))
    while centre < FRAME + width[1]:
        top = rng.uniform(*base)
        line = np.maximum(line, top - slope * np.abs(COLUMNS - centre))
        centre += int(rng.integers(*width))
    return np.rint(line).astype(np.int64)


def _clouds(image: Art, rng: np.random.Generator) -> None:
    for _ in range(4):
        left, top = int(rng.integers(-8, FRAME - 8)), int(rng.integers(6, 44))
        for rise, inset, length in ((0, 0, 22), (-2, 3, 14), (-4, 7, 6)):
            start = max(left + inset, 0)
            image[top + rise : top + rise + 3, start : max(left + inset + length, 0)] = CLOUD


def _stars(image: Art, rng: np.random.Generator) -> None:
    rows, columns = rng.integers(2, 60, 26), rng.integers(0, FRAME, 26)
    image[rows, columns] = CLOUD


def _hills(image: Art, rng: np.random.Generator) -> None:
    _clouds(image, rng)
    _fill(image, _waves(rng, 56, 9, 2), FAR)
    _fill(image, _waves(rng, 34, 8, 3), NEAR)


def _dunes(image: Art, rng: np.random.Generator) -> None:
    row, column = rng.integers(18, 34), rng.integers(24, FRAME - 24)
    sun = (COLUMNS[:, None] - row) ** 2 + (COLUMNS[None, :] - column) ** 2 < 90
    image[sun] = CLOUD
    _fill(image, _waves(rng, 46, 7, 1), FAR)
    _fill(image, _waves(rng, 28, 9, 2), NEAR)


def _peaks(image: Art, rng: np.random.Generator) -> None:
    _clouds(image, rng)
    far = _teeth(rng, (58, 86), (26, 40), 1.3)
    _fill(image, far, FAR)
    # Snow caps: whatever of the far range rises above a jagged snow line.
    snow = (COLUMNS[:, None] >= FRAME - far) & (COLUMNS[:, None] < 62 + (COLUMNS // 3 % 2) * 2)
    image[snow] = CLOUD
    _fill(image, _teeth(rng, (34, 52), (18, 30), 1.0), NEAR)


def _pines(image: Art, rng: np.random.Generator) -> None:
    _stars(image, rng)
    notch = (COLUMNS % 4 == 0) * 2
    _fill(image, np.maximum(_teeth(rng, (52, 74), (9, 16), 3.0) - notch, 36), FAR)
    _fill(image, np.maximum(_teeth(rng, (32, 52), (12, 20), 2.6) - notch, 20), NEAR)


def _caves(image: Art, rng: np.random.Generator) -> None:
    _fill(image, np.maximum(_teeth(rng, (36, 62), (13, 24), 3.2), _waves(rng, 26, 4, 3)), FAR)
    _hang(image, np.maximum(_teeth(rng, (30, 56), (13, 24), 3.2), _waves(rng, 20, 4, 2)), FAR)
    _fill(image, np.maximum(_teeth(rng, (18, 38), (15, 28), 2.8), _waves(rng, 14, 3, 3)), NEAR)
    _hang(image, np.maximum(_teeth(rng, (16, 34), (15, 28), 2.8), _waves(rng, 11, 3, 2)), NEAR)


def _skyline(image: Art, rng: np.random.Generator) -> None:
    _stars(image, rng)
    for ink, low, high in ((FAR, 48, 92), (NEAR, 24, 62)):
        left = -int(rng.integers(0, 8))
        while left < FRAME:
            width, top = int(rng.integers(10, 19)), FRAME - int(rng.integers(low, high))
            start, stop = max(left, 0), min(left + width, FRAME)
            image[top:, start:stop] = ink
            image[top - 4 : top, max(left + 3, 0) : max(left + 4, 0)] = ink
            if ink == NEAR:
                image[top + 3 :: 5, start + 2 : stop - 2 : 4] = DETAIL
            left += width + int(rng.integers(0, 4))


def _ruins(image: Art, rng: np.random.Generator) -> None:
    _clouds(image, rng)
    _fill(image, _waves(rng, 48, 4, 2), FAR)
    left = int(rng.integers(-6, 6))
    while left < FRAME:
        top = FRAME - int(rng.integers(46, 78))
        start, stop = max(left, 0), max(min(left + 8, FRAME), 0)
        image[top:, start:stop] = NEAR
        image[top : top + 4, max(left - 2, 0) : max(min(left + 10, FRAME), 0)] = NEAR
        image[top + 7 :, max(left + 2, 0) : max(left + 3, 0)] = DETAIL
        left += int(rng.integers(18, 32))
    _fill(image, _waves(rng, 24, 4, 3), NEAR)


STYLES: dict[str, Callable[[Art, np.random.Generator], None]] = {
    "hills": _hills,
    "skyline": _skyline,
    "pines": _pines,
    "caves": _caves,
    "ruins": _ruins,
    "peaks": _peaks,
    "dunes": _dunes,
}
