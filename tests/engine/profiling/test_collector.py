"""The garbage collector, watched."""

import gc

from engine.fakes import FakeClock
from engine.profiling.collector import MOST_PAUSES, CollectorLog


def test_pauses_are_logged_while_watching_only() -> None:
    log = CollectorLog(FakeClock(look_ns=1_000))
    gc.collect()
    assert log.count == 0
    with log.watching():
        gc.collect()
        gc.collect()
    gc.collect()
    assert log.count == 2
    pauses = log.pauses_ns()
    assert (pauses[:, 1] - pauses[:, 0] == 1_000).all()
    assert pauses[0, 1] < pauses[1, 0]


def test_the_newest_pauses_are_kept() -> None:
    log = CollectorLog(FakeClock())
    for _ in range(MOST_PAUSES + 3):
        log._note("start", {})
        log._note("stop", {})
    pauses = log.pauses_ns()
    assert len(pauses) == MOST_PAUSES
    assert (pauses[1:, 0] > pauses[:-1, 0]).all()
