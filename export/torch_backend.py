"""torch as a backend: the reference, from a bundle's weights. Needs `rollplay[train]`.

On a GPU weights live there, and every tick's inputs and outputs are copied; on the CPU the caller's
arrays are used in place.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from export.device_timer import DeviceTimer
from export.graphs import graphs_of
from export.onnx_export import read_network
from world_model.accelerator import Accelerator, NoAccelerator
from world_model.backend import Buffers, Operator

_MARK: Final = "rollplay: "


class TorchBackend:
    """Runs a bundle's graphs in torch, eager or compiled."""

    def __init__(
        self,
        directory: Path,
        threads: int | None = None,
        log_operators: bool = False,
        *,
        compiled: bool = False,
    ) -> None:
        config, dit = read_network(directory)
        self.name = "torch-compiled" if compiled else "torch"
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if threads:
            torch.set_num_threads(threads)
        torch.set_flush_denormal(True)  # as ONNX Runtime does, see `session_options`
        graphs = graphs_of(config, dit)
        self._orders = {name: (tuple(g.inputs), g.outputs) for name, g in graphs.items()}
        modules = {name: g.module.to(self._device).eval() for name, g in graphs.items()}
        self._graphs = {
            name: torch.compile(module) if compiled else module for name, module in modules.items()
        }

        self._timer = _cuda_timer() if self._device.type == "cuda" else None
        self.accelerator: Accelerator = self._timer or NoAccelerator()
        self._log = OperatorLog() if log_operators else None

    def bind(
        self,
        graph: str,
        inputs: Buffers,
        outputs: Buffers,
        *,
        computed: Callable[[], object] | None = None,
    ) -> Callable[[], None]:
        """Return a call that runs `graph` from and into these very arrays."""
        given, made = self._orders[graph]
        sources = [torch.from_numpy(inputs[name]) for name in given]
        targets = [torch.from_numpy(outputs[name]) for name in made]

        @torch.inference_mode()
        def call() -> None:
            with self._log.run(graph) if self._log else nullcontext():
                tick()

        def tick() -> None:
            results = self._timed(graph, [source.to(self._device) for source in sources])
            if computed is not None:
                self._wait()
                computed()
            for target, result in zip(targets, results, strict=True):
                target.copy_(result)

        return call

    def _timed(self, graph: str, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Run a graph between two events, on a GPU."""
        if self._timer:
            self._timer.begin(graph)
        results = self._graphs[graph](*inputs)
        if self._timer:
            self._timer.end()
        return (results,) if isinstance(results, Tensor) else results

    def _wait(self) -> None:
        """Wait for the GPU, which the copy that comes next would do anyway."""
        if self._timer:
            torch.cuda.current_stream().synchronize()

    def operators(self) -> Sequence[Operator]:
        """Stop logging operators, and return those that ran; empty where none were logged."""
        log, self._log = self._log, None
        return log.stop() if log else ()


def _cuda_timer() -> DeviceTimer[torch.cuda.Event]:
    return DeviceTimer(
        partial(torch.cuda.Event, enable_timing=True), torch.cuda.max_memory_allocated
    )


class OperatorLog:
    """torch's own profiler, its times laid on our clock: those of the host, on a GPU, too."""

    def __init__(self) -> None:
        self._began: dict[str, list[int]] = defaultdict(list)
        self._profiler = profile(activities=[ProfilerActivity.CPU], acc_events=True)
        self._profiler.start()

    @contextmanager
    def run(self, graph: str) -> Iterator[None]:
        """Log what runs within as operators of `graph`."""
        self._began[graph].append(time.perf_counter_ns())
        with record_function(_MARK + graph):
            yield

    def stop(self) -> list[Operator]:
        """Return the outermost operators of all runs."""
        self._profiler.stop()
        began = {graph: iter(times) for graph, times in self._began.items()}
        found = []
        for event in sorted(self._profiler.events() or (), key=lambda e: e.time_range.start):
            if event.name.startswith(_MARK):
                graph = event.name.removeprefix(_MARK)
                offset_ns = next(began[graph]) - event.time_range.start * 1000
                found += [_operator(graph, child, offset_ns) for child in event.cpu_children]
        return found


def _operator(graph: str, event: Any, offset_ns: float) -> Operator:
    """Turn an event of the profiler, in microseconds on its own clock, into one on ours."""
    start, end = (
        round(t * 1000 + offset_ns) for t in (event.time_range.start, event.time_range.end)
    )
    return Operator(graph, event.name.removeprefix("aten::"), start, end)
