"""Spans inside a tick."""

import numpy as np
import pytest

from engine.fakes import FakeClock
from engine.profiling.spans import GROUPS, STAGES, NullSpans, StageSpans, cost_per_tick_ms

MS = 1_000_000


def test_a_stage_lasts_from_the_end_of_the_one_before_it() -> None:
    clock = FakeClock(look_ns=0)
    spans = StageSpans(8, clock)
    for cost_ms in (3, 5):
        clock.pass_ns(100 * MS)
        spans.begin()
        clock.pass_ns(cost_ms * MS)
        spans.mark("wait")
        clock.pass_ns(2 * cost_ms * MS)
        spans.mark("step")
        spans.end()
    stages = spans.timeline().stages_ms()
    assert stages["wait"].tolist() == [3, 5]
    assert stages["step"].tolist() == [6, 10]
    assert stages["input"].tolist() == [0, 0], "not marked"


def test_groups_are_the_sums_of_their_parts() -> None:
    clock = FakeClock(look_ns=0)
    spans = StageSpans(8, clock)
    spans.begin()
    for number, stage in enumerate(STAGES):
        clock.pass_ns(number * MS)
        spans.mark(stage)
    spans.end()
    stages = spans.timeline().stages_ms()
    for group, parts in GROUPS.items():
        assert stages[group].tolist() == [sum(STAGES.index(part) for part in parts)]
    assert spans.timeline().durations_ms.sum() == sum(range(len(STAGES)))


def test_a_tick_that_never_ends_is_not_kept_and_leaves_nothing_behind() -> None:
    clock = FakeClock(look_ns=0)
    spans = StageSpans(8, clock)
    spans.begin()
    spans.mark("wait")
    assert spans.timeline().stages_ms()["wait"].size == 0
    clock.pass_ns(MS)
    spans.begin()
    clock.pass_ns(MS)
    spans.mark("step")
    spans.end()
    assert spans.timeline().stages_ms()["wait"].tolist() == [0]
    assert spans.timeline().stages_ms()["step"].tolist() == [1]


def test_a_full_ring_keeps_the_newest_ticks_in_order() -> None:
    clock = FakeClock(look_ns=0)
    spans = StageSpans(2, clock)
    for cost_ms in (1, 2, 3):
        spans.begin()
        clock.pass_ns(cost_ms * MS)
        spans.mark("hud")
        spans.end()
    timeline = spans.timeline()
    assert timeline.stages_ms()["hud"].tolist() == [2, 3]
    assert (np.diff(timeline.began_ns) > 0).all()
    assert spans.timeline(last=1).stages_ms()["hud"].tolist() == [3]
    assert len(spans.timeline(last=9).began_ns) == 2


def test_an_unknown_stage_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        StageSpans(2, FakeClock()).mark("dreaming")


def test_null_spans_measure_nothing() -> None:
    spans = NullSpans()
    spans.begin()
    for stage in STAGES:
        spans.mark(stage)
    spans.end()
    assert spans.timeline() is None


def test_what_measuring_costs_is_the_clock_looks_of_a_tick() -> None:
    look_ns = 1_000
    cost_ms = cost_per_tick_ms(FakeClock(look_ns=look_ns))
    assert cost_ms == pytest.approx((1 + len(STAGES)) * look_ns / 1e6, rel=0.01)
