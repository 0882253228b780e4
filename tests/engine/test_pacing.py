"""Pacing, on a clock that never waits."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fakes import FakeClock
from engine.lead import FEW_TICKS
from engine.pacing import SPIN_NS, FixedRatePacer, SystemClock, Unpaced

MS = 1_000_000
PERIOD_NS = 50 * MS
LOOKS_NS = 20_000
"""More than the looks at the clock around a tick cost."""
works_ns = st.lists(st.integers(0, 5 * PERIOD_NS), min_size=1, max_size=60)
KNOWN = [20 * MS] * (FEW_TICKS + 1)
"""Ticks after which the next one begins just in time for one of 20 ms."""


def make_pacer(clock: FakeClock) -> FixedRatePacer:
    return FixedRatePacer(20, clock)


class Ran:
    """Ticks of given works, and when each began, was ready, and was presented."""

    def __init__(self, *works: int, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.pacer = make_pacer(self.clock)
        self.began: list[int] = []
        self.ready: list[int] = []
        self.presented: list[int] = []
        self.go_on(*works)

    def go_on(self, *works: int) -> None:
        for work_ns in works:
            self.pacer.wait()
            self.began.append(self.clock.time_ns)
            self.clock.pass_ns(work_ns)
            self.ready.append(self.clock.time_ns)
            self.pacer.hold()
            self.presented.append(self.clock.time_ns)


def test_frames_are_presented_on_the_grid_whatever_their_ticks_took() -> None:
    ran = Ran(*[20 * MS, 35 * MS, 5 * MS, 28 * MS] * 50)
    for tick, presented_ns in enumerate(ran.presented, 1):
        assert 0 <= presented_ns - tick * PERIOD_NS <= LOOKS_NS
    assert ran.pacer.missed == 0


def test_ticks_begin_just_in_time_once_their_work_is_known() -> None:
    ran = Ran(*KNOWN, *[20 * MS] * 10)
    ahead = [shown - began for began, shown in zip(ran.began, ran.presented, strict=True)]
    assert ahead[0] == pytest.approx(PERIOD_NS, abs=LOOKS_NS)
    assert all(20 * MS < lead_ns < 23 * MS for lead_ns in ahead[-10:])


def test_sleeps_short_of_the_deadline_and_spins_the_rest() -> None:
    clock = FakeClock()
    pacer = make_pacer(clock)
    pacer.wait()
    pacer.hold()
    assert clock.slept_ns == [pytest.approx(PERIOD_NS - SPIN_NS, abs=LOOKS_NS)]


def test_oversleeping_does_not_shift_the_grid() -> None:
    ran = Ran(0)
    ran.clock.pass_ns(PERIOD_NS - 100_000)
    ran.go_on(0, 0)
    assert ran.presented[-1] == pytest.approx(3 * PERIOD_NS, abs=LOOKS_NS)


def test_waking_late_to_begin_is_made_up_for_by_beginning_earlier() -> None:
    ran = Ran(*KNOWN, 20 * MS, clock=SleepyClock(extra_ns=4 * MS, sleeps=1000))
    surprised = ran.pacer.missed
    ran.go_on(*[20 * MS] * 5)
    assert ran.pacer.missed == surprised <= 1
    assert ran.ready[-1] < (len(ran.ready) + surprised) * PERIOD_NS


def test_a_late_frame_is_presented_at_once_and_its_deadline_is_missed() -> None:
    ran = Ran(20 * MS, PERIOD_NS + 5 * MS)
    assert ran.presented[1] - ran.ready[1] < LOOKS_NS
    assert ran.pacer.missed == 1


def test_after_a_late_frame_the_next_one_is_back_on_the_grid() -> None:
    ran = Ran(*KNOWN, 40 * MS, 20 * MS)
    assert ran.presented[-2] % PERIOD_NS > 10 * MS
    assert ran.presented[-1] % PERIOD_NS < LOOKS_NS
    assert ran.pacer.missed == 1


def test_a_long_stall_skips_its_deadlines_instead_of_catching_up() -> None:
    ran = Ran(20 * MS, 10 * PERIOD_NS + MS)
    missed = ran.pacer.missed
    assert missed == 10
    ran.go_on(20 * MS, 20 * MS)
    assert ran.presented[3] - ran.presented[2] == pytest.approx(PERIOD_NS, abs=LOOKS_NS)
    assert ran.pacer.missed == missed


def test_a_stall_between_ticks_skips_its_deadlines_too() -> None:
    ran = Ran(20 * MS)
    ran.clock.pass_ns(3 * PERIOD_NS + MS)
    ran.go_on(20 * MS)
    assert ran.pacer.missed == 3
    assert ran.presented[-1] == pytest.approx(5 * PERIOD_NS, abs=LOOKS_NS)


def test_too_much_work_runs_as_fast_as_it_can() -> None:
    ran = Ran(*[60 * MS] * 40)
    assert ran.presented[-1] - ran.presented[0] == pytest.approx(39 * 60 * MS, abs=40 * LOOKS_NS)


def test_a_restart_forgives_what_lies_behind() -> None:
    ran = Ran(20 * MS)
    ran.clock.pass_ns(1000 * PERIOD_NS)
    restarted_ns = ran.clock.time_ns
    ran.pacer.restart()
    ran.go_on(20 * MS)
    assert ran.pacer.missed == 0
    assert ran.presented[-1] - restarted_ns == pytest.approx(PERIOD_NS, abs=LOOKS_NS)


def test_what_a_restart_follows_is_not_taken_for_work() -> None:
    ran = Ran(*KNOWN)
    for _ in range(500):
        ran.pacer.wait()
        ran.pacer.hold()
        ran.pacer.restart()
    ran.go_on(20 * MS)
    assert ran.pacer.missed == 0


def test_being_suspended_while_held_counts_the_deadlines_slept_through() -> None:
    clock = SleepyClock(extra_ns=3 * PERIOD_NS, sleeps=1)
    pacer = FixedRatePacer(20, clock)
    pacer.wait()
    pacer.hold()
    assert pacer.missed == 2


class SleepyClock(FakeClock):
    """Wakes late from its first sleeps."""

    def __init__(self, *, extra_ns: int, sleeps: int) -> None:
        super().__init__()
        self._extra_ns = extra_ns
        self._sleeps = sleeps

    def sleep_ns(self, duration_ns: int) -> None:
        extra_ns = self._extra_ns if len(self.slept_ns) < self._sleeps else 0
        super().sleep_ns(duration_ns + extra_ns)


@given(works_ns)
def test_every_deadline_is_either_met_or_missed(works: list[int]) -> None:
    ran = Ran(*works, clock=FakeClock(look_ns=5_000))
    met = sum(presented % PERIOD_NS <= LOOKS_NS for presented in ran.presented)
    deadlines_passed = ran.presented[-1] // PERIOD_NS
    assert ran.pacer.missed <= deadlines_passed
    assert deadlines_passed - ran.pacer.missed <= met


@given(works_ns)
def test_never_sleeps_longer_than_a_period_nor_into_the_past(works: list[int]) -> None:
    ran = Ran(*works, clock=FakeClock(look_ns=5_000))
    assert all(0 < slept <= PERIOD_NS for slept in ran.clock.slept_ns)


@given(works_ns)
def test_never_presents_early_or_two_frames_for_one_deadline(works: list[int]) -> None:
    ran = Ran(*works, clock=FakeClock(look_ns=5_000))
    slots = [presented // PERIOD_NS for presented in ran.presented]
    assert all(later > earlier for earlier, later in itertools.pairwise(slots))


@given(works_ns)
def test_no_tick_begins_later_than_it_would_without_lead(works: list[int]) -> None:
    """At the latest when the frame before it was due: too much work is never made to wait."""
    ran = Ran(*[work_ns + PERIOD_NS for work_ns in works])
    pauses = [later - before for before, later in zip(ran.presented, ran.began[1:], strict=False)]
    assert all(pause_ns < LOOKS_NS for pause_ns in pauses)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        FixedRatePacer(0, FakeClock())


def test_unpaced_never_misses() -> None:
    pacer = Unpaced()
    pacer.restart()
    pacer.wait()
    pacer.hold()
    assert pacer.missed == 0


def test_the_system_clock_moves_forward() -> None:
    clock = SystemClock()
    before_ns = clock.now_ns()
    clock.sleep_ns(0)
    assert clock.now_ns() >= before_ns
