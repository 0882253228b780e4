"""Hold a fixed frame rate on absolute deadlines: a deadline is when a frame is to be presented.

Knows a clock and a period; knows nothing about what a tick does. Deadlines lie on one grid,
`start + k * period`, so sleeping a little too long never makes the game slow.
"""

import time
from typing import Protocol

from engine.lead import Lead

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
    """Have one frame ready per deadline, made from input that is as fresh as that allows.

    A tick begins just in time (`wait`), as long before its deadline as its `Lead`, at most a
    period; its frame is kept until the deadline (`hold`), so frames come evenly though ticks
    differ. A frame that is late is shown at once. Deadlines that pass without theirs are counted
    in `missed` and never made up for: the next one is always in the future, so a slow stretch
    cannot turn into a burst of ticks.
    """

    def __init__(self, rate_hz: float, clock: Clock, *, spin_ns: int = SPIN_NS) -> None:
        if rate_hz <= 0:
            raise ValueError(f"rate_hz must be positive, got {rate_hz}")
        self.period_ns = round(1e9 / rate_hz)
        self.missed = 0
        self._clock = clock
        self._spin_ns = spin_ns
        self._lead = Lead(self.period_ns)
        self._worked_ns: int | None = None
        self.restart()

    @property
    def period_ms(self) -> float:
        """Time from one deadline to the next."""
        return self.period_ns / 1e6

    def restart(self) -> None:
        """Lay a new grid from now on, as after a pause: what lies behind is no miss and no work."""
        self._begin_ns = self._clock.now_ns()
        self._deadline_ns = self._begin_ns + self.period_ns
        self._worked_ns = None

    def wait(self) -> None:
        """Return when the next tick is to begin, or at once if it should have."""
        if self._worked_ns is not None:
            self._lead.observe(self._worked_ns)
        now_ns = self._clock.now_ns()
        if now_ns > self._deadline_ns:
            self.missed += self._go_on(now_ns)
        # Waking up late counts as work: it, too, has to be over before the deadline.
        self._begin_ns = max(now_ns, self._deadline_ns - self._lead.ns)
        if self._begin_ns > now_ns:
            self._clock.sleep_ns(self._begin_ns - now_ns)

    def hold(self) -> None:
        """Return at the deadline, now that the frame is ready, or at once if it has passed."""
        now_ns = self._clock.now_ns()
        self._worked_ns = now_ns - self._begin_ns
        in_time = now_ns <= self._deadline_ns
        if in_time:
            now_ns = self._sleep_until_deadline(now_ns)
        self.missed += self._go_on(now_ns) - in_time

    def _sleep_until_deadline(self, now_ns: int) -> int:
        remaining_ns = self._deadline_ns - now_ns
        if remaining_ns > self._spin_ns:
            self._clock.sleep_ns(remaining_ns - self._spin_ns)
            now_ns = self._clock.now_ns()
        while now_ns < self._deadline_ns:
            now_ns = self._clock.now_ns()
        return now_ns

    def _go_on(self, now_ns: int) -> int:
        """Move to the next deadline that lies ahead; return how many that passes."""
        passed = (now_ns - self._deadline_ns) // self.period_ns + 1
        self._deadline_ns += passed * self.period_ns
        return passed


class Unpaced:
    """Let ticks run as fast as they come, for headless runs."""

    missed = 0
    period_ms = None

    def restart(self) -> None:
        """Nothing to lay out."""

    def wait(self) -> None:
        """Return at once."""

    def hold(self) -> None:
        """Return at once."""
