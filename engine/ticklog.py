"""What every tick cost, for as many ticks as fit: the numbers the HUD shows and reports sum up.

Knows times only; a preallocated ring, written by index.
"""

import numpy as np
from numpy.typing import NDArray

NONE_NS = -1
"""Marks a time that a tick does not have: no frame before it, or no key event in it."""

_WORK, _FRAME, _ACTION = range(3)


class TickLog:
    """Work, frame and action-to-present time of the last `capacity` ticks, in nanoseconds."""

    def __init__(self, capacity: int) -> None:
        # Filled, not merely reserved: memory must not seem to grow as ticks come in.
        self._rows = np.full((capacity, 3), NONE_NS, dtype=np.int64)
        self.capacity = capacity
        self._last_present_ns = NONE_NS
        self.count = 0

    def add(self, *, began_ns: int, presented_ns: int, event_ns: int) -> None:
        """Log one tick. event_ns: of the newest key event, 0 where none is new."""
        row = self._rows[self.count % self.capacity]
        after_gap = self._last_present_ns == NONE_NS
        row[_WORK] = presented_ns - began_ns
        row[_FRAME] = NONE_NS if after_gap else presented_ns - self._last_present_ns
        row[_ACTION] = NONE_NS if after_gap or not event_ns else presented_ns - event_ns
        self._last_present_ns = presented_ns
        self.count += 1

    def gap(self) -> None:
        """Note that play stopped for a while: the next tick has no frame before it."""
        self._last_present_ns = NONE_NS

    def work_ms(self, last: int | None = None) -> NDArray[np.float64]:
        """Input to present, without the wait, of the last ticks."""
        return self._column_ms(_WORK, last)

    def frame_ms(self, last: int | None = None) -> NDArray[np.float64]:
        """Present to present, of the last ticks."""
        return self._column_ms(_FRAME, last)

    def action_ms(self, last: int | None = None) -> NDArray[np.float64]:
        """Key event to the present of the frame it caused, of those last ticks that have one."""
        return self._column_ms(_ACTION, last)

    def _column_ms(self, column: int, last: int | None) -> NDArray[np.float64]:
        kept = min(self.count, self.capacity, self.count if last is None else last)
        indices = np.arange(self.count - kept, self.count) % self.capacity
        values_ns = self._rows[indices, column]
        values_ms: NDArray[np.float64] = values_ns[values_ns != NONE_NS] / 1e6
        return values_ms
