"""Where the time inside a tick goes, by stage; costs nothing when off.

Knows stage names and a clock; knows nothing about what the stages do.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.pacing import Clock

STAGES = ("wait", "input", "denoise", "decode", "blit", "present", "record")


class NullSpans:
    """Measures nothing."""

    def begin(self) -> None:
        """Ignore the beginning of a tick."""

    def mark(self, stage: str) -> None:
        """Ignore the end of a stage."""

    def end(self) -> None:
        """Ignore the end of a tick."""

    def stages_ms(self) -> Mapping[str, NDArray[np.float64]]:
        """Return no stages."""
        return {}


class StageSpans:
    """Durations of all stages of the last `capacity` ticks, in a preallocated ring.

    A stage lasts from the mark before it, so a tick has no time that belongs to no stage.
    """

    def __init__(self, capacity: int, clock: Clock) -> None:
        self._rows = np.full((capacity, len(STAGES)), 0, dtype=np.int64)
        self._columns = {stage: column for column, stage in enumerate(STAGES)}
        self._capacity = capacity
        self._clock = clock
        self._count = 0
        self._last_ns = clock.now_ns()

    def begin(self) -> None:
        """Begin a tick; one begun and never ended is overwritten."""
        self._last_ns = self._clock.now_ns()

    def mark(self, stage: str) -> None:
        """End a stage."""
        now_ns = self._clock.now_ns()
        self._rows[self._count % self._capacity, self._columns[stage]] = now_ns - self._last_ns
        self._last_ns = now_ns

    def end(self) -> None:
        """End the tick and keep it."""
        self._count += 1

    def stages_ms(self) -> Mapping[str, NDArray[np.float64]]:
        """Return the durations kept, per stage."""
        kept = self._rows[: min(self._count, self._capacity)]
        return {stage: kept[:, column] / 1e6 for stage, column in self._columns.items()}
