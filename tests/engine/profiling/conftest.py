"""A measured run to make outputs of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from engine.fakes import FakeClock
from engine.profiling.memory import MemoryLog
from engine.profiling.report import Measurements, Report, summarise
from engine.profiling.spans import StageSpans
from engine.profiling.ticklog import TickLog
from world_model.accelerator import GraphRun

MS = 1_000_000
PERIOD_MS = 50.0
STEP_MS = 15
HOLD_MS = 6


class Ran(NamedTuple):
    """An operator that ran."""

    graph: str
    kind: str
    began_ns: int
    ended_ns: int


@pytest.fixture
def make_report() -> Callable[..., Report]:
    """Run ticks of 50 ms, 20 of them work, of which `step` has 15; every third one has a key."""

    def build(
        ticks: int = 101,
        *,
        spans: bool = True,
        late: tuple[int, ...] = (),
        device_runs: tuple[GraphRun, ...] = (),
        peak_vram_mb: float | None = None,
        hud_ms: int = 0,
    ) -> Report:
        clock = FakeClock(look_ns=0)
        log, measured = TickLog(200), StageSpans(200, clock)
        memory = MemoryLog(interval_ticks=1, measure=iter(range(100, 10_000)).__next__)
        for tick in range(ticks):
            measured.begin()
            clock.pass_ns((124 if tick in late else 24) * MS)
            began_ns = clock.now_ns()
            measured.mark("wait")
            clock.pass_ns(STEP_MS * MS)
            measured.mark("step")
            clock.pass_ns(4 * MS)
            measured.mark("decode")
            clock.pass_ns(hud_ms * MS)
            measured.mark("hud")
            clock.pass_ns(HOLD_MS * MS)
            measured.mark("hold")
            clock.pass_ns(1 * MS)
            measured.mark("present")
            measured.end()
            event_ns = 0 if tick % 3 else began_ns - MS
            presented_ns = clock.now_ns()
            work_ns = presented_ns - began_ns - HOLD_MS * MS
            log.add(work_ns=work_ns, presented_ns=presented_ns, event_ns=event_ns)
            memory.observe()
        return summarise(
            scene="meadow",
            world="platformer",
            backend="fake",
            passes_per_tick=1,
            missed_deadlines=2,
            measured=Measurements(
                log=log,
                timeline=measured.timeline() if spans else None,
                operators=[
                    Ran("step", "Conv", tick * 50 * MS + 31 * MS, tick * 50 * MS + 41 * MS)
                    for tick in range(-1, ticks)
                ]
                if spans
                else (),
                device_runs=device_runs,
                peak_vram_mb=peak_vram_mb,
                pauses_ns=np.array([[60 * MS, 62 * MS], [500 * MS, 501 * MS]]),
                period_ms=PERIOD_MS,
                spans_ms=0.02 if spans else None,
            ),
            memory=memory,
        )

    return build
