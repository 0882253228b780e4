"""Resident memory of this process over a run.

Knows the operating system's counters; where one is missing the value is None.
"""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

_STATM = Path("/proc/self/statm")
_SLOTS = 256


def rss_mb() -> float | None:
    """Return the resident set size now, in MB (10^6 bytes)."""
    try:
        pages = int(_STATM.read_bytes().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_rss_mb() -> float | None:
    """Return the largest resident set size so far, in MB (10^6 bytes)."""
    try:
        resource = importlib.import_module("resource")  # absent on Windows
    except ImportError:
        return None
    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


class MemoryLog:
    """Samples of the resident set size, spread over a run of any length.

    When the slots are full every other sample is dropped and the interval doubled.
    """

    def __init__(
        self, *, interval_ticks: int = 20, measure: Callable[[], float | None] = rss_mb
    ) -> None:
        self._measure = measure
        self._samples = np.full(_SLOTS, np.nan)
        self._count = 0
        self._interval_ticks = interval_ticks
        self._ticks = 0

    def observe(self) -> None:
        """Count a tick, and measure if one is due."""
        if self._ticks % self._interval_ticks == 0:
            self._add(self._measure())
        self._ticks += 1

    def _add(self, value_mb: float | None) -> None:
        if value_mb is None:
            return
        if self._count == _SLOTS:
            self._count = _SLOTS // 2
            self._samples[: self._count] = self._samples[::2]
            self._interval_ticks *= 2
        self._samples[self._count] = value_mb
        self._count += 1

    def series_mb(self) -> list[float]:
        """Return the samples, evenly spaced over the run."""
        return [round(float(value), 1) for value in self._samples[: self._count]]
