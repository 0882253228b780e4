"""The report of a run: what its ticks cost, summed up for programs and for people.

Knows logs, not the loop that wrote them. Percentiles are over the ticks that the logs still hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.environment import environment
from engine.memory import MemoryLog, peak_rss_mb
from engine.ticklog import TickLog

MOST_LATE = 20
"""One late frame in so many is nothing to speak of."""

Numbers = NDArray[np.float64]


def percentiles(values: Numbers, *points: int) -> dict[str, float | None]:
    """Return the given percentiles keyed `p50` and so on, None where there are no values."""
    if not values.size:
        return {f"p{point}": None for point in points}
    found = np.percentile(values, points)
    return {f"p{p}": round(float(value), 3) for p, value in zip(points, found, strict=True)}


def _spread(values: Numbers) -> dict[str, float | None]:
    largest = round(float(values.max()), 3) if values.size else None
    return {**percentiles(values, 50, 95, 99), "max": largest}


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
    action_to_present_ms: Mapping[str, float | None]
    fps: float | None
    low_1pct_fps: float | None
    peak_rss_mb: float | None
    rss_mb: Mapping[str, Any]
    environment: Mapping[str, str | int | None]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        return dict(vars(self))

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
                *((f"  {stage}", values) for stage, values in self.stages_ms.items()),
            )
        ]
        lines = [f"{row[0]:<16}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows]
        return "\n".join((self._heading(), "", *lines, "", self._footing()))

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
            f"{self.missed_deadlines} missed deadlines\n"
            f"memory {_show(self.rss_mb['start'])} MB at the start, {_show(self.rss_mb['end'])} MB "
            f"at the end, {_show(self.peak_rss_mb)} MB at most"
        )


def summarise(
    *,
    scene: str,
    world: str,
    backend: str,
    passes_per_tick: int,
    missed_deadlines: int,
    log: TickLog,
    stages_ms: Mapping[str, Numbers],
    memory: MemoryLog,
) -> Report:
    """Make the report of a run from what was logged."""
    frame_ms = log.frame_ms()
    frame_time = _spread(frame_ms)
    rss = memory.series_mb()
    return Report(
        scene=scene,
        world=world,
        backend=backend,
        ticks=log.count,
        passes_per_tick=passes_per_tick,
        missed_deadlines=missed_deadlines,
        tick_ms=_spread(log.work_ms()),
        frame_time_ms=frame_time,
        stages_ms={stage: percentiles(ms, 50, 99) for stage, ms in stages_ms.items()},
        action_to_present_ms=percentiles(log.action_ms(), 50, 95),
        fps=_per_second(float(frame_ms.mean()) if frame_ms.size else None),
        low_1pct_fps=_per_second(frame_time["p99"]),
        peak_rss_mb=_rounded(peak_rss_mb()),
        rss_mb={
            "start": rss[0] if rss else None,
            "end": rss[-1] if rss else None,
            "series": rss,
        },
        environment=environment(),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
