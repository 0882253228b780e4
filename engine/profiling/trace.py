"""A run as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Ticks and their stages are slices, key events are short ones with an arrow to the present of the
frame that they caused; graphs on a device, operators and the garbage collector have rows of their
own. Times are microseconds.
Source: "Trace Event Format", Google, the document that both viewers implement.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.profiling.report import Report
from engine.profiling.spans import STAGES, Timeline
from engine.profiling.ticklog import NONE_NS

PROCESS = 1
LOOP, DEVICE, OPERATORS, KEYS, COLLECTOR = 1, 2, 3, 4, 5
THREADS = {
    LOOP: "game loop",
    DEVICE: "device",
    OPERATORS: "operators",
    KEYS: "key events",
    COLLECTOR: "garbage collector",
}


def write_trace(report: Report, path: Path) -> None:
    """Write a run's trace; raises ValueError where the run measured no stages."""
    document = {"traceEvents": list(trace_events(report)), "displayTimeUnit": "ms"}
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def trace_events(report: Report) -> Iterator[dict[str, Any]]:
    """Yield the events of a run; raises ValueError where it measured no stages."""
    timeline = report.measured.timeline
    if timeline is None:
        raise ValueError("a trace needs the stages of ticks: measure with spans")
    start_ns = int(timeline.began_ns[0]) if len(timeline.began_ns) else 0
    yield _named("process_name", f"rollplay {report.scene} ({report.backend})", 0)
    for thread, name in THREADS.items():
        yield _named("thread_name", name, thread)
    yield from _slices(timeline, start_ns)
    yield from _keys(report, start_ns)
    for run in report.measured.device_runs_of_ticks:
        times = {"ts": _us(run.began_ns, start_ns), "dur": (run.ended_ns - run.began_ns) / 1e3}
        yield _event("X", run.graph, DEVICE, **times)
    for op in report.measured.operators_of_ticks:
        times = {"ts": _us(op.began_ns, start_ns), "dur": (op.ended_ns - op.began_ns) / 1e3}
        yield _event("X", op.kind, OPERATORS, **times, args={"graph": op.graph})
    for number, (began_ns, ended_ns) in enumerate(report.measured.pauses_ns.tolist()):
        times = {"ts": _us(began_ns, start_ns), "dur": (ended_ns - began_ns) / 1e3}
        yield _event("X", "collection", COLLECTOR, **times, args={"number": number})


def _slices(timeline: Timeline, start_ns: int) -> Iterator[dict[str, Any]]:
    edges = np.concatenate([timeline.began_ns[:, None], timeline.ended_ns], 1).tolist()
    for tick, (began_ns, *ended_ns) in enumerate(edges):
        whole = {"ts": _us(began_ns, start_ns), "dur": (ended_ns[-1] - began_ns) / 1e3}
        yield _event("X", "tick", LOOP, **whole, args={"tick": tick})
        for stage, since_ns, end_ns in zip(STAGES, [began_ns, *ended_ns], ended_ns, strict=False):
            if end_ns > since_ns:
                times = {"ts": _us(since_ns, start_ns), "dur": (end_ns - since_ns) / 1e3}
                yield _event("X", stage, LOOP, **times)


def _keys(report: Report, start_ns: int) -> Iterator[dict[str, Any]]:
    """Yield key events, each with an arrow to the end of its present."""
    log = report.measured.log
    pairs = zip(log.events_ns().tolist(), log.presented_ns().tolist(), strict=True)
    for tick, (event_ns, presented_ns) in enumerate(pairs):
        if event_ns == NONE_NS:
            continue
        at_us, shown_us = _us(event_ns, start_ns), _us(presented_ns, start_ns)
        arrow = {"cat": "input", "id": tick}
        yield _event("X", "key", KEYS, ts=at_us, dur=1.0, args={"tick": tick})
        yield _event("s", "action to present", KEYS, ts=at_us, **arrow)
        # Bound to the slice that encloses it: the present has just ended, so a moment earlier.
        yield _event("f", "action to present", LOOP, ts=shown_us - 0.001, bp="e", **arrow)


def _named(kind: str, name: str, thread: int) -> dict[str, Any]:
    return _event("M", kind, thread, args={"name": name})


def _event(phase: str, name: str, thread: int, **more: Any) -> dict[str, Any]:
    return {"ph": phase, "name": name, "pid": PROCESS, "tid": thread, **more}


def _us(time_ns: int, start_ns: int) -> float:
    return (time_ns - start_ns) / 1e3
