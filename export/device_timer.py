"""When graphs ran on a CUDA device, from events in its stream that are read a tick later.

Knows events and a clock, not torch; reading never waits for the device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, Self, TypeVar

import numpy as np

from world_model.accelerator import GraphRun
from world_model.backend import GRAPHS

PAIRS: Final = 2
"""A tick runs two graphs, so each pair of events is read when the next tick needs it again."""
MOST_RUNS: Final = 1 << 17
NOTHING: Final = -1


class Event(Protocol):
    """A moment in the device's stream, as `torch.cuda.Event` with timing."""

    def record(self) -> None: ...

    def query(self) -> bool:
        """Tell whether the device has come to it."""

    def elapsed_time(self, end: Self, /) -> float:
        """Return the milliseconds from here to `end`."""


E = TypeVar("E", bound=Event)


class DeviceTimer(Generic[E]):
    """The last `most_runs` runs between `begin` and `end`; times nothing before `watch`.

    A device tells how long a run took, not when it began by our clock: it is laid at its launch.
    peak_bytes: the most memory taken on the device so far.
    """

    def __init__(
        self,
        new_event: Callable[[], E],
        peak_bytes: Callable[[], int],
        *,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        most_runs: int = MOST_RUNS,
    ) -> None:
        self._new_event, self._peak_bytes, self._now_ns = new_event, peak_bytes, now_ns
        self._most_runs = most_runs
        self._pairs: list[tuple[E, E]] = []
        self._launches = np.full((PAIRS, 2), NOTHING, np.int64)
        self._launched = self._read = 0

    def watch(self) -> None:
        """Time every run from now on."""
        self._pairs = [(self._new_event(), self._new_event()) for _ in range(PAIRS)]
        # Filled, not merely reserved: memory must not seem to grow as runs come in.
        self._rows = np.full((self._most_runs, 3), NOTHING, np.int64)

    def begin(self, graph: str) -> None:
        """Note that a graph is launched now."""
        if self._pairs:
            pair = self._launched % PAIRS
            self._collect(pair)
            self._launches[pair] = GRAPHS.index(graph), self._now_ns()
            self._pairs[pair][0].record()

    def end(self) -> None:
        """Note that all of its work is in the stream."""
        if self._pairs:
            self._pairs[self._launched % PAIRS][1].record()
            self._launched += 1

    def runs(self) -> Sequence[GraphRun]:
        """Return the runs timed so far, oldest first, without those that the device is still at."""
        for newer in range(PAIRS if self._pairs else 0):
            self._collect((self._launched + newer) % PAIRS)
        kept = min(self._read, self._most_runs)
        rows = (self._rows[i % self._most_runs] for i in range(self._read - kept, self._read))
        return [GraphRun(GRAPHS[graph], int(began), int(ended)) for graph, began, ended in rows]

    def peak_memory_mb(self) -> float:
        """Return the most memory taken on the device so far, in MB (10^6 bytes)."""
        return self._peak_bytes() / 1e6

    def _collect(self, pair: int) -> None:
        """Keep the run that a pair of events has timed; one that is not over is given up."""
        graph, launched_ns = self._launches[pair]
        began, ended = self._pairs[pair]
        if graph != NOTHING and ended.query():
            took_ns = round(began.elapsed_time(ended) * 1e6)
            self._rows[self._read % self._most_runs] = graph, launched_ns, launched_ns + took_ns
            self._read += 1
        self._launches[pair] = NOTHING
