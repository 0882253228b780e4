"""What every tick cost, for as many ticks as fit: the numbers the HUD shows and reports sum up.

Knows times only; a preallocated ring, written by index.
"""

import numpy as np
from numpy.typing import NDArray

NONE_NS = -1
"""Marks a time that a tick does not have: no frame before it, or no key event in it."""

_WORK, _PRESENTED, _BEFORE, _EVENT = range(4)


class TickLog:
    """How long the last `capacity` ticks worked, when they were presented, and their key event."""

    def __init__(self, capacity: int) -> None:
        # Filled, not merely reserved: memory must not seem to grow as ticks come in.
        self._rows = np.full((capacity, 4), NONE_NS, dtype=np.int64)
        self.capacity = capacity
        self._last_present_ns = NONE_NS
        self.count = 0

    def add(self, *, work_ns: int, presented_ns: int, event_ns: int) -> None:
        """Log one tick. event_ns: when its newest key event was, 0 where none is new."""
        row = self._rows[self.count % self.capacity]
        after_gap = self._last_present_ns == NONE_NS
        row[_WORK] = work_ns
        row[_PRESENTED] = presented_ns
        row[_BEFORE] = self._last_present_ns
        row[_EVENT] = NONE_NS if after_gap or not event_ns else event_ns
        self._last_present_ns = presented_ns
        self.count += 1

    def gap(self) -> None:
        """Note that play stopped for a while: the next tick has no frame before it."""
        self._last_present_ns = NONE_NS

    def work_ms(self, last: int | None = None) -> NDArray[np.float64]:
        """Input to present, without the waits, of the last ticks."""
        return self._kept(last)[:, _WORK] / 1e6

    def frame_ms(self, last: int | None = None) -> NDArray[np.float64]:
        """Present to present, of those last ticks that have a frame before them."""
        return _known(self._elapsed_ms(_BEFORE, last))

    def action_ms(self, last: int | None = None) -> NDArray[np.float64]:
        """Key event to the present of the frame it caused, of those last ticks that have one."""
        return _known(self._elapsed_ms(_EVENT, last))

    def action_frames(self) -> NDArray[np.float64]:
        """Key event to its frame, counted in frames; 1 where it is the next one presented."""
        events_ns = self.events_ns()
        caused = np.flatnonzero(events_ns != NONE_NS)
        next_ones = np.searchsorted(self.presented_ns(), events_ns[caused])
        return (caused - next_ones + 1).astype(np.float64)

    def per_tick_ms(self) -> dict[str, NDArray[np.float64]]:
        """Return `work`, `frame` and `action` times of all ticks kept; NaN where there is none."""
        return {
            "work": self.work_ms(),
            "frame": self._elapsed_ms(_BEFORE, None),
            "action": self._elapsed_ms(_EVENT, None),
        }

    def presented_ns(self) -> NDArray[np.int64]:
        """When the frames of all ticks kept were presented."""
        return self._kept(None)[:, _PRESENTED]

    def events_ns(self) -> NDArray[np.int64]:
        """When the newest key event of all ticks kept happened, `NONE_NS` where there was none."""
        return self._kept(None)[:, _EVENT]

    def _kept(self, last: int | None) -> NDArray[np.int64]:
        kept = min(self.count, self.capacity, self.count if last is None else last)
        return self._rows[np.arange(self.count - kept, self.count) % self.capacity]

    def _elapsed_ms(self, column: int, last: int | None) -> NDArray[np.float64]:
        """Return how long before its present each tick's `column` was; NaN where it has none."""
        rows = self._kept(last)
        since = rows[:, column]
        return np.where(since == NONE_NS, np.nan, (rows[:, _PRESENTED] - since) / 1e6)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known: NDArray[np.float64] = values[~np.isnan(values)]
    return known
