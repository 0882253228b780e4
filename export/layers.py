"""The layers of a device's engines as operators: it tells how long each took, not when it began.

Knows the protocol of engines and a clock; knows no TensorRT.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from export.device import Engine
from world_model.backend import Operator


class LayerLog:
    """Layers of all runs, those of each one after the other from when it was queued."""

    def __init__(self, now_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._ran: list[Operator] = []
        self._now_ns = now_ns

    def watch(self, graph: str, engine: Engine) -> Engine:
        """Return an engine that logs its layers as operators of `graph`."""
        return _LoggedEngine(graph, engine, self._ran, self._now_ns)

    def operators(self) -> Sequence[Operator]:
        """Return what ran since the last call, oldest first."""
        ran = self._ran[:]
        self._ran.clear()
        return ran


class _LoggedEngine:
    def __init__(
        self, graph: str, engine: Engine, ran: list[Operator], now_ns: Callable[[], int]
    ) -> None:
        self._graph, self._engine, self._ran, self._now_ns = graph, engine, ran, now_ns
        self._end_ns = 0
        self.tensors = engine.tensors
        self.compiled, self.time_layers = engine.compiled, engine.time_layers
        engine.time_layers(self._add)

    def queue(self, addresses: Mapping[str, int]) -> None:
        self._end_ns = self._now_ns()
        self._engine.queue(addresses)

    def _add(self, layer: str, took_ms: float) -> None:
        began_ns, self._end_ns = self._end_ns, self._end_ns + round(took_ms * 1e6)
        self._ran.append(Operator(self._graph, layer, began_ns, self._end_ns))
