"""Reports: the names that scripts read, and the table that people read."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.profiling.report import Report
from engine.profiling.statistics import jitter_ms, percentiles, stutters
from world_model.accelerator import GraphRun

SPREAD = {"p50", "p90", "p95", "p99", "max"}
MS = 1_000_000
Make = Callable[..., Report]
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
    "peak_vram_mb",
    "device_ms",
    "environment",
}


def test_the_document_has_the_fixed_names(make_report: Make) -> None:
    document = json.loads(json.dumps(make_report().as_dict()))
    assert set(document) >= KEYS
    for name in ("tick_ms", "frame_time_ms", "action_to_present_ms"):
        assert set(document[name]) == SPREAD
    assert {"wait", "input", "denoise", "step", "decode", "blit", "present"} <= set(
        document["stages_ms"]
    )
    assert set(document["stages_ms"]["denoise"]) == SPREAD
    assert {"cpu", "cores", "python", "numpy", "onnxruntime", "pygame", "platform"} <= set(
        document["environment"]
    )
    assert len(document["series_ms"]["tick"]) == 101
    assert len(document["series_ms"]["frame_time"]) == 100


def test_the_numbers_are_those_of_the_ticks(make_report: Make) -> None:
    report = make_report()
    assert report.ticks == 101
    assert report.fps == report.low_1pct_fps == 20
    assert report.tick_ms["p99"] == 20
    assert report.action_to_present_ms["p50"] == 27
    assert report.action_to_present_ticks == {"p50": 1, "p95": 1}
    assert report.stages_ms["wait"]["p50"] == 24
    assert report.stages_ms["hold"]["p50"] == 6
    assert report.stages_ms["step"]["p50"] == report.stages_ms["denoise"]["p50"] == 15
    assert report.rss_mb["start"] == 100
    assert report.rss_mb["end"] == 200
    assert report.gc == {"pauses": 2, "total_ms": 3, "max_ms": 2}
    assert report.jitter_ms == {"p50": 0, "p99": 0}
    assert report.operators_ms == {"step Conv": 10}, "the one before the first tick is left out"
    assert report.spans["share"] == pytest.approx(0.001)
    assert report.stages_ms["step"]["p90"] == report.stages_ms["step"]["max"] == 15


def test_without_a_device_its_numbers_are_null_and_the_table_is_silent(make_report: Make) -> None:
    document = json.loads(json.dumps(make_report().as_dict()))
    assert document["device_ms"] is document["peak_vram_mb"] is None
    assert "device" not in make_report().table()


def test_what_ran_on_a_device_is_told_by_graph_without_the_warm_up(make_report: Make) -> None:
    warm_up = GraphRun("step", -90 * MS, -10 * MS)
    runs = [
        GraphRun(graph, (50 * tick + at) * MS, (50 * tick + at + took) * MS)
        for tick in range(10)
        for graph, at, took in (("step", 30, 12), ("decode", 45, 2))
    ]
    report = make_report(device_runs=(warm_up, *runs), peak_vram_mb=812.34)
    assert report.device_ms == {
        "step": dict.fromkeys(SPREAD, 12.0),
        "decode": dict.fromkeys(SPREAD, 2.0),
    }
    assert report.peak_vram_mb == 812.3
    rows = [line.split() for line in report.table().splitlines()]
    assert ["device", "step", *["12.00"] * 5] in rows
    assert "on the device 812.30 MB at most" in report.table()


def test_the_cost_of_the_hud_is_a_share_of_the_work(make_report: Make) -> None:
    report = make_report(hud_ms=1)
    assert report.hud == {"ms_per_tick": 1, "share": pytest.approx(1 / 21)}
    assert "HUD cost 1000.0 us a tick, 4.76% of its work" in report.table()
    assert make_report(spans=False).hud == {"ms_per_tick": None, "share": None}


def test_single_stages_sum_to_the_frame_time(make_report: Make) -> None:
    report = make_report(late=(40,))
    timeline = report.measured.timeline
    assert timeline is not None
    whole = report.measured.log.frame_ms().sum()
    assert timeline.durations_ms[1:].sum() == pytest.approx(whole, rel=0.001)


def test_a_late_frame_is_a_stutter_and_jitter(make_report: Make) -> None:
    report = make_report(late=(40, 70))
    assert report.stutters == 2
    assert report.frame_time_ms["max"] == 150
    assert report.jitter_ms["p99"] == pytest.approx(100, abs=2)


def test_stutters_are_measured_against_their_surroundings() -> None:
    slow_half = np.concatenate([np.full(60, 16.0), np.full(60, 40.0)])
    assert stutters(slow_half).size < 20, "a lasting change is no row of stutters"
    assert 90 not in stutters(slow_half)
    slow_half[90] = 90
    assert 90 in stutters(slow_half)
    assert stutters(np.array([10.0, 50.0])).size <= 1
    assert not stutters(np.zeros(0)).size


def test_without_a_rate_jitter_is_from_the_median() -> None:
    frames = np.array([10.0, 10.0, 13.0])
    assert jitter_ms(frames, None).tolist() == [0, 0, 3]
    assert jitter_ms(frames, 12).tolist() == [2, 2, 1]


def test_a_run_of_no_ticks_has_a_report_without_numbers(make_report: Make) -> None:
    report = make_report(ticks=0)
    assert report.fps is None
    assert report.tick_ms["p50"] is None
    assert "-" in report.table()
    assert "0 ticks" in report.summary()


def test_the_table_names_every_stage_and_the_machine(make_report: Make) -> None:
    table = make_report().table()
    for word in ("denoise", "step", "wait", "hold", "key to present", "1 % low",
                 "passes per tick: 1", "MB", "stutters", "jitter", "garbage",
                 "measuring cost 20.0 us", "step Conv"):  # fmt: skip
        assert word in table


def test_operators_of_any_name_stand_in_columns(make_report: Make) -> None:
    names = {"step Conv": 10.0, f"step {'fused_' * 40}": 2.5, "decode Conv": 0.25}
    table = replace(make_report(), operators_ms=names).table().splitlines()
    first = next(i for i, line in enumerate(table) if line.startswith("operators"))
    assert len({len(line) for line in table[first : first + 4]}) == 1
    assert table[first + 2].split()[-2:] == ["2.50", "20%"]


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles(np.zeros(0), 50, 99) == {"p50": None, "p99": None}
    assert percentiles(np.array([1.0, 3.0]), 50) == {"p50": pytest.approx(2)}


def test_many_late_frames_are_answered_with_a_rate_that_would_hold(make_report: Make) -> None:
    late = replace(make_report(), missed_deadlines=30, tick_ms={"p95": 62.0})
    assert "--fps 16" in late.advice()
    assert make_report().advice() == ""
    surprised = replace(make_report(), missed_deadlines=30)
    assert surprised.advice() == "", "ticks fit the period: no other rate would help"
