"""Pacing, on a clock that never waits."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fakes import FakeClock
from engine.pacing import SPIN_NS, FixedRatePacer, SystemClock, Unpaced

PERIOD_NS = 50_000_000
works_ns = st.lists(st.integers(0, 5 * PERIOD_NS), min_size=1, max_size=60)


def make_pacer(clock: FakeClock) -> FixedRatePacer:
    return FixedRatePacer(20, clock)


def test_quick_ticks_start_on_the_grid() -> None:
    clock = FakeClock()
    pacer = make_pacer(clock)
    for tick in range(1, 101):
        pacer.wait()
        assert 0 <= clock.time_ns - tick * PERIOD_NS <= 10_000
        clock.pass_ns(20_000_000)
    assert pacer.missed == 0


def test_sleeps_short_and_spins_the_rest() -> None:
    clock = FakeClock()
    make_pacer(clock).wait()
    assert len(clock.slept_ns) == 1
    assert clock.slept_ns[0] == pytest.approx(PERIOD_NS - SPIN_NS, abs=10_000)


def test_oversleeping_does_not_shift_the_grid() -> None:
    clock = FakeClock()
    pacer = make_pacer(clock)
    pacer.wait()
    clock.pass_ns(PERIOD_NS - 100_000)
    pacer.wait()
    pacer.wait()
    assert clock.time_ns == pytest.approx(3 * PERIOD_NS, abs=10_000)


def test_a_late_tick_starts_at_once_and_its_deadline_is_missed() -> None:
    clock = FakeClock()
    pacer = make_pacer(clock)
    pacer.wait()
    clock.pass_ns(PERIOD_NS + 5_000_000)
    before_ns = clock.time_ns
    pacer.wait()
    assert clock.time_ns - before_ns < 10_000
    assert pacer.missed == 1


def test_a_long_stall_skips_its_deadlines_instead_of_catching_up() -> None:
    clock = FakeClock()
    pacer = make_pacer(clock)
    pacer.wait()
    clock.pass_ns(10 * PERIOD_NS + 1_000_000)
    pacer.wait()
    assert pacer.missed == 10
    pacer.wait()
    assert clock.time_ns == pytest.approx(12 * PERIOD_NS, abs=10_000)
    assert pacer.missed == 10


def test_a_restart_forgives_what_lies_behind() -> None:
    clock = FakeClock()
    pacer = make_pacer(clock)
    clock.pass_ns(1000 * PERIOD_NS)
    pacer.restart()
    pacer.wait()
    assert pacer.missed == 0
    assert clock.time_ns == pytest.approx(1001 * PERIOD_NS, abs=20_000)


def test_being_suspended_while_asleep_counts_the_deadlines_slept_through() -> None:
    clock = SleepyClock(extra_ns=3 * PERIOD_NS)
    pacer = FixedRatePacer(20, clock)
    pacer.wait()
    assert pacer.missed == 2


class SleepyClock(FakeClock):
    """Wakes late from its first sleep."""

    def __init__(self, *, extra_ns: int) -> None:
        super().__init__()
        self._extra_ns = extra_ns

    def sleep_ns(self, duration_ns: int) -> None:
        super().sleep_ns(duration_ns + self._extra_ns)
        self._extra_ns = 0


@given(works_ns)
def test_every_deadline_is_either_met_or_missed(works: list[int]) -> None:
    clock = FakeClock(look_ns=5_000)
    pacer = make_pacer(clock)
    starts = []
    for work_ns in works:
        pacer.wait()
        starts.append(clock.time_ns)
        clock.pass_ns(work_ns)
    met = sum(start % PERIOD_NS <= 10_000 for start in starts)
    deadlines_passed = starts[-1] // PERIOD_NS
    assert pacer.missed <= deadlines_passed
    assert deadlines_passed - pacer.missed <= met


@given(works_ns)
def test_never_sleeps_longer_than_a_period_nor_into_the_past(works: list[int]) -> None:
    clock = FakeClock(look_ns=5_000)
    pacer = make_pacer(clock)
    for work_ns in works:
        pacer.wait()
        clock.pass_ns(work_ns)
    assert all(0 < slept <= PERIOD_NS for slept in clock.slept_ns)


@given(works_ns)
def test_never_releases_a_tick_early_or_in_a_burst(works: list[int]) -> None:
    clock = FakeClock(look_ns=5_000)
    pacer = make_pacer(clock)
    slots = []
    for work_ns in works:
        pacer.wait()
        slots.append(clock.time_ns // PERIOD_NS)
        clock.pass_ns(work_ns)
    assert all(later > earlier for earlier, later in itertools.pairwise(slots))


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        FixedRatePacer(0, FakeClock())


def test_unpaced_never_misses() -> None:
    pacer = Unpaced()
    pacer.restart()
    pacer.wait()
    assert pacer.missed == 0


def test_the_system_clock_moves_forward() -> None:
    clock = SystemClock()
    before_ns = clock.now_ns()
    clock.sleep_ns(0)
    assert clock.now_ns() >= before_ns
