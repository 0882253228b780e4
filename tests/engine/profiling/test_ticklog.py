"""The ring of tick costs."""

import pytest

from engine.profiling.ticklog import TickLog

MS = 1_000_000


def filled(ticks: int, capacity: int) -> TickLog:
    log = TickLog(capacity)
    for tick in range(1, ticks + 1):
        at_ns = tick * 50 * MS
        log.add(work_ns=tick * MS, presented_ns=at_ns, event_ns=at_ns - 2 * tick * MS)
    return log


def test_a_full_ring_keeps_the_newest_ticks_in_order() -> None:
    log = filled(7, capacity=4)
    assert log.count == 7
    assert log.work_ms().tolist() == [4, 5, 6, 7]
    assert log.work_ms(last=2).tolist() == [6, 7]


def test_the_first_tick_has_no_frame_time() -> None:
    assert filled(3, capacity=8).frame_ms().tolist() == [50, 50]


def test_a_gap_is_no_frame_time_and_no_action_time() -> None:
    log = filled(2, capacity=8)
    log.gap()
    log.add(work_ns=MS, presented_ns=10**12, event_ns=1)
    assert log.frame_ms().tolist() == [50]
    assert log.action_ms().tolist() == [4]


def test_a_tick_without_a_new_key_event_has_no_action_time() -> None:
    log = filled(2, capacity=8)
    log.add(work_ns=50 * MS, presented_ns=150 * MS, event_ns=0)
    assert log.action_ms().tolist() == [4]
    assert log.work_ms()[-1] == pytest.approx(50)


def test_a_key_is_counted_in_the_frames_until_its_own() -> None:
    log = TickLog(8)
    for at_ms, event_ms in ((50, 0), (100, 51), (150, 99), (200, 0), (250, 240)):
        log.add(work_ns=MS, presented_ns=at_ms * MS, event_ns=event_ms * MS)
    assert log.action_frames().tolist() == [1, 2, 1]
    assert filled(7, capacity=4).action_frames().tolist() == [1, 1, 1, 1]


def test_an_empty_log_has_empty_columns() -> None:
    assert TickLog(4).work_ms().size == TickLog(4).action_frames().size == 0
