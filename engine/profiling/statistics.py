"""What many ticks come to: spreads, jitter, stutters, shares. Knows numbers only."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.profiling.operators import GraphRun

POINTS = (50, 90, 95, 99)
COLUMNS = (*(f"p{point}" for point in POINTS), "max")
STUTTER = 2.0
"""A frame that lasts so many times the median of those around it is a stutter."""
NEIGHBOURS = 15
"""Frames before and after that make the local median."""

Numbers = NDArray[np.float64]


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


def spread(values: Numbers) -> dict[str, float | None]:
    """Return the values of `COLUMNS`, None where there are no values."""
    largest = round(float(values.max()), 3) if values.size else None
    return {**percentiles(values, *POINTS), "max": largest}


def device_ms(runs: Sequence[GraphRun]) -> dict[str, dict[str, float | None]] | None:
    """Return how long each graph ran on the device, None where there is none."""
    took_ms: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        took_ms[run.graph].append((run.ended_ns - run.began_ns) / 1e6)
    return {graph: spread(np.array(ms)) for graph, ms in took_ms.items()} or None


def cost_share(mean_ms: float | None, work_ms: Numbers) -> dict[str, float | None]:
    """Return what something costs per tick, and its share of a tick's work."""
    share = mean_ms / float(work_ms.mean()) if mean_ms is not None and work_ms.size else None
    return {"ms_per_tick": mean_ms, "share": share}


def per_second(frame_ms: float | None) -> float | None:
    """Return the rate of frames that take so long."""
    return round(1000 / frame_ms, 2) if frame_ms else None
