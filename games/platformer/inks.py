"""Inks: the numbered colours that all art is drawn in, and the table that turns them into RGB.

Art is stored as ink numbers and does not depend on a palette; a palette only fills the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from games.platformer.themes import RGB, Palette

Art = NDArray[np.uint8]

CLEAR = 0
SKY = 1
SKY_BANDS = 16
OUTLINE = SKY + SKY_BANDS
WHITE = OUTLINE + 1
FAR, NEAR, DETAIL, CLOUD = range(WHITE + 1, WHITE + 5)

# Every material has five shades: outline-dark, dark, base, light, highlight.
MATERIALS = (
    "ground", "grass", "platform", "coin", "hazard", "lava",
    "spring", "enemy", "door", "hero", "hero_trim",
)  # fmt: skip
SHADES = 5
FIRST = {name: CLOUD + 1 + SHADES * i for i, name in enumerate(MATERIALS)}
COUNT = CLOUD + 1 + SHADES * len(MATERIALS)

OUTLINE_RGB: RGB = (26, 18, 34)
# Shadows lean to violet and lights to warm white, as sunlit pixel art does.
SHADOW = np.array((28, 16, 52), dtype=np.float32)
LIGHT = np.array((255, 248, 222), dtype=np.float32)
RAMP = ((SHADOW, 0.68), (SHADOW, 0.27), (LIGHT, 0.0), (LIGHT, 0.24), (LIGHT, 0.6))


def art(rows: Sequence[str], material: str) -> Art:
    """Ink numbers from text: `.` clear, `k` outline, `w` white, `0`-`4` shades of the material."""
    inks = {".": CLEAR, "k": OUTLINE, "w": WHITE}
    inks |= {str(shade): FIRST[material] + shade for shade in range(SHADES)}
    return np.array([[inks[char] for char in row] for row in rows], dtype=np.uint8)


def ink_table(palette: Palette) -> NDArray[np.uint8]:
    """RGB of every ink, (COUNT, 3); the clear ink is black and never shown."""
    table = np.zeros((COUNT, 3), dtype=np.float32)
    sky, haze, backdrop = (
        np.array(colour, dtype=np.float32)
        for colour in (palette.sky, palette.haze, palette.backdrop)
    )
    height = np.linspace(0.0, 1.0, SKY_BANDS, dtype=np.float32)[:, None]
    table[SKY:OUTLINE] = sky + (haze - sky) * height
    table[OUTLINE] = OUTLINE_RGB
    table[WHITE] = 255
    table[FAR] = 0.55 * haze + 0.45 * backdrop
    table[NEAR] = backdrop
    table[DETAIL] = 0.75 * backdrop + 0.25 * (0.5 * haze + 0.5 * LIGHT)
    table[CLOUD] = 0.78 * sky + 0.22 * LIGHT
    for name, first in FIRST.items():
        base = np.array(getattr(palette, name), dtype=np.float32)
        for shade, (target, amount) in enumerate(RAMP):
            table[first + shade] = base + (target - base) * amount
    return np.rint(table).astype(np.uint8)
