"""Where the time inside a tick goes, by stage; costs nothing when off.

Knows stage names and a clock; knows nothing about what the stages do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.pacing import Clock

STAGES = (
    "prepare",
    "wait",
    "input",
    "encode_action",
    "re_noise",
    "step",
    "cache_write",
    "decode",
    "download",
    "scale",
    "hud",
    "hold",
    "present",
    "record",
)
"""In the order in which they end."""

WAITS = ("wait", "hold")
"""Stages that are no work: waiting for the time to begin, and for the time to be seen."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "denoise": ("encode_action", "re_noise", "step", "cache_write"),
    "blit": ("scale", "hud"),
}
"""Stages that are also reported together."""

NOT_MARKED = -1
PROBES = 2000


@dataclass(frozen=True, eq=False)
class Timeline:
    """When ticks began (n,) and their stages ended (n, stages), in the clock's nanoseconds.

    A stage lasts from the end of the one before it, so a tick has no time that belongs to none.
    """

    began_ns: NDArray[np.int64]
    ended_ns: NDArray[np.int64]

    @property
    def durations_ms(self) -> NDArray[np.float64]:
        """How long each stage lasted, (n, stages)."""
        edges = np.concatenate([self.began_ns[:, None], self.ended_ns], 1)
        return np.asarray(np.diff(edges, axis=1) / 1e6)

    def stages_ms(self) -> dict[str, NDArray[np.float64]]:
        """Return the durations (n,) of every stage and of every group of them."""
        durations = dict(zip(STAGES, self.durations_ms.T, strict=True))
        groups = {
            name: np.sum([durations[part] for part in parts], 0) for name, parts in GROUPS.items()
        }
        return {**durations, **groups}


class NullSpans:
    """Measures nothing."""

    def begin(self) -> None:
        """Ignore the beginning of a tick."""

    def mark(self, stage: str) -> None:
        """Ignore the end of a stage."""

    def end(self) -> None:
        """Ignore the end of a tick."""

    def timeline(self, last: int | None = None) -> None:
        """Return that there is none."""


class StageSpans:
    """The stages of the last `capacity` ticks, in a preallocated ring."""

    def __init__(self, capacity: int, clock: Clock) -> None:
        # Filled, not merely reserved: memory must not seem to grow as ticks come in.
        self._began = np.full(capacity, 0, dtype=np.int64)
        self._ended = np.full((capacity, len(STAGES)), NOT_MARKED, dtype=np.int64)
        self._columns = {stage: column for column, stage in enumerate(STAGES)}
        self._capacity = capacity
        self._clock = clock
        self._row = 0
        self._count = 0

    def begin(self) -> None:
        """Begin a tick; one begun and never ended is overwritten."""
        self._ended[self._row] = NOT_MARKED
        self._began[self._row] = self._clock.now_ns()

    def mark(self, stage: str) -> None:
        """End a stage."""
        self._ended[self._row, self._columns[stage]] = self._clock.now_ns()

    def end(self) -> None:
        """End the tick and keep it."""
        self._count += 1
        self._row = self._count % self._capacity

    def timeline(self, last: int | None = None) -> Timeline:
        """Return the last ticks, oldest first; a stage that was not marked took no time."""
        kept = min(self._count, self._capacity, self._count if last is None else last)
        rows = np.arange(self._count - kept, self._count) % self._capacity
        began = self._began[rows]
        ended = np.maximum(self._ended[rows], began[:, None])
        return Timeline(began, np.maximum.accumulate(ended, 1))


def cost_per_tick_ms(clock: Clock) -> float:
    """Measure what marking all stages of a tick costs on this machine."""
    spans = StageSpans(16, clock)
    started_ns = clock.now_ns()
    for _ in range(PROBES):
        spans.begin()
        for stage in STAGES:
            spans.mark(stage)
        spans.end()
    return (clock.now_ns() - started_ns) / PROBES / 1e6
