"""Steadiness of the pacer, in fake time."""

from __future__ import annotations

import time

import pytest

from engine.fakes import FakeClock
from engine.profiling.steadiness import Steadiness, busy_core, measure_steadiness, table

MS = 1_000_000


class Oversleeping(FakeClock):
    """Wakes every sleeper too late by `late_ns`."""

    def __init__(self, late_ns: int) -> None:
        super().__init__()
        self._late_ns = late_ns

    def sleep_ns(self, duration_ns: int) -> None:
        super().sleep_ns(duration_ns + self._late_ns * (1 + len(self.slept_ns) % 2))


def test_a_clock_that_wakes_in_time_is_held_to_the_microsecond() -> None:
    case = measure_steadiness(FakeClock(), rate_hz=50, ticks=40, work_share=0.7, spin=True)
    assert case.missed_share == 0
    assert case.jitter_p99_ms is not None
    assert case.jitter_p99_ms < 0.01
    assert case.steady


def test_spinning_makes_up_for_waking_late() -> None:
    cases = {
        spin: measure_steadiness(
            Oversleeping(200_000), rate_hz=50, ticks=40, work_share=0.5, spin=spin
        )
        for spin in (True, False)
    }
    spun, slept = (cases[spin].jitter_p99_ms or 0 for spin in (True, False))
    assert spun < 0.01
    assert slept > 0.15
    text = table(list(cases.values()))
    assert "spin" in text
    assert "sleep only" in text


def test_too_much_work_misses_deadlines() -> None:
    case = measure_steadiness(FakeClock(), rate_hz=50, ticks=40, work_share=1.5, spin=True)
    assert case.missed_share > 0.3
    assert not case.steady
    assert table([case]).splitlines()[1].endswith("no")


@pytest.mark.parametrize(
    ("jitter_p99_ms", "missed_share", "steady"),
    [(1.99, 0.0049, True), (2.0, 0.0, False), (0.1, 0.005, False), (None, 0.0, False)],
)
def test_steady_is_small_jitter_and_few_missed_deadlines(
    jitter_p99_ms: float | None, missed_share: float, steady: bool
) -> None:
    case = Steadiness(True, False, 0.0, jitter_p99_ms, missed_share)
    assert case.steady is steady


def test_the_other_process_ends_with_the_block() -> None:
    before = time.perf_counter()
    with busy_core():
        pass
    assert time.perf_counter() - before < 60
