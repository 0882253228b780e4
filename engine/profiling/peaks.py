"""What this machine can do at best: the roofs under which any forward pass stays."""

import time
from collections.abc import Callable

import numpy as np

PEAK_SIZE = 1024
COPY_MB = 64
TRIES = 10


def peak_gflops() -> float:
    """Measure this machine's float32 matrix product, in GFLOP/s."""
    a = np.ones((PEAK_SIZE, PEAK_SIZE), np.float32)
    return 2 * PEAK_SIZE**3 / _fastest(lambda: a @ a) / 1e9


def peak_gb_per_s() -> float:
    """Measure this machine's memory: GB per second read and written by a copy."""
    a = np.ones(COPY_MB * 250_000, np.float32)
    b = np.empty_like(a)
    return 2 * a.nbytes / _fastest(lambda: np.copyto(b, a)) / 1e9


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
