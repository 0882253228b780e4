"""The game window.

Knows pygame surfaces and the size of frames; knows nothing about what they show. Surfaces are made
when the frame or window size changes, and written in place otherwise.
"""

from collections.abc import Sequence

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.display import Placement, has_display, is_seen, place
from engine.errors import DisplayError
from engine.title_card import Row, draw_title_card

ICON_PX = 64
_WAY_OUT = "add --headless to play without one"
_CLOSED = Placement(0, 0, 0, 0)


class PygameDisplay:
    """A resizable window with the frame enlarged by an integer in its middle.

    size_px: first (width, height) of the window. icon: (H, W, 4) RGBA for the window's icon.
    """

    def __init__(
        self, size_px: tuple[int, int], caption: str, *, icon: NDArray[np.uint8] | None = None
    ) -> None:
        if not has_display():
            raise DisplayError(f"there is no display here; {_WAY_OUT}")
        try:
            pygame.display.init()
            if icon is not None:  # Some systems take an icon only before there is a window.
                pygame.display.set_icon(_icon(icon))
            pygame.display.set_mode(size_px, pygame.RESIZABLE)
        except pygame.error as error:
            raise DisplayError(f"no window can be opened here ({error}); {_WAY_OUT}") from error
        if not is_seen(pygame.display.get_driver()):
            pygame.display.quit()
            raise DisplayError(f"the display that is named here does not answer; {_WAY_OUT}")
        pygame.display.set_caption(caption)
        pygame.font.init()
        self._fit_for: tuple[tuple[int, ...], tuple[int, int]] | None = None
        self._placement = _CLOSED

    @property
    def surface(self) -> pygame.Surface:
        """The window's surface, to draw on between blit and present."""
        window = pygame.display.get_surface()
        if window is None:
            raise DisplayError("the window is closed")
        return window

    def title(self, heading: str, rows: Sequence[Row], note: str = "") -> None:
        """Show a title card at once."""
        draw_title_card(self.surface, heading, rows, note)
        pygame.event.pump()
        self.present()

    def blit(self, frame: NDArray[np.uint8]) -> None:
        """Lay a frame out on the window's surface."""
        window = self.surface
        if self._fit_for != (frame.shape, window.get_size()):
            self._fit(frame, window)
        np.copyto(self._pixels, frame)
        self._native.blit(self._upload, (0, 0))
        pygame.transform.scale(self._native, self._placement[2:], self._scaled)
        window.fill(0)
        window.blit(self._scaled, self._placement[:2])

    def present(self) -> None:
        """Flip."""
        pygame.display.flip()

    def close(self) -> None:
        """Close the window."""
        pygame.font.quit()
        pygame.display.quit()

    def _fit(self, frame: NDArray[np.uint8], window: pygame.Surface) -> None:
        size = (frame.shape[1], frame.shape[0])
        self._placement = place(size, window.get_size())
        self._pixels = np.zeros_like(frame, order="C")
        self._upload = pygame.image.frombuffer(self._pixels.data, size, "RGB")
        self._native = pygame.Surface(size)
        self._scaled = pygame.Surface(self._placement[2:])
        self._fit_for = (frame.shape, window.get_size())


def _icon(rgba: NDArray[np.uint8]) -> pygame.Surface:
    small = pygame.image.frombytes(rgba.tobytes(), (rgba.shape[1], rgba.shape[0]), "RGBA")
    return pygame.transform.scale_by(small, max(1, ICON_PX // max(small.get_size())))
