"""What a backend tells of a device beside the CPU: when graphs ran on it, and its memory.

Knows no device; imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class GraphRun(NamedTuple):
    """One run of one graph on a device; times as of `time.perf_counter_ns`."""

    graph: str
    began_ns: int
    ended_ns: int


class Accelerator(Protocol):
    """A device that graphs run on, watched on request."""

    def watch(self) -> None:
        """Time every run from now on."""

    def runs(self) -> Sequence[GraphRun]:
        """Return the runs timed so far, oldest first."""

    def peak_memory_mb(self) -> float | None:
        """Return the most memory taken on the device so far, in MB (10^6 bytes), if known."""


class NoAccelerator:
    """All runs on the CPU."""

    def watch(self) -> None:
        """There is nothing to time."""

    def runs(self) -> Sequence[GraphRun]:
        """Nothing ran on a device."""
        return ()

    def peak_memory_mb(self) -> None:
        """There is no device memory."""
