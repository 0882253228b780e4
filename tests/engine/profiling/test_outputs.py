"""What a profile writes: traces, lines, pictures and pages that open where they claim to."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.profiling.page import write_page
from engine.profiling.plot import write_plot
from engine.profiling.report import Report
from engine.profiling.ticks import write_ticks
from engine.profiling.trace import (
    COLLECTOR,
    DEVICE,
    KEYS,
    LOOP,
    THREADS,
    trace_events,
    write_trace,
)
from world_model.accelerator import GraphRun

Make = Callable[..., Report]
PHASES = {"M": {"args"}, "X": {"ts", "dur"}, "s": {"ts", "id", "cat"}, "f": {"ts", "id", "cat"}}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_a_trace_follows_the_trace_event_format(make_report: Make, tmp_path: Path) -> None:
    write_trace(make_report(late=(40,)), tmp_path / "trace.json")
    document = json.loads((tmp_path / "trace.json").read_text())
    assert set(document) == {"traceEvents", "displayTimeUnit"}
    assert document["displayTimeUnit"] in ("ms", "ns")
    for event in document["traceEvents"]:
        assert {"ph", "name", "pid", "tid"} | PHASES[event["ph"]] <= set(event), event
        assert event.get("dur", 0) >= 0
        assert isinstance(event.get("ts", 0.0), int | float)


def test_stages_lie_within_their_ticks_and_ticks_follow_each_other(make_report: Make) -> None:
    events = [e for e in trace_events(make_report()) if e["ph"] == "X" and e["tid"] == LOOP]
    ticks = [e for e in events if e["name"] == "tick"]
    assert len(ticks) == 101
    for before, after in itertools.pairwise(ticks):
        assert before["ts"] + before["dur"] <= after["ts"] + 1e-6
    steps = [e for e in events if e["name"] == "step"]
    for tick, step in zip(ticks, steps, strict=True):
        assert step["dur"] == pytest.approx(15_000)
        assert tick["ts"] <= step["ts"]
        assert step["ts"] + step["dur"] <= tick["ts"] + tick["dur"] + 1e-6


def test_an_arrow_leads_from_every_key_to_the_present_it_caused(make_report: Make) -> None:
    events = list(trace_events(make_report()))
    begun = {e["id"]: e for e in events if e["ph"] == "s"}
    ended = {e["id"]: e for e in events if e["ph"] == "f"}
    assert begun.keys() == ended.keys() == set(range(3, 101, 3))
    for number, arrow in begun.items():
        assert arrow["tid"] == KEYS
        assert ended[number]["tid"] == LOOP
        assert ended[number]["bp"] == "e"
        assert ended[number]["ts"] - arrow["ts"] == pytest.approx(27_000, abs=1)
        enclosing = [e for e in events if e["ph"] == "X" and e["tid"] == LOOP
                     and e["ts"] <= ended[number]["ts"] <= e["ts"] + e["dur"]]  # fmt: skip
        assert [e["name"] for e in enclosing] == ["tick", "present"]


def test_garbage_collections_have_a_row_of_their_own(make_report: Make) -> None:
    pauses = [e for e in trace_events(make_report()) if e["tid"] == COLLECTOR and e["ph"] == "X"]
    assert [pause["dur"] for pause in pauses] == [2_000, 1_000]


def test_runs_on_a_device_have_a_row_of_their_own(make_report: Make) -> None:
    runs = (GraphRun("step", 31_000_000, 44_000_000), GraphRun("decode", 45_000_000, 46_000_000))
    rows = [e for e in trace_events(make_report(device_runs=runs)) if e["tid"] == DEVICE]
    assert [(e["name"], e["ts"], e["dur"]) for e in rows if e["ph"] == "X"] == [
        ("step", 31_000, 13_000),
        ("decode", 45_000, 1_000),
    ]


def test_perfettos_own_processor_reads_the_trace(make_report: Make, tmp_path: Path) -> None:
    runs = (GraphRun("step", 31_000_000, 44_000_000),)
    write_trace(make_report(device_runs=runs), tmp_path / "trace.json")
    with perfetto(tmp_path / "trace.json") as processor:
        slices = {
            (row.thread, row.name): (row.count, row.longest)
            for row in processor.query(
                "select thread.name as thread, slice.name as name, count(*) as count, "
                "max(dur) as longest from slice join thread_track on track_id = thread_track.id "
                "join thread using (utid) group by 1, 2"
            )
        }
        assert slices[THREADS[LOOP], "tick"] == (101, 50_000_000)
        assert slices[THREADS[LOOP], "step"] == (101, 15_000_000)
        assert slices[THREADS[DEVICE], "step"] == (1, 13_000_000)
        assert slices[THREADS[COLLECTOR], "collection"] == (2, 2_000_000)
        arrows = processor.query(
            "select a.name as cause, b.name as effect from flow "
            "join slice a on a.id = slice_out join slice b on b.id = slice_in"
        )
        assert [(row.cause, row.effect) for row in arrows] == 33 * [("key", "present")]
        problems = "select name from stats where severity in ('error', 'data_loss') and value > 0"
        assert [row.name for row in processor.query(problems)] == []


@contextmanager
def perfetto(trace: Path) -> Iterator[Any]:
    """Open a trace in Perfetto's trace processor; skip where it cannot start.

    The package only fetches the processor, from the network, unless it is on the path.
    """
    api = pytest.importorskip("perfetto.trace_processor", reason="needs `pip install perfetto`")
    config = api.TraceProcessorConfig(bin_path=shutil.which("trace_processor_shell"))
    try:
        processor = api.TraceProcessor(trace=str(trace), config=config)
    except Exception as error:  # noqa: BLE001 whatever the download raises
        pytest.skip(f"Perfetto's trace processor cannot be had here: {error}")
    try:
        yield processor
    finally:
        processor.close()


def test_a_run_without_spans_has_no_trace(make_report: Make) -> None:
    with pytest.raises(ValueError, match="spans"):
        list(trace_events(make_report(spans=False)))


def test_every_tick_is_a_line(make_report: Make, tmp_path: Path) -> None:
    write_ticks(make_report(), tmp_path / "ticks.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "ticks.jsonl").read_text().splitlines()]
    assert [line["tick"] for line in lines] == list(range(101))
    assert lines[0]["frame_time_ms"] is None
    assert lines[5]["frame_time_ms"] == 50
    assert lines[5]["action_to_present_ms"] is None
    assert lines[6]["tick_ms"] == 20
    assert lines[6]["action_to_present_ms"] == 27
    assert lines[6]["stages_ms"]["step"] == 15
    assert sum(lines[6]["stages_ms"].values()) == pytest.approx(50)


def test_the_picture_shows_something(make_report: Make, tmp_path: Path) -> None:
    write_plot(make_report(late=(40,)), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[0] > 500
    assert pixels.shape[1] > 900
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    write_plot(make_report(), tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()


class Page(HTMLParser):
    """Keeps what a page would fetch, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                self.fetched.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself(make_report: Make, tmp_path: Path) -> None:
    write_page(make_report(), tmp_path / "report.html")
    page = Page()
    page.feed((tmp_path / "report.html").read_text())
    assert page.fetched == []
    assert {"svg", "pre", "table"} <= page.tags
    assert "script" not in page.tags
    assert "101 ticks of meadow" in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_opens_in_a_browser(make_report: Make, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    write_page(make_report(), tmp_path / "report.html")
    subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-sync", "--hide-scrollbars",
         f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1400",
         f"--screenshot={tmp_path / 'page.png'}", (tmp_path / "report.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with Image.open(tmp_path / "page.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
