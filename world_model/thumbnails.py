"""Small pictures of frames in flight: a cell's latents become its mean colour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from world_model.backend import Frame

Array = NDArray[np.float32]


class Thumbnails:
    """Draws latents without the decoder, at next to no cost."""

    def __init__(
        self, encode: Callable[[Frame], Array], frame_shape: tuple[int, int, int], channels: int
    ) -> None:
        """Encoding is linear, so three flat frames tell what makes red, green and blue; so many
        leading channels are there to tell."""
        flat = np.zeros((4, 1, 1, 3), np.uint8)
        flat[range(1, 4), ..., range(3)] = 255
        black, *lit = (
            encode(np.broadcast_to(colour, frame_shape))[:channels, 0, 0].copy() for colour in flat
        )
        directions = np.stack([latents - black for latents in lit], 1)
        self._to_colour = np.asarray(np.linalg.pinv(directions), np.float32)
        self._black = self._to_colour @ black[:, None]

    def draw(self, latents: Array) -> Frame:
        """Return pictures (T, h, w, 3) of latents (T, C, h, w)."""
        count, channels, height, width = latents.shape
        colours = self._to_colour @ latents.reshape(count, channels, -1) - self._black
        levels = (colours * 255).clip(0, 255).astype(np.uint8)
        return levels.transpose(0, 2, 1).reshape(count, height, width, -1)
