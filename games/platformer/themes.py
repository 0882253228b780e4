"""Palettes: the base colours and texture styles a level is painted with.

Knows colours and the names of styles; knows nothing of pixels, tiles or levels.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, fields, replace

import numpy as np

RGB = tuple[int, int, int]

GROUND_STYLES = ("brick", "dirt", "stone", "crystal", "plank", "panel", "sand")
BACKDROP_STYLES = ("hills", "skyline", "pines", "caves", "ruins", "peaks", "dunes")
BACKDROP_SEEDS = 64

# The hero is one character in every theme, so that eyes and detectors find it anywhere.
HERO: RGB = (218, 66, 46)
HERO_TRIM: RGB = (252, 222, 184)


@dataclass(frozen=True)
class Palette:
    """Base colours (RGB, 0..255) and styles; every shade on screen is derived from these."""

    sky: RGB
    haze: RGB
    backdrop: RGB
    ground: RGB
    grass: RGB
    platform: RGB
    coin: RGB
    hazard: RGB
    lava: RGB
    spring: RGB
    enemy: RGB
    door: RGB
    hero: RGB = HERO
    hero_trim: RGB = HERO_TRIM
    ground_style: str = "dirt"
    backdrop_style: str = "hills"
    backdrop_seed: int = 0

    def __post_init__(self) -> None:
        for name in COLOURS:
            _check_colour(name, getattr(self, name))
        _check_style("ground_style", self.ground_style, GROUND_STYLES)
        _check_style("backdrop_style", self.backdrop_style, BACKDROP_STYLES)
        if not 0 <= self.backdrop_seed < BACKDROP_SEEDS:
            raise ValueError(
                f"backdrop_seed must be 0..{BACKDROP_SEEDS - 1}, got {self.backdrop_seed}"
            )


STYLES = ("ground_style", "backdrop_style", "backdrop_seed")
COLOURS = tuple(field.name for field in fields(Palette) if field.name not in STYLES)
HERO_COLOURS = ("hero", "hero_trim")


def _check_colour(name: str, colour: object) -> None:
    channels = colour if isinstance(colour, tuple) else ()
    if len(channels) != 3 or not all(type(c) is int and 0 <= c <= 255 for c in channels):
        raise ValueError(f"{name} must be three whole numbers 0..255, got {colour!r}")


def _check_style(name: str, style: str, known: tuple[str, ...]) -> None:
    if style not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {style!r}")


def jitter(palette: Palette, rng: np.random.Generator, strength: float = 1.0) -> Palette:
    """A palette near this one: one common hue shift, small ones per colour, perhaps new styles.

    Strength 0 returns an equal palette. The hero barely moves at any strength.
    """
    turn = rng.uniform(-0.5, 0.5) * strength
    exposure = 1.0 + rng.uniform(-0.2, 0.2) * strength
    colours = {}
    for name in COLOURS:
        hue, saturation, value = rng.uniform(-1.0, 1.0, size=3) * strength
        if name in HERO_COLOURS:
            shift = (0.012 * hue, 1.0 + 0.06 * saturation, 1.0 + 0.06 * value)
        else:
            shift = (
                turn + 0.05 * hue,
                1.0 + 0.25 * saturation,
                exposure * (1.0 + 0.12 * value),
            )
        colours[name] = _shifted(getattr(palette, name), shift)
    # Drawn whether used or not, so that a strength never changes how far the generator advances.
    swap_ground, swap_backdrop = rng.random(2) < 0.3 * strength
    ground = GROUND_STYLES[rng.integers(len(GROUND_STYLES))]
    backdrop = BACKDROP_STYLES[rng.integers(len(BACKDROP_STYLES))]
    seed = int(rng.integers(BACKDROP_SEEDS))
    return replace(
        palette,
        **colours,
        ground_style=ground if swap_ground else palette.ground_style,
        backdrop_style=backdrop if swap_backdrop else palette.backdrop_style,
        backdrop_seed=seed if strength > 0 else palette.backdrop_seed,
    )


def _shifted(colour: RGB, shift: tuple[float, float, float]) -> RGB:
    """Add to the hue, scale saturation and value."""
    red, green, blue = (channel / 255 for channel in colour)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    moved = colorsys.hsv_to_rgb(
        (hue + shift[0]) % 1.0,
        min(max(saturation * shift[1], 0.0), 1.0),
        min(max(value * shift[2], 0.0), 1.0),
    )
    red8, green8, blue8 = (round(channel * 255) for channel in moved)
    return red8, green8, blue8


THEMES: dict[str, Palette] = {
    "meadow": Palette(
        sky=(104, 182, 236), haze=(206, 236, 240), backdrop=(134, 192, 172),
        ground=(150, 104, 66), grass=(92, 178, 62), platform=(190, 140, 78),
        coin=(250, 204, 52), hazard=(168, 178, 194), lava=(236, 92, 30),
        spring=(70, 206, 120), enemy=(132, 76, 176), door=(118, 84, 150),
        ground_style="dirt", backdrop_style="hills",
    ),
    "dusk": Palette(
        sky=(74, 52, 112), haze=(244, 158, 116), backdrop=(128, 78, 122),
        ground=(106, 72, 102), grass=(212, 132, 84), platform=(166, 108, 92),
        coin=(255, 222, 96), hazard=(196, 182, 206), lava=(255, 110, 50),
        spring=(94, 206, 190), enemy=(66, 150, 150), door=(90, 92, 178),
        ground_style="stone", backdrop_style="ruins", backdrop_seed=3,
    ),
    "neon": Palette(
        sky=(14, 14, 40), haze=(48, 36, 92), backdrop=(36, 32, 78),
        ground=(56, 66, 110), grass=(52, 214, 222), platform=(200, 66, 190),
        coin=(255, 232, 84), hazard=(214, 220, 240), lava=(246, 62, 128),
        spring=(96, 240, 130), enemy=(114, 222, 74), door=(70, 130, 246),
        ground_style="panel", backdrop_style="skyline", backdrop_seed=5,
    ),
    "cavern": Palette(
        sky=(26, 34, 42), haze=(50, 70, 76), backdrop=(38, 52, 60),
        ground=(96, 104, 106), grass=(86, 150, 112), platform=(138, 112, 82),
        coin=(246, 194, 62), hazard=(184, 190, 190), lava=(240, 116, 28),
        spring=(112, 190, 222), enemy=(122, 176, 92), door=(150, 120, 190),
        ground_style="stone", backdrop_style="caves", backdrop_seed=1,
    ),
    "glacier": Palette(
        sky=(138, 186, 226), haze=(232, 242, 250), backdrop=(174, 204, 230),
        ground=(96, 148, 198), grass=(244, 250, 255), platform=(126, 110, 138),
        coin=(248, 190, 40), hazard=(128, 140, 172), lava=(80, 60, 190),
        spring=(240, 120, 190), enemy=(64, 84, 150), door=(56, 134, 142),
        ground_style="crystal", backdrop_style="peaks", backdrop_seed=2,
    ),
    "desert": Palette(
        sky=(250, 206, 128), haze=(254, 238, 200), backdrop=(236, 192, 130),
        ground=(206, 148, 84), grass=(238, 196, 118), platform=(142, 92, 62),
        coin=(255, 218, 70), hazard=(122, 112, 112), lava=(112, 168, 60),
        spring=(52, 168, 168), enemy=(64, 112, 92), door=(44, 108, 158),
        ground_style="sand", backdrop_style="dunes", backdrop_seed=4,
    ),
    "furnace": Palette(
        sky=(34, 18, 26), haze=(106, 40, 30), backdrop=(66, 28, 32),
        ground=(84, 74, 86), grass=(142, 126, 132), platform=(122, 116, 134),
        coin=(255, 226, 108), hazard=(202, 200, 208), lava=(255, 138, 24),
        spring=(88, 196, 214), enemy=(88, 132, 206), door=(98, 182, 140),
        ground_style="brick", backdrop_style="caves", backdrop_seed=7,
    ),
    "pinewood": Palette(
        sky=(164, 196, 186), haze=(224, 230, 204), backdrop=(110, 150, 134),
        ground=(92, 74, 60), grass=(54, 118, 78), platform=(158, 118, 74),
        coin=(250, 198, 56), hazard=(150, 156, 164), lava=(150, 84, 180),
        spring=(228, 186, 64), enemy=(78, 78, 132), door=(154, 88, 56),
        ground_style="dirt", backdrop_style="pines", backdrop_seed=6,
    ),
    "candy": Palette(
        sky=(252, 186, 214), haze=(255, 236, 226), backdrop=(240, 170, 206),
        ground=(186, 116, 168), grass=(250, 246, 250), platform=(104, 190, 196),
        coin=(255, 214, 72), hazard=(124, 118, 158), lava=(140, 68, 200),
        spring=(84, 204, 122), enemy=(72, 132, 214), door=(92, 76, 160),
        ground_style="brick", backdrop_style="hills", backdrop_seed=9,
    ),
    "laboratory": Palette(
        sky=(214, 222, 226), haze=(240, 244, 244), backdrop=(196, 208, 214),
        ground=(142, 154, 164), grass=(70, 172, 180), platform=(236, 186, 60),
        coin=(248, 178, 36), hazard=(86, 92, 108), lava=(98, 206, 72),
        spring=(82, 120, 230), enemy=(98, 84, 158), door=(40, 126, 136),
        ground_style="panel", backdrop_style="skyline", backdrop_seed=11,
    ),
    "harbour": Palette(
        sky=(32, 98, 128), haze=(150, 210, 196), backdrop=(54, 122, 142),
        ground=(138, 98, 70), grass=(196, 154, 102), platform=(222, 196, 150),
        coin=(255, 216, 80), hazard=(200, 206, 212), lava=(20, 190, 190),
        spring=(244, 150, 190), enemy=(232, 208, 90), door=(50, 62, 124),
        ground_style="plank", backdrop_style="ruins", backdrop_seed=12,
    ),
    "moonlight": Palette(
        sky=(18, 26, 66), haze=(78, 104, 156), backdrop=(40, 56, 104),
        ground=(62, 74, 92), grass=(120, 156, 168), platform=(128, 122, 160),
        coin=(252, 230, 132), hazard=(196, 206, 226), lava=(112, 90, 230),
        spring=(110, 218, 168), enemy=(176, 190, 96), door=(200, 150, 90),
        ground_style="stone", backdrop_style="pines", backdrop_seed=13,
    ),
    "amethyst": Palette(
        sky=(44, 20, 66), haze=(122, 62, 140), backdrop=(78, 38, 104),
        ground=(132, 74, 178), grass=(226, 150, 240), platform=(92, 134, 190),
        coin=(255, 220, 90), hazard=(220, 214, 236), lava=(60, 214, 180),
        spring=(240, 222, 110), enemy=(96, 204, 140), door=(90, 170, 230),
        ground_style="crystal", backdrop_style="peaks", backdrop_seed=14,
    ),
}  # fmt: skip
