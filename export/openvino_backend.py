"""OpenVINO on the CPU, from the same ONNX graphs. Needs `rollplay[openvino]`.

In bfloat16 it is fast where the processor multiplies in that format (AVX512_BF16, AMX).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import openvino

from export.binding import check_fit, followed_by, graph_path
from export.onnxruntime_backend import default_threads
from world_model.accelerator import NoAccelerator
from world_model.backend import GRAPHS, Buffers, Operator
from world_model.errors import WorldError


class OpenVinoBackend:
    """Holds one compiled model per graph of a bundle."""

    accelerator = NoAccelerator()

    def __init__(
        self,
        directory: Path,
        threads: int | None = None,
        log_operators: bool = False,
        *,
        precision: str = "f32",
    ) -> None:
        self.name = "openvino" if precision == "f32" else f"openvino-{precision}"
        self._logged: list[tuple[str, int, int, list[Any]]] | None = [] if log_operators else None
        core = openvino.Core()
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or default_threads(),
            "INFERENCE_PRECISION_HINT": precision,
            "PERF_COUNT": log_operators,
        }
        self._models = {}
        for graph in GRAPHS:
            path = graph_path(directory, graph)
            try:
                self._models[graph] = core.compile_model(str(path), "CPU", options)
            except RuntimeError as error:
                raise WorldError(f"{path}: not a graph that OpenVINO can run ({error})") from None

    def bind(
        self,
        graph: str,
        inputs: Buffers,
        outputs: Buffers,
        *,
        computed: Callable[[], object] | None = None,
    ) -> Callable[[], None]:
        """Bind arrays to the graph's inputs and outputs, without copies."""
        model = self._models[graph]
        request = model.create_infer_request()
        for ports, arrays in ((model.inputs, inputs), (model.outputs, outputs)):
            check_fit(graph, {port.any_name: tuple(port.shape) for port in ports}, arrays)
            for name, array in arrays.items():
                request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        if self._logged is None:
            return followed_by(computed, lambda: request.infer())
        logged = self._logged

        def run() -> None:
            began_ns = time.perf_counter_ns()
            request.infer()
            logged.append((graph, began_ns, time.perf_counter_ns(), request.profiling_info))

        return followed_by(computed, run)

    def operators(self) -> Sequence[Operator]:
        """Stop logging operators, and return those that ran; empty where none were logged.

        OpenVINO tells how long each took, not when: they are laid one after the other, all shorter
        where that is longer than the graph ran.
        """
        logged, self._logged = self._logged or [], None
        return [op for run in logged for op in _in_a_row(*run)]


def _in_a_row(graph: str, began_ns: int, ended_ns: int, infos: list[Any]) -> Iterator[Operator]:
    ran = [info for info in infos if info.real_time]
    ends_ns = list(accumulate(info.real_time.total_seconds() * 1e9 for info in ran))
    shorter = min(1.0, (ended_ns - began_ns) / ends_ns[-1]) if ran else 1.0
    edges_ns = [began_ns + int(end * shorter) for end in [0.0, *ends_ns]]
    for info, (start, end) in zip(ran, pairwise(edges_ns), strict=True):
        yield Operator(graph, info.node_type, start, end)
