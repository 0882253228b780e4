"""The numbers over the picture: speed, lateness, and which buttons are held.

Knows a tick log and a surface to draw on. Text is rendered a few times a second and kept; the held
buttons are drawn fresh every tick from labels rendered once.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.pacing import Clock
from engine.profiling.ticklog import TickLog

REFRESH_NS = 250_000_000
_RECENT_TICKS = 240
_MARGIN_PX = 6
_TEXT = (255, 255, 255)
_IDLE = (120, 120, 130)
_HELD = (255, 214, 92)
_SHADE = (16, 16, 22, 190)


class Canvas(Protocol):
    """Anything with a surface to draw on."""

    @property
    def surface(self) -> pygame.Surface: ...


class MissedDeadlines(Protocol):
    """Anything that counts missed deadlines."""

    @property
    def missed(self) -> int: ...


class NullHud:
    """Shows nothing."""

    def toggle(self) -> None:
        """There is nothing to show or hide."""

    def draw(self, action: NDArray[np.bool_], *, paused: bool) -> None:
        """Draw nothing."""


def hud_lines(log: TickLog, missed: int, backend: str) -> list[str]:
    """Say in a few words how the last seconds went."""
    frame_ms, work_ms = log.frame_ms(_RECENT_TICKS), log.work_ms(_RECENT_TICKS)
    if not frame_ms.size:
        return [backend]
    p50, p99 = np.percentile(work_ms, (50, 99))
    return [
        f"{1000 / frame_ms.mean():.1f} FPS   {backend}",
        f"tick p50 {p50:.1f} ms   p99 {p99:.1f} ms",
        f"{missed} missed deadlines",
    ]


class PygameHud:
    """Draws over the window's surface; hidden until toggled, but a pause is always said."""

    def __init__(
        self,
        canvas: Canvas,
        *,
        buttons: Sequence[str],
        backend: str,
        log: TickLog,
        pacer: MissedDeadlines,
        clock: Clock,
    ) -> None:
        self._canvas = canvas
        self._backend = backend
        self._log = log
        self._pacer = pacer
        self._clock = clock
        self._font = pygame.font.Font(None, 18)
        self._labels = [
            (self._font.render(name, True, _IDLE), self._font.render(name, True, _HELD))
            for name in buttons
        ]
        self._pause_note = self._panel(["paused   P: go on   N: one tick"])
        self._panel_surface = self._pause_note
        self._refresh_at_ns = 0
        self._visible = False

    def toggle(self) -> None:
        """Show or hide."""
        self._visible = not self._visible
        self._refresh_at_ns = 0

    def draw(self, action: NDArray[np.bool_], *, paused: bool) -> None:
        """Draw over what was blitted."""
        window = self._canvas.surface
        if self._visible:
            self._refresh_if_due()
            window.blit(self._panel_surface, (0, 0))
            self._draw_buttons(window, action)
        if paused:
            note = self._pause_note
            left = (window.get_width() - note.get_width()) // 2
            window.blit(note, (left, window.get_height() - note.get_height()))

    def _refresh_if_due(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns >= self._refresh_at_ns:
            lines = hud_lines(self._log, self._pacer.missed, self._backend)
            self._panel_surface = self._panel([*lines, ""])
            self._refresh_at_ns = now_ns + REFRESH_NS

    def _draw_buttons(self, window: pygame.Surface, action: NDArray[np.bool_]) -> None:
        left = _MARGIN_PX
        top = self._panel_surface.get_height() - self._font.get_linesize() - _MARGIN_PX
        for (idle, held), is_held in zip(self._labels, action, strict=True):
            window.blit(held if is_held else idle, (left, top))
            left += idle.get_width() + _MARGIN_PX

    def _panel(self, lines: Sequence[str]) -> pygame.Surface:
        text = [self._font.render(line, True, _TEXT) for line in lines]
        buttons_px = sum(idle.get_width() + _MARGIN_PX for idle, _ in self._labels)
        width = max(buttons_px, *(line.get_width() for line in text)) + 2 * _MARGIN_PX
        line_px = self._font.get_linesize()
        panel = pygame.Surface((width, line_px * len(lines) + 2 * _MARGIN_PX), pygame.SRCALPHA)
        panel.fill(_SHADE)
        for row, line in enumerate(text):
            panel.blit(line, (_MARGIN_PX, _MARGIN_PX + row * line_px))
        return panel
