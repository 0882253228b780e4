"""How steadily this machine can hold a rate: the pacer alone, with work of known lengths.

Each case runs with and without the pacer's spin before the deadline, with and without another
process that keeps a core busy.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

from engine.pacing import SPIN_NS, Clock, FixedRatePacer
from engine.profiling.statistics import jitter_ms, percentiles

MOST_JITTER_MS = 2.0
MOST_MISSED = 0.005
LEAST_WORK = 0.7
"""The shortest tick, as a share of the longest: ticks of a world differ, too."""


@dataclass(frozen=True)
class Steadiness:
    """What came of one case: jitter of the presents in ms, and the share of missed deadlines."""

    spin: bool
    busy: bool
    jitter_p50_ms: float | None
    jitter_p99_ms: float | None
    missed_share: float

    @property
    def steady(self) -> bool:
        """Tell whether a player would not notice: jitter p99 and missed deadlines are small."""
        jitter_is_small = self.jitter_p99_ms is not None and self.jitter_p99_ms < MOST_JITTER_MS
        return jitter_is_small and self.missed_share < MOST_MISSED


def measure_steadiness(
    clock: Clock, *, rate_hz: float, ticks: int, work_share: float, spin: bool, busy: bool = False
) -> Steadiness:
    """Hold `rate_hz` for `ticks` ticks that keep this thread busy for up to a share of the period.

    `busy` only names the case; `busy_core` makes it so.
    """
    pacer = FixedRatePacer(rate_hz, clock, spin_ns=SPIN_NS if spin else 0)
    shares = work_share * np.random.default_rng(0).uniform(LEAST_WORK, 1, ticks)
    works_ns = np.rint(shares * pacer.period_ns).astype(np.int64).tolist()
    presented = np.zeros(ticks, np.int64)
    pacer.restart()
    for tick, work_ns in enumerate(works_ns):
        pacer.wait()
        done_ns = clock.now_ns() + work_ns
        while clock.now_ns() < done_ns:
            pass
        pacer.hold()
        presented[tick] = clock.now_ns()
    jitter = percentiles(jitter_ms(np.diff(presented) / 1e6, pacer.period_ms), 50, 99)
    return Steadiness(spin, busy, jitter["p50"], jitter["p99"], pacer.missed / ticks)


def measure_all(clock: Clock, *, rate_hz: float, ticks: int, work_share: float) -> list[Steadiness]:
    """Measure with and without spin, first on idle cores, then beside a busy one."""
    cases = []
    for busy in (False, True):
        with busy_core() if busy else nullcontext():
            cases += [
                measure_steadiness(
                    clock, rate_hz=rate_hz, ticks=ticks, work_share=work_share, spin=spin, busy=busy
                )
                for spin in (True, False)
            ]
    return cases


@contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy with another process."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def table(cases: list[Steadiness]) -> str:
    """Lay cases out for people."""
    lines = [f"{'':<30}{'jitter p50':>12}{'p99':>8}{'missed':>10}{'steady':>9}"]
    for case in cases:
        name = (
            f"{'another' if case.busy else 'no'} busy core, {'spin' if case.spin else 'sleep only'}"
        )
        lines.append(
            f"{name:<30}{case.jitter_p50_ms or 0:>9.3f} ms{case.jitter_p99_ms or 0:>8.3f}"
            f"{case.missed_share:>10.2%}{'yes' if case.steady else 'no':>9}"
        )
    lines.append(f"steady: jitter p99 under {MOST_JITTER_MS:g} ms, under {MOST_MISSED:.1%} missed")
    return "\n".join(lines)
