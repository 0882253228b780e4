"""Reports: the names that scripts read, and the table that people read."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.profiling.memory import MemoryLog
from engine.profiling.report import Report, percentiles, summarise
from engine.profiling.ticklog import TickLog

MS = 1_000_000
KEYS = {
    "scene",
    "world",
    "backend",
    "ticks",
    "fps",
    "tick_ms",
    "frame_time_ms",
    "stages_ms",
    "low_1pct_fps",
    "missed_deadlines",
    "action_to_present_ms",
    "passes_per_tick",
    "peak_rss_mb",
    "environment",
}


def make_report(ticks: int = 101) -> Report:
    log = TickLog(200)
    memory = MemoryLog(interval_ticks=1, measure=iter(range(100, 10_000)).__next__)
    for tick in range(ticks):
        at_ns = tick * 50 * MS
        log.add(began_ns=at_ns - 20 * MS, presented_ns=at_ns, event_ns=at_ns - 21 * MS)
        memory.observe()
    return summarise(
        scene="meadow",
        world="platformer",
        backend="fake",
        passes_per_tick=1,
        missed_deadlines=2,
        log=log,
        stages_ms={"denoise": np.full(ticks, 15.0), "wait": np.full(ticks, 30.0)},
        memory=memory,
    )


def test_the_document_has_the_fixed_names() -> None:
    document = json.loads(json.dumps(make_report().as_dict()))
    assert set(document) >= KEYS
    assert set(document["tick_ms"]) == {"p50", "p95", "p99", "max"}
    assert set(document["frame_time_ms"]) == {"p50", "p95", "p99", "max"}
    assert set(document["action_to_present_ms"]) == {"p50", "p95"}
    assert set(document["stages_ms"]["denoise"]) == {"p50", "p99"}
    assert {"cpu", "cores", "python", "numpy", "onnxruntime", "pygame", "platform"} <= set(
        document["environment"]
    )


def test_the_numbers_are_those_of_the_ticks() -> None:
    report = make_report()
    assert report.ticks == 101
    assert report.fps == report.low_1pct_fps == 20
    assert report.tick_ms["p99"] == 20
    assert report.action_to_present_ms["p50"] == 21
    assert report.stages_ms["wait"]["p50"] == 30
    assert report.rss_mb["start"] == 100
    assert report.rss_mb["end"] == 200


def test_a_run_of_no_ticks_has_a_report_without_numbers() -> None:
    report = make_report(ticks=0)
    assert report.fps is None
    assert report.tick_ms["p50"] is None
    assert "-" in report.table()
    assert "0 ticks" in report.summary()


def test_the_table_names_every_stage_and_the_machine() -> None:
    table = make_report().table()
    for word in ("denoise", "wait", "key to present", "1 % low", "passes per tick: 1", "MB"):
        assert word in table


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles(np.zeros(0), 50, 99) == {"p50": None, "p99": None}
    assert percentiles(np.array([1.0, 3.0]), 50) == {"p50": pytest.approx(2)}


def test_many_late_frames_are_answered_with_a_rate_that_would_hold() -> None:
    late = replace(make_report(), missed_deadlines=30, tick_ms={"p95": 62.0})
    assert "--fps 16" in late.advice()


def test_a_steady_run_needs_no_advice() -> None:
    assert make_report().advice() == ""
    assert make_report(ticks=0).advice() == ""
