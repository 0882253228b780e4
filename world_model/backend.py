"""What a world runs on: something that runs its graphs, and maybe keeps its memory, too.

Declared here, implemented in `export`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from world_model.accelerator import Accelerator

Frame = NDArray[np.uint8]
Buffers = Mapping[str, NDArray[Any]]

GRAPHS: Final = ("step", "decode", "encode", "backdrop")


class Operator(NamedTuple):
    """One run of one node of a graph; times as of `time.perf_counter_ns`."""

    graph: str
    kind: str
    began_ns: int
    ended_ns: int


class Backend(Protocol):
    """Runs a world's fixed-shape graphs."""

    name: str

    @property
    def accelerator(self) -> Accelerator: ...

    def bind(
        self,
        graph: str,
        inputs: Buffers,
        outputs: Buffers,
        *,
        computed: Callable[[], object] | None = None,
    ) -> Callable[[], None]:
        """Return a call that runs `graph` from and into these very arrays.

        `computed` is called in each run, between the graph and the copy of its outputs from the
        device; on a CPU nothing is copied, and it comes last.
        """

    def operators(self) -> Sequence[Operator]:
        """Stop logging operators, and return those that ran; empty where none were logged."""


class Resident(Protocol):
    """Keeps a session's memory where its graphs run, in numpy or on a GPU, and ticks there.

    Every call raises BackendError where the device fails.
    """

    name: str

    def start(self, memory: Buffers) -> None:
        """Take over a session: its memory, and what stays the same, `sigmas`, `cast`, `sources` and
        `behind`."""

    def tick(self, inputs: Buffers) -> None:
        """Run `step` and `decode` on `actions`, `noise` and `ages`; returns when they are done."""

    def keep(self, places: tuple[int, ...]) -> None:
        """Put the frame that left the window with the last tick at these places of the cache."""

    def show(self, frame: Frame) -> None:
        """Copy the frame of the last tick, (1, H, W, 3)."""

    def fetch(self, memory: Buffers) -> None:
        """Copy what the next tick starts from into arrays of these names."""

    def operators(self) -> Sequence[Operator]:
        """Return the operators that ran; empty where none were logged."""
