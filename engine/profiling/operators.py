"""The operators inside a forward pass, where a backend has logged them: which kinds cost what."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol


class Operator(Protocol):
    """One run of one node of a graph; times on the clock of the game loop."""

    @property
    def graph(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def began_ns(self) -> int: ...

    @property
    def ended_ns(self) -> int: ...


def within(operators: Sequence[Operator], began_ns: int, ended_ns: int) -> Sequence[Operator]:
    """Leave out what ran before or after, such as the warm-up."""
    return [op for op in operators if began_ns <= op.began_ns and op.ended_ns <= ended_ns]


def costs_ms(operators: Sequence[Operator], ticks: int) -> dict[str, float]:
    """Return milliseconds per tick by graph and kind, as `step Conv`, the dearest first."""
    total_ns: dict[str, int] = defaultdict(int)
    for op in operators:
        total_ns[f"{op.graph} {op.kind}"] += op.ended_ns - op.began_ns
    ordered = sorted(total_ns.items(), key=lambda item: -item[1])
    return {name: round(spent_ns / ticks / 1e6, 4) for name, spent_ns in ordered}
