"""Spans inside a tick."""

import pytest

from engine.fakes import FakeClock
from engine.profiling.spans import STAGES, NullSpans, StageSpans

MS = 1_000_000


def test_a_stage_lasts_from_the_mark_before_it() -> None:
    clock = FakeClock(look_ns=0)
    spans = StageSpans(8, clock)
    for cost_ms in (3, 5):
        clock.pass_ns(100 * MS)
        spans.begin()
        clock.pass_ns(cost_ms * MS)
        spans.mark("wait")
        clock.pass_ns(2 * cost_ms * MS)
        spans.mark("denoise")
        spans.end()
    assert spans.stages_ms()["wait"].tolist() == [3, 5]
    assert spans.stages_ms()["denoise"].tolist() == [6, 10]


def test_a_tick_that_never_ends_is_not_kept() -> None:
    spans = StageSpans(8, FakeClock())
    spans.begin()
    spans.mark("wait")
    assert spans.stages_ms()["wait"].size == 0


def test_a_full_ring_keeps_the_newest_ticks() -> None:
    clock = FakeClock(look_ns=0)
    spans = StageSpans(2, clock)
    for cost_ms in (1, 2, 3):
        spans.begin()
        clock.pass_ns(cost_ms * MS)
        spans.mark("blit")
        spans.end()
    assert sorted(spans.stages_ms()["blit"].tolist()) == [2, 3]


def test_an_unknown_stage_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        StageSpans(2, FakeClock()).mark("dreaming")


def test_null_spans_measure_nothing() -> None:
    spans = NullSpans()
    spans.begin()
    for stage in STAGES:
        spans.mark(stage)
    spans.end()
    assert spans.stages_ms() == {}
