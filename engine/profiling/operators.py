"""What ran inside a tick, as its backend has logged it: operators, and graphs on a device."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Run(Protocol):
    """Something that ran; times on the clock of the game loop."""

    @property
    def began_ns(self) -> int: ...

    @property
    def ended_ns(self) -> int: ...


class GraphRun(Run, Protocol):
    """One run of one graph on a device beside the CPU."""

    @property
    def graph(self) -> str: ...


class Operator(Run, Protocol):
    """One run of one node of a graph."""

    @property
    def graph(self) -> str: ...

    @property
    def kind(self) -> str: ...


class Accelerator(Protocol):
    """A device beside the CPU that a world's graphs run on, if they do."""

    def watch(self) -> None:
        """Time every run from now on."""

    def runs(self) -> Sequence[GraphRun]:
        """Return the runs timed so far, oldest first."""

    def peak_memory_mb(self) -> float | None:
        """Return the most memory taken on the device so far, in MB (10^6 bytes), if known."""


R = TypeVar("R", bound=Run)


def within(runs: Sequence[R], began_ns: int, ended_ns: int) -> Sequence[R]:
    """Leave out what ran before or after, such as the warm-up."""
    return [run for run in runs if began_ns <= run.began_ns and run.ended_ns <= ended_ns]


def costs_ms(operators: Sequence[Operator], ticks: int) -> dict[str, float]:
    """Return milliseconds per tick by graph and kind, as `step Conv`, the dearest first."""
    total_ns: dict[str, int] = defaultdict(int)
    for op in operators:
        total_ns[f"{op.graph} {op.kind}"] += op.ended_ns - op.began_ns
    ordered = sorted(total_ns.items(), key=lambda item: -item[1])
    return {name: round(spent_ns / ticks / 1e6, 4) for name, spent_ns in ordered}
