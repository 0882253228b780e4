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
from engine.profiling.operators import Operator, costs_ms, within
from engine.profiling.spans import GROUPS, STAGES, Timeline
from engine.profiling.ticklog import TickLog

MOST_LATE = 20
"""One late frame in so many is nothing to speak of."""
STUTTER = 2.0
"""A frame that lasts so many times the median of those around it is a stutter."""
MOST_OPERATORS = 12
NEIGHBOURS = 15
"""Frames before and after that make the local median."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """A run tick by tick. `timeline` is None where no spans were measured, `period_ms` where
    nothing held a rate; `operators` are those of the forward passes, if they were logged;
    `pauses_ns` (n, 2) are the garbage collector's; `spans_ms` is what measuring cost per tick."""

    log: TickLog
    timeline: Timeline | None
    operators: Sequence[Operator]
    pauses_ns: NDArray[np.int64]
    period_ms: float | None
    spans_ms: float | None

    @property
    def operators_of_ticks(self) -> Sequence[Operator]:
        """Operators of the ticks kept, without the warm-up."""
        if self.timeline is None or not len(self.timeline.began_ns):
            return ()
        last = int(self.timeline.ended_ns[-1, -1])
        return within(self.operators, int(self.timeline.began_ns[0]), last)


def percentiles(values: Numbers, *points: int) -> dict[str, float | None]:
    """Return the given percentiles keyed `p50` and so on, None where there are no values."""
    if not values.size:
        return {f"p{point}": None for point in points}
    found = np.percentile(values, points)
    return {f"p{p}": round(float(value), 3) for p, value in zip(points, found, strict=True)}


def jitter_ms(frame_ms: Numbers, period_ms: float | None) -> Numbers:
    """Return how far each frame time is from the period, or from their median without one."""
    if not frame_ms.size:
        return frame_ms
    return np.abs(frame_ms - (np.median(frame_ms) if period_ms is None else period_ms))


def stutters(frame_ms: Numbers) -> NDArray[np.intp]:
    """Return which frames lasted over twice as long as the median of those around them."""
    if not frame_ms.size:
        return np.zeros(0, np.intp)
    padded = np.pad(frame_ms, NEIGHBOURS, mode="reflect" if len(frame_ms) > NEIGHBOURS else "edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
    return np.flatnonzero(frame_ms > STUTTER * np.median(around, 1))


def _spread(values: Numbers) -> dict[str, float | None]:
    largest = round(float(values.max()), 3) if values.size else None
    return {**percentiles(values, 50, 95, 99), "max": largest}


def _in_ticks(action_ms: Numbers, period_ms: float | None) -> dict[str, float | None]:
    """Return over how many ticks keys reached the picture; 1 is the tick that first could."""
    if period_ms is None:
        return percentiles(np.zeros(0), 50, 95)
    return percentiles(np.ceil(action_ms / period_ms), 50, 95)


def _per_second(frame_ms: float | None) -> float | None:
    return round(1000 / frame_ms, 2) if frame_ms else None


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
    operators_ms: Mapping[str, float]
    action_to_present_ms: Mapping[str, float | None]
    action_to_present_ticks: Mapping[str, float | None]
    jitter_ms: Mapping[str, float | None]
    stutters: int
    gc: Mapping[str, float]
    spans: Mapping[str, float | None]
    fps: float | None
    low_1pct_fps: float | None
    peak_rss_mb: float | None
    rss_mb: Mapping[str, Any]
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
        """Say what a player can do about late frames; nothing where few came late."""
        slow_ms = self.tick_ms["p95"]
        if not slow_ms or self.missed_deadlines * MOST_LATE <= self.ticks:
            return ""
        steady_fps = max(1, int(1000 / slow_ms))
        return f"hint: many frames came late; --fps {steady_fps} would run steadily here"

    def table(self) -> str:
        """Lay the report out for people."""
        rows: list[tuple[str, ...]] = [("ms", "p50", "p95", "p99", "max")]
        rows += [
            (name, *(_show(values.get(key)) for key in ("p50", "p95", "p99", "max")))
            for name, values in (
                ("tick", self.tick_ms),
                ("frame time", self.frame_time_ms),
                ("key to present", self.action_to_present_ms),
                *((label, self.stages_ms[stage]) for stage, label in _indented(self.stages_ms)),
            )
        ]
        lines = [f"{row[0]:<18}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows]
        return "\n".join((self._heading(), "", *lines, *self._operators(), "", self._footing()))

    def _operators(self) -> list[str]:
        if not self.operators_ms:
            return []
        whole = sum(self.operators_ms.values())
        dearest = list(self.operators_ms.items())[:MOST_OPERATORS]
        rows = [f"{name:<24}{ms:>8.2f} {ms / whole:>6.0%}" for name, ms in dearest]
        return ["", f"{'operators':<24}{'ms/tick':>8}  share", *rows]

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
            f"{self._cost_of_spans()}"
            f"memory {_show(self.rss_mb['start'])} MB at the start, {_show(self.rss_mb['end'])} MB "
            f"at the end, {_show(self.peak_rss_mb)} MB at most"
        )

    def _cost_of_spans(self) -> str:
        cost_ms, share = self.spans["ms_per_tick"], self.spans["share"]
        if cost_ms is None or share is None:
            return ""
        return f"measuring cost {cost_ms * 1000:.1f} us a tick, {share:.2%} of its work\n"


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
    frame_time, tick = _spread(frame_ms), _spread(log.work_ms())
    rss = memory.series_mb()
    pauses_ms = np.diff(measured.pauses_ns, axis=1) / 1e6
    stages_ms = timeline.stages_ms() if timeline else {}
    spans_ms = measured.spans_ms
    return Report(
        scene=scene,
        world=world,
        backend=backend,
        ticks=log.count,
        passes_per_tick=passes_per_tick,
        missed_deadlines=missed_deadlines,
        tick_ms=tick,
        frame_time_ms=frame_time,
        stages_ms={stage: percentiles(ms, 50, 99) for stage, ms in stages_ms.items()},
        operators_ms=costs_ms(measured.operators_of_ticks, max(1, len(log.work_ms()))),
        action_to_present_ms=percentiles(log.action_ms(), 50, 95),
        action_to_present_ticks=_in_ticks(log.action_ms(), measured.period_ms),
        jitter_ms=percentiles(jitter_ms(frame_ms, measured.period_ms), 50, 99),
        stutters=len(stutters(frame_ms)),
        gc={
            "pauses": len(pauses_ms),
            "total_ms": round(float(pauses_ms.sum()), 3),
            "max_ms": round(float(pauses_ms.max(initial=0.0)), 3),
        },
        spans={
            "ms_per_tick": spans_ms,
            "share": spans_ms / tick["p50"] if spans_ms and tick["p50"] else None,
        },
        fps=_per_second(float(frame_ms.mean()) if frame_ms.size else None),
        low_1pct_fps=_per_second(frame_time["p99"]),
        peak_rss_mb=_rounded(peak_rss_mb()),
        rss_mb={
            "start": rss[0] if rss else None,
            "end": rss[-1] if rss else None,
            "series": rss,
        },
        series_ms={
            "tick": [round(ms, 3) for ms in log.work_ms().tolist()],
            "frame_time": [round(ms, 3) for ms in frame_ms.tolist()],
        },
        environment=environment(),
        measured=measured,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
