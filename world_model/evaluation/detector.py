"""Finds the hero in a frame, true or dreamt, by holding every drawing of it against every place.

Knows the hero's sprites in a level's palette and nothing else: not where the hero should be, not
what the level looks like. So a dream's hero is judged by the picture alone.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import FRAME
from games.platformer.render import HERO_LEFT_PX
from games.platformer.sprites import HERO_H, HERO_W, hero_sprites
from games.platformer.themes import Palette

Maps = NDArray[np.float32]
Spectra = NDArray[np.complexfloating[Any, Any]]

ACCEPT: Final = 0.4
"""Least score of a hero. What else is in true frames stays under 0.2, a blurred hero above 0.5."""

LEAST_VISIBLE: Final = 0.4
"""Least share of the sprite that must be inside the frame."""

APART_PX: Final = (8, 10)
"""Two detections closer than this in x and in y are one hero."""

_GREY: Final = 128.0  # centred pixels keep float32 sums exact enough
# Walls and ceiling hold the hero's box in the frame: its sprite is cut at the sides by this much,
# at the bottom, where it falls out, by any number of rows, and never at the top.
_CUT_PX: Final = HERO_LEFT_PX
_ROWS: Final = FRAME
_COLUMNS: Final = FRAME + 2 * _CUT_PX - HERO_W + 1
_SIDE: Final = 144  # frame and sprite fit beside each other, and FFTs like the number


class Detection(NamedTuple):
    """A hero found: the top left of the player's box in pixels, and how well it matches.

    `score` is the share of the sprite's colour variance that the frame explains (R squared over
    its opaque, visible pixels): 1 for a perfect match, 0 for a flat patch of its mean colour.
    """

    x: int
    y: int
    score: float


class HeroDetector:
    """Finds heroes drawn in one palette; holds all poses and facings, transformed once."""

    def __init__(self, palette: Palette) -> None:
        sprites = hero_sprites(palette).reshape(-1, HERO_H, HERO_W, 4)
        opaque = (sprites[..., 3] > 0).astype(np.float32)
        colours = (sprites[..., :3] - np.float32(_GREY)) * opaque[..., None]
        self._opaque = np.conj(_transform(opaque))
        self._colours = np.conj(_transform(colours.transpose(0, 3, 1, 2)))
        self._planes = np.zeros((4, _SIDE, _SIDE), np.float32)
        inside = np.zeros((_SIDE, _SIDE), np.float32)
        _framed(inside)[:] = 1
        spectrum = np.fft.rfft2(inside)
        visible = _correlate(spectrum * self._opaque)
        self._energy = _correlate(spectrum * np.conj(_transform((colours**2).sum(-1))))
        pixels = opaque.sum((1, 2))
        self._scale = 1 / (_variance(colours, opaque)[:, None, None] * visible.clip(1))
        self._hidden = visible < LEAST_VISIBLE * pixels[:, None, None]

    def find(self, frame: NDArray[np.uint8]) -> list[Detection]:
        """Return all heroes in a frame (128, 128, 3), best first."""
        scores = self.scores(frame)
        found: list[Detection] = []
        while True:
            row, column = divmod(int(scores.argmax()), _COLUMNS)
            score = float(scores[row, column])
            if score < ACCEPT:
                return found
            found.append(Detection(column, row, score))
            near_x, near_y = (
                slice(max(0, at - apart + 1), at + apart)
                for at, apart in zip((column, row), APART_PX, strict=True)
            )
            scores[near_y, near_x] = -np.inf

    def scores(self, frame: NDArray[np.uint8]) -> Maps:
        """Return the best score of any drawing at each place, (128, 123).

        Entry (y, x) is for the player's box at (x, y), whose sprite starts 2 px to its left. The
        squared difference over the sprite's mask m is three correlations, taken by FFT over the
        visible part: sum m F^2 - 2 sum m F S + sum m S^2.
        """
        planes = self._planes
        for plane, channel in zip(planes, np.moveaxis(frame, -1, 0), strict=False):
            np.subtract(channel, _GREY, out=_framed(plane))
        np.square(planes[:3]).sum(0, out=planes[3])
        spectra = np.fft.rfft2(planes)
        products = (spectra[:3] * self._colours).sum(1)
        squared = _correlate(spectra[3] * self._opaque - 2 * products) + self._energy
        scores = np.where(self._hidden, -np.inf, 1 - squared * self._scale).max(0)
        return np.asarray(scores[:_ROWS, :_COLUMNS])


def _framed(plane: Maps) -> Maps:
    """The part of a padded plane that is the frame."""
    return plane[:FRAME, _CUT_PX : _CUT_PX + FRAME]


def _transform(sprites: Maps) -> Spectra:
    """Spectra of drawings (..., h, w) put at the corner of a plane."""
    return np.asarray(np.fft.rfft2(sprites, s=(_SIDE, _SIDE)))


def _correlate(spectra: Spectra) -> Maps:
    return np.asarray(np.fft.irfft2(spectra, s=(_SIDE, _SIDE)))


def _variance(colours: Maps, opaque: Maps) -> Maps:
    """Mean squared distance of each sprite's opaque pixels from their mean colour, (K,)."""
    pixels = opaque.sum((1, 2))
    mean = colours.sum((1, 2)) / pixels[:, None]
    apart = (colours - mean[:, None, None]) * opaque[..., None]
    return np.asarray((apart**2).sum((1, 2, 3)) / pixels)
