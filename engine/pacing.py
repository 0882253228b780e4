"""Hold a fixed tick rate on absolute deadlines.

Knows a clock and a period; knows nothing about what a tick does. Deadlines lie on one grid,
`start + k * period`, so sleeping a little too long never makes the game slow.
"""

import time
from typing import Protocol

SPIN_NS = 500_000
"""Slept short by this much and spun for the rest: an operating system wakes sleepers late."""


class Clock(Protocol):
    """A monotonic clock that can be waited on."""

    def now_ns(self) -> int: ...

    def sleep_ns(self, duration_ns: int) -> None: ...


class SystemClock:
    """The real monotonic clock."""

    def now_ns(self) -> int:
        return time.perf_counter_ns()

    def sleep_ns(self, duration_ns: int) -> None:
        time.sleep(duration_ns / 1e9)


class FixedRatePacer:
    """Release one tick per deadline; a late tick starts at once and the passed deadlines are lost.

    Lost deadlines are counted in `missed` and never made up for: the next one is always in the
    future, so a slow stretch cannot turn into a burst of ticks.
    """

    def __init__(self, rate_hz: float, clock: Clock, *, spin_ns: int = SPIN_NS) -> None:
        if rate_hz <= 0:
            raise ValueError(f"rate_hz must be positive, got {rate_hz}")
        self.period_ns = round(1e9 / rate_hz)
        self.missed = 0
        self._clock = clock
        self._spin_ns = spin_ns
        self._deadline_ns = 0
        self.restart()

    @property
    def period_ms(self) -> float:
        """Time from one deadline to the next."""
        return self.period_ns / 1e6

    def restart(self) -> None:
        """Lay a new grid from now on, as after a pause; what lies behind is not a miss."""
        self._deadline_ns = self._clock.now_ns() + self.period_ns

    def wait(self) -> None:
        """Return at the next deadline, or at once if it has passed."""
        now_ns = self._clock.now_ns()
        in_time = now_ns <= self._deadline_ns
        if in_time:
            now_ns = self._sleep_until_deadline(now_ns)
        passed = (now_ns - self._deadline_ns) // self.period_ns + 1
        self.missed += passed - in_time
        self._deadline_ns += passed * self.period_ns

    def _sleep_until_deadline(self, now_ns: int) -> int:
        remaining_ns = self._deadline_ns - now_ns
        if remaining_ns > self._spin_ns:
            self._clock.sleep_ns(remaining_ns - self._spin_ns)
            now_ns = self._clock.now_ns()
        while now_ns < self._deadline_ns:
            now_ns = self._clock.now_ns()
        return now_ns


class Unpaced:
    """Release ticks as fast as they come, for headless runs."""

    missed = 0
    period_ms = None

    def restart(self) -> None:
        """Nothing to lay out."""

    def wait(self) -> None:
        """Return at once."""
