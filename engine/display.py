"""The display that shows nothing, and the geometry and conditions of one that does.

Knows frames and window sizes; imports no window system.
"""

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNSEEN_DRIVERS = ("offscreen", "dummy")


class HeadlessDisplay:
    """Takes frames and drops them."""

    def blit(self, frame: NDArray[np.uint8]) -> None:
        """Drop a frame."""

    def present(self) -> None:
        """Show nothing."""


class Placement(NamedTuple):
    """Where a scaled frame lies in its window, in pixels."""

    left: int
    top: int
    width: int
    height: int


def place(frame_px: tuple[int, int], window_px: tuple[int, int]) -> Placement:
    """Centre a frame, enlarged by the largest integer that fits; (width, height) each.

    A window smaller than the frame shows the middle of it.
    """
    scale = max(1, min(window_px[0] // frame_px[0], window_px[1] // frame_px[1]))
    width, height = frame_px[0] * scale, frame_px[1] * scale
    return Placement((window_px[0] - width) // 2, (window_px[1] - height) // 2, width, height)


def has_display(environment: Mapping[str, str] = os.environ, *, system: str = sys.platform) -> bool:
    """Tell whether opening a window can work: on Linux it needs a display server to be named.

    An explicitly chosen SDL driver counts: who names one knows what it needs.
    """
    if not system.startswith("linux"):
        return True
    names = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    return any(environment.get(name) for name in names)


def is_seen(driver: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether anybody sees a window of this SDL driver.

    Where the display that is named does not answer, SDL draws off-screen without a word.
    """
    return driver not in UNSEEN_DRIVERS or environment.get("SDL_VIDEODRIVER") == driver
