"""A run as a picture: frame times against the period, where the time went, how it spread.

Needs matplotlib, which playing does not.
"""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.profiling.report import Report
from engine.profiling.spans import STAGES, WAITS
from engine.profiling.statistics import stutters

INK, QUIET, ALARM = "#2b2f3a", "#9aa3b5", "#d1495b"
BINS = 60
LEGEND_ROOM = 1.25
LESS_THAN_ONE = 0.7
AROUND = 0.2
"""So much of the period is shown on either side of it."""


def write_plot(report: Report, path: Path) -> None:
    """Write a PNG or SVG, by the file's ending."""
    figure = _figure(report)
    figure.savefig(path, dpi=110)


def plot_svg(report: Report) -> str:
    """Return the picture as an SVG element, to be put in a page."""
    text = StringIO()
    _figure(report).savefig(text, format="svg")
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _figure(report: Report) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    figure.suptitle(f"{report.scene} on {report.world} ({report.backend}), {report.ticks} ticks")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.1))
    _draw_strip(report, figure.add_subplot(grid[0, :]))
    _draw_stages(report, figure.add_subplot(grid[1, 0]))
    _draw_spread(report, figure.add_subplot(grid[1, 1]))
    return figure


def _draw_strip(report: Report, axes: Any) -> None:
    """Frame and tick times, tick by tick, stutters marked."""
    times = report.measured.log.per_tick_ms()
    frame_ms = times["frame"]
    axes.plot(frame_ms, color=INK, linewidth=0.8, label="frame time")
    axes.plot(times["work"], color=QUIET, linewidth=0.8, label="tick")
    late = np.flatnonzero(~np.isnan(frame_ms))[stutters(report.measured.log.frame_ms())]
    axes.plot(late, frame_ms[late], "o", color=ALARM, label=f"stutters ({len(late)})")
    _draw_period(report, axes.axhline)
    top_ms = LEGEND_ROOM * max(report.frame_time_ms["max"] or 1, report.measured.period_ms or 1)
    axes.set(xlabel="tick", ylabel="ms", ylim=(0, top_ms), title="frame times")
    axes.legend(loc="upper right", ncols=4, fontsize=8)


def _draw_stages(report: Report, axes: Any) -> None:
    """Every stage: p50 as a bar, p99 as a line beyond it."""
    known = [stage for stage in STAGES if stage in report.stages_ms and stage not in WAITS]
    half, most = (
        [report.stages_ms[stage][point] or 0.0 for stage in known] for point in ("p50", "p99")
    )
    places = np.arange(len(known))
    axes.barh(places, half, color=INK, height=0.55)
    axes.hlines(places, half, most, color=ALARM, linewidth=2)
    axes.set_yticks(places, known)
    axes.invert_yaxis()
    axes.set(xlabel="ms", title="stages without the waits: p50, and up to p99")


def _draw_spread(report: Report, axes: Any) -> None:
    """How often frames took how long."""
    frame_ms = report.measured.log.frame_ms()
    axes.hist(frame_ms, bins=BINS, range=_scale(frame_ms, report.measured.period_ms), color=INK)
    _draw_period(report, axes.axvline)
    axes.set(xlabel="frame time, ms", ylabel="frames", yscale="log", title="spread")
    axes.set_ylim(bottom=LESS_THAN_ONE)


def _scale(frame_ms: NDArray[np.float64], period_ms: float | None) -> tuple[float, float] | None:
    """Return from where to where frame times are drawn: so wide that microseconds do not show."""
    if period_ms is None or not frame_ms.size:
        return None
    least, most = period_ms * (1 - AROUND), period_ms * (1 + AROUND)
    return min(least, float(frame_ms.min())), max(most, float(frame_ms.max()))


def _draw_period(report: Report, draw: Any) -> None:
    period_ms = report.measured.period_ms
    if period_ms is not None:
        draw(
            period_ms, color=ALARM, linestyle="--", linewidth=1, label=f"period {period_ms:.4g} ms"
        )
