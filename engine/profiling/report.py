"""The report of a run: what its ticks cost, summed up for programs and for people.

Knows logs, not the loop that wrote them. Percentiles are over the ticks that the logs still hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.profiling.environment import environment
from engine.profiling.memory import MemoryLog, peak_rss_mb
from engine.profiling.operators import GraphRun, Operator, costs_ms, within
from engine.profiling.spans import GROUPS, STAGES, Timeline
from engine.profiling.statistics import (
    COLUMNS,
    cost_share,
    device_ms,
    jitter_ms,
    per_second,
    percentiles,
    spread,
    stutters,
)
from engine.profiling.ticklog import TickLog

MOST_LATE = 20
"""One late frame in so many is nothing to speak of."""
MOST_OPERATORS = 12
LONGEST_NAME = 64
"""TensorRT names a layer after all that it has fused into it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """A run tick by tick. `timeline` is None where no spans were measured, `period_ms` where
    nothing held a rate; `operators` are those of the forward passes, if they were logged;
    `device_runs` are of graphs on a device beside the CPU, whose memory had its peak at
    `peak_vram_mb`; `pauses_ns` (n, 2) are the garbage collector's; `spans_ms` is what measuring
    cost per tick."""

    log: TickLog
    timeline: Timeline | None
    operators: Sequence[Operator]
    device_runs: Sequence[GraphRun]
    peak_vram_mb: float | None
    pauses_ns: NDArray[np.int64]
    period_ms: float | None
    spans_ms: float | None

    @property
    def operators_of_ticks(self) -> Sequence[Operator]:
        """Operators of the ticks kept, without the warm-up."""
        return within(self.operators, *self._span_ns)

    @property
    def device_runs_of_ticks(self) -> Sequence[GraphRun]:
        """Runs on the device of the ticks kept, without the warm-up."""
        return within(self.device_runs, *self._span_ns)

    @property
    def _span_ns(self) -> tuple[int, int]:
        """From where to where the ticks kept last; of no ticks, nothing."""
        if self.timeline is None or not len(self.timeline.began_ns):
            return 0, -1
        return int(self.timeline.began_ns[0]), int(self.timeline.ended_ns[-1, -1])


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run was and what it cost."""

    scene: str
    world: str
    backend: str
    ticks: int
    passes_per_tick: int
    missed_deadlines: int
    tick_ms: Mapping[str, float | None]
    frame_time_ms: Mapping[str, float | None]
    stages_ms: Mapping[str, Mapping[str, float | None]]
    device_ms: Mapping[str, Mapping[str, float | None]] | None
    operators_ms: Mapping[str, float]
    action_to_present_ms: Mapping[str, float | None]
    action_to_present_ticks: Mapping[str, float | None]
    jitter_ms: Mapping[str, float | None]
    stutters: int
    gc: Mapping[str, float]
    spans: Mapping[str, float | None]
    hud: Mapping[str, float | None]
    fps: float | None
    low_1pct_fps: float | None
    peak_rss_mb: float | None
    rss_mb: Mapping[str, Any]
    peak_vram_mb: float | None
    series_ms: Mapping[str, list[float]]
    environment: Mapping[str, str | int | None]
    measured: Measurements

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a JSON document, without the single ticks."""
        return {name: value for name, value in vars(self).items() if name != "measured"}

    def summary(self) -> str:
        """Sum the run up in one line."""
        return (
            f"{self.ticks} ticks of {self.scene}: {_show(self.fps)} FPS, tick p50 "
            f"{_show(self.tick_ms['p50'])} ms, p99 {_show(self.tick_ms['p99'])} ms, "
            f"{self.missed_deadlines} missed deadlines"
        )

    def advice(self) -> str:
        """Say what a player can do about late frames; nothing where few came late.

        Nor where ticks fit their period: then they came late because of a sudden change.
        """
        slow_ms, period_ms = self.tick_ms["p95"], self.measured.period_ms
        if not slow_ms or not period_ms or slow_ms <= period_ms:
            return ""
        if self.missed_deadlines * MOST_LATE <= self.ticks:
            return ""
        steady_fps = max(1, int(1000 / slow_ms))
        return f"hint: many frames came late; --fps {steady_fps} would run steadily here"

    def table(self) -> str:
        """Lay the report out for people."""
        rows: list[tuple[str, ...]] = [("ms", *COLUMNS)]
        rows += [
            (name, *(_show(values[column]) for column in COLUMNS))
            for name, values in (
                ("tick", self.tick_ms),
                ("frame time", self.frame_time_ms),
                ("key to present", self.action_to_present_ms),
                *((label, self.stages_ms[stage]) for stage, label in _indented(self.stages_ms)),
                *((f"device {graph}", values) for graph, values in (self.device_ms or {}).items()),
            )
        ]
        lines = [f"{row[0]:<18}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows]
        return "\n".join((self._heading(), "", *lines, *self._operators(), "", self._footing()))

    def _operators(self) -> list[str]:
        if not self.operators_ms:
            return []
        whole = sum(self.operators_ms.values())
        dearest = list(self.operators_ms.items())[:MOST_OPERATORS]
        width = max(24, *(min(LONGEST_NAME, len(name)) for name, _ in dearest))
        rows = [
            f"{name[:LONGEST_NAME]:<{width}}{ms:>8.2f} {ms / whole:>6.0%}" for name, ms in dearest
        ]
        return ["", f"{'operators':<{width}}{'ms/tick':>8}  share", *rows]

    def _heading(self) -> str:
        machine = self.environment
        return (
            f"{self.scene} on {self.world} ({self.backend}), {self.ticks} ticks, "
            f"passes per tick: {self.passes_per_tick}\n"
            f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, "
            f"onnxruntime {machine['onnxruntime']}"
        )

    def _footing(self) -> str:
        return (
            f"{_show(self.fps)} FPS, 1 % low {_show(self.low_1pct_fps)} FPS, "
            f"{self.missed_deadlines} missed deadlines, {self.stutters} stutters\n"
            f"jitter p50 {_show(self.jitter_ms['p50'])} ms, p99 {_show(self.jitter_ms['p99'])} ms; "
            f"{self.gc['pauses']:.0f} garbage collections, {self.gc['max_ms']:.2f} ms at most\n"
            f"{self._overhead()}"
            f"memory {_show(self.rss_mb['start'])} MB at the start, {_show(self.rss_mb['end'])} MB "
            f"at the end, {_show(self.peak_rss_mb)} MB at most{self._vram()}"
        )

    def _vram(self) -> str:
        if self.peak_vram_mb is None:
            return ""
        return f"; on the device {_show(self.peak_vram_mb)} MB at most"

    def _overhead(self) -> str:
        costs = (("measuring", self.spans), ("HUD", self.hud))
        parts = [_cost(name, cost["ms_per_tick"], cost["share"]) for name, cost in costs]
        parts = [part for part in parts if part]
        return "; ".join(parts) + "\n" if parts else ""


def _indented(stages: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return stages and how the table names them: groups, and their parts further in."""
    of_part = {part: group for group, parts in GROUPS.items() for part in parts}
    rows = []
    for stage in STAGES:
        group = of_part.get(stage)
        if group and GROUPS[group][0] == stage:
            rows.append((group, f"  {group}"))
        rows.append((stage, f"{'    ' if group else '  '}{stage}"))
    return [row for row in rows if row[0] in stages]


def summarise(
    *,
    scene: str,
    world: str,
    backend: str,
    passes_per_tick: int,
    missed_deadlines: int,
    measured: Measurements,
    memory: MemoryLog,
) -> Report:
    """Make the report of a run from what was measured."""
    log, timeline = measured.log, measured.timeline
    frame_ms = log.frame_ms()
    frame_time, tick = spread(frame_ms), spread(log.work_ms())
    rss = memory.series_mb()
    pauses_ms = np.diff(measured.pauses_ns, axis=1) / 1e6
    stages_ms = timeline.stages_ms() if timeline else {}
    hud_ms = float(stages_ms["hud"].mean()) if timeline and log.count else None
    return Report(
        scene=scene,
        world=world,
        backend=backend,
        ticks=log.count,
        passes_per_tick=passes_per_tick,
        missed_deadlines=missed_deadlines,
        tick_ms=tick,
        frame_time_ms=frame_time,
        stages_ms={stage: spread(ms) for stage, ms in stages_ms.items()},
        device_ms=device_ms(measured.device_runs_of_ticks),
        operators_ms=costs_ms(measured.operators_of_ticks, max(1, len(log.work_ms()))),
        action_to_present_ms=spread(log.action_ms()),
        action_to_present_ticks=percentiles(log.action_frames(), 50, 95),
        jitter_ms=percentiles(jitter_ms(frame_ms, measured.period_ms), 50, 99),
        stutters=len(stutters(frame_ms)),
        gc={
            "pauses": len(pauses_ms),
            "total_ms": round(float(pauses_ms.sum()), 3),
            "max_ms": round(float(pauses_ms.max(initial=0.0)), 3),
        },
        spans=cost_share(measured.spans_ms, log.work_ms()),
        hud=cost_share(hud_ms, log.work_ms()),
        fps=per_second(float(frame_ms.mean()) if frame_ms.size else None),
        low_1pct_fps=per_second(frame_time["p99"]),
        peak_rss_mb=_rounded(peak_rss_mb()),
        rss_mb={
            "start": rss[0] if rss else None,
            "end": rss[-1] if rss else None,
            "series": rss,
        },
        peak_vram_mb=_rounded(measured.peak_vram_mb),
        series_ms={
            "tick": [round(ms, 3) for ms in log.work_ms().tolist()],
            "frame_time": [round(ms, 3) for ms in frame_ms.tolist()],
        },
        environment=environment(),
        measured=measured,
    )


def _cost(name: str, mean_ms: float | None, share: float | None) -> str:
    if mean_ms is None or share is None:
        return ""
    return f"{name} cost {mean_ms * 1000:.1f} us a tick, {share:.2%} of its work"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
