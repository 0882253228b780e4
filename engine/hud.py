"""The numbers over the picture: speed, lateness, held buttons, and on request where time goes.

Knows a tick log, spans, a world to look into, and a surface to draw on. What is slow to draw is
drawn a few times a second and kept; held buttons and the frame-time graph are drawn every tick.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.gauges import draw_bars, draw_graph, draw_in_flight
from engine.pacing import Clock
from engine.profiling.spans import Timeline
from engine.profiling.ticklog import TickLog

REFRESH_NS = 400_000_000
BARS = ("denoise", "decode", "download", "blit", "present", "record")
_RECENT_TICKS = 240
_MARGIN_PX = 6
_GRAPH_PX = (200, 44)
_THUMBNAIL_SCALE = 2
_TEXT = (255, 255, 255)
_IDLE = (120, 120, 130)
_HELD = (255, 214, 92)
_SHADE = (16, 16, 22, 190)


class Mode(IntEnum):
    """How much is shown; each press of the key shows more, and the last one nothing."""

    OFF = 0
    LINE = 1
    GRAPH = 2
    FULL = 3


class Canvas(Protocol):
    """Anything with a surface to draw on."""

    @property
    def surface(self) -> pygame.Surface: ...


class Pace(Protocol):
    """Anything that holds a rate and counts missed deadlines."""

    @property
    def missed(self) -> int: ...

    @property
    def period_ms(self) -> float | None: ...


class Timed(Protocol):
    """Anything that has measured stages."""

    def timeline(self, last: int | None = None) -> Timeline | None: ...


class Inside(Protocol):
    """A world that can be looked into."""

    @property
    def backend(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def cache_fill(self) -> tuple[int, int]: ...

    def in_flight(self) -> NDArray[np.uint8]: ...


class Reading(Protocol):
    """What a drift meter has read; see `world_model.evaluation.drift_meter`."""

    @property
    def quality(self) -> float | None: ...

    @property
    def explained(self) -> int: ...

    @property
    def asked(self) -> int: ...


class Meter(Protocol):
    """Watches how sound the last ten seconds of a dream are."""

    def restart(self) -> None: ...

    def see(self, frame: NDArray[np.uint8], held: NDArray[np.bool_]) -> None: ...

    def reading(self) -> Reading: ...


class NullHud:
    """Shows nothing."""

    def toggle(self) -> None:
        """There is nothing to show or hide."""

    def see(self, frame: NDArray[np.uint8], action: NDArray[np.bool_]) -> None:
        """Look away."""

    def draw(self, action: NDArray[np.bool_], *, paused: bool) -> None:
        """Draw nothing."""


def speed_line(log: TickLog, missed: int) -> str:
    """Say in one line how the last seconds went."""
    frame_ms, work_ms = log.frame_ms(_RECENT_TICKS), log.work_ms(_RECENT_TICKS)
    if not frame_ms.size:
        return "..."
    p50, p99 = np.percentile(work_ms, (50, 99))
    low = 1000 / np.percentile(frame_ms, 99)
    return (
        f"{1000 / frame_ms.mean():.1f} FPS  1% low {low:.1f}  "
        f"tick {p50:.1f} / {p99:.1f} ms  {missed} missed"
    )


def detail_lines(log: TickLog, world: Inside, drift: Reading) -> list[str]:
    """Say what one line had no room for: the way of a key, the backend, the cache, the drift."""
    action_ms = log.action_ms(_RECENT_TICKS)
    held, places = world.cache_fill
    keys = [f"key to present {np.median(action_ms):.1f} ms"] if action_ms.size else []
    return [
        *keys,
        f"{world.backend}, cache {held} of {places} frames",
        *filter(None, [world.note]),
        drift_line(drift),
    ]


def drift_line(drift: Reading) -> str:
    """Say how sound the last ten seconds were."""
    if drift.quality is None:
        return "10 s: ..."
    return f"10 s: quality {drift.quality:.1%}, keys {drift.explained} of {drift.asked}"


class PygameHud:
    """Draws over the window's surface; a pause is said even when all else is hidden."""

    def __init__(
        self,
        canvas: Canvas,
        *,
        buttons: Sequence[str],
        world: Inside,
        meter: Meter,
        log: TickLog,
        spans: Timed,
        pacer: Pace,
        clock: Clock,
        mode: Mode = Mode.OFF,
    ) -> None:
        self._canvas = canvas
        self._world = world
        self._meter = meter
        self._log = log
        self._spans = spans
        self._pacer = pacer
        self._clock = clock
        self._font = pygame.font.Font(None, 18)
        self._labels = [
            (self._font.render(name, True, _IDLE), self._font.render(name, True, _HELD))
            for name in buttons
        ]
        self._pause_note = self._panel([self._text("paused   P: go on   N: one tick")])
        self._panel_surface = self._pause_note
        self._refresh_at_ns = 0
        self.mode = mode

    def toggle(self) -> None:
        """Show more, or after everything nothing."""
        self.mode = Mode((self.mode + 1) % len(Mode))
        self._meter.restart()
        self._refresh_at_ns = 0

    def see(self, frame: NDArray[np.uint8], action: NDArray[np.bool_]) -> None:
        """Take in the frame (H, W, 3) of a tick, and what caused it."""
        if self.mode is Mode.FULL:
            self._meter.see(frame, action)

    def draw(self, action: NDArray[np.bool_], *, paused: bool) -> None:
        """Draw over what was blitted."""
        window = self._canvas.surface
        if self.mode:
            self._refresh_if_due()
            window.blit(self._panel_surface, (0, 0))
            self._draw_buttons(window, action)
        below = self._panel_surface.get_height() + _MARGIN_PX
        if self.mode >= Mode.GRAPH and self._pacer.period_ms is not None:
            area = pygame.Rect((_MARGIN_PX, below), _GRAPH_PX)
            draw_graph(window, area, self._log.frame_ms(area.width), self._pacer.period_ms)
            below = area.bottom + _MARGIN_PX
        if self.mode is Mode.FULL:
            pictures = self._world.in_flight()
            draw_in_flight(window, (_MARGIN_PX, below), pictures, _THUMBNAIL_SCALE)
        if paused:
            note = self._pause_note
            left = (window.get_width() - note.get_width()) // 2
            window.blit(note, (left, window.get_height() - note.get_height()))

    def _refresh_if_due(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns < self._refresh_at_ns:
            return
        parts = [self._text(speed_line(self._log, self._pacer.missed))]
        if self.mode is Mode.FULL:
            details = detail_lines(self._log, self._world, self._meter.reading())
            parts += [self._text(line) for line in details]
            parts += self._stage_bars()
        self._panel_surface = self._panel([*parts, self._text("")])
        self._refresh_at_ns = now_ns + REFRESH_NS

    def _stage_bars(self) -> list[pygame.Surface]:
        timeline, period_ms = self._spans.timeline(_RECENT_TICKS), self._pacer.period_ms
        if timeline is None or period_ms is None or not len(timeline.began_ns):
            return []
        stages = timeline.stages_ms()
        halves = np.median([stages[name] for name in BARS], 1).tolist()
        medians = dict(zip(BARS, halves, strict=True))
        bars = pygame.Surface(
            (_GRAPH_PX[0], self._font.get_linesize() * len(BARS)), pygame.SRCALPHA
        )
        draw_bars(bars, bars.get_rect(), medians, period_ms, self._font)
        return [bars]

    def _draw_buttons(self, window: pygame.Surface, action: NDArray[np.bool_]) -> None:
        left = _MARGIN_PX
        top = self._panel_surface.get_height() - self._font.get_linesize() - _MARGIN_PX
        for (idle, held), is_held in zip(self._labels, action, strict=True):
            window.blit(held if is_held else idle, (left, top))
            left += idle.get_width() + _MARGIN_PX

    def _text(self, line: str) -> pygame.Surface:
        return self._font.render(line, True, _TEXT)

    def _panel(self, parts: Sequence[pygame.Surface]) -> pygame.Surface:
        buttons_px = sum(idle.get_width() + _MARGIN_PX for idle, _ in self._labels)
        width = max(buttons_px, *(part.get_width() for part in parts)) + 2 * _MARGIN_PX
        line_px = self._font.get_linesize()
        height = sum(max(line_px, part.get_height()) for part in parts)
        panel = pygame.Surface((width, height + 2 * _MARGIN_PX), pygame.SRCALPHA)
        panel.fill(_SHADE)
        top = _MARGIN_PX
        for part in parts:
            panel.blit(part, (_MARGIN_PX, top))
            top += max(line_px, part.get_height())
        return panel
