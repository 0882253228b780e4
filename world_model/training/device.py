"""Where and in which number format training computes, chosen by measurement, with the reason."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Compute:
    """A device and the autocast format; `reason` says why, for the log."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    def autocast(self) -> torch.autocast:
        """Return the autocast context of this format; does nothing for float32."""
        mixed = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype if mixed else None, enabled=mixed)


def choose_compute(device: str | None = None) -> Compute:
    """Pick CUDA with bfloat16 where present; on a CPU, the faster of bfloat16 and float32."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu":
        return Compute(torch.device(device), torch.bfloat16, f"{device}: bfloat16 tensor cores")
    # In turns, and the best of each: another program may have been busy for a moment.
    turns = [[_matmul_gflops(dtype) for dtype in (torch.float32, torch.bfloat16)] for _ in range(5)]
    single, half = map(max, zip(*turns, strict=True))
    dtype = torch.bfloat16 if half > 1.5 * single else torch.float32
    reason = f"cpu: matmul {single:.0f} GFLOP/s in float32, {half:.0f} in bfloat16"
    return Compute(torch.device("cpu"), dtype, reason)


def _matmul_gflops(dtype: torch.dtype, size: int = 512) -> float:
    a, b = (torch.ones(size, size, dtype=dtype) for _ in range(2))
    a @ b
    start = time.perf_counter()
    count = 0
    while (seconds := time.perf_counter() - start) < 0.1:
        a @ b
        count += 1
    return 2 * size**3 * count / seconds / 1e9
