"""OpenVINO on the CPU, from the same ONNX graphs. Needs `rollplay[openvino]`.

In bfloat16 it is fast where the processor multiplies in that format (AVX512_BF16, AMX).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import openvino

from export.binding import check_fit, graph_path
from export.onnxruntime_backend import default_threads
from world_model.errors import WorldError
from world_model.world import GRAPHS, Buffers, Operator


class OpenVinoBackend:
    """Holds one compiled model per graph of a bundle."""

    def __init__(
        self, directory: Path, threads: int | None = None, *, precision: str = "f32"
    ) -> None:
        self.name = "openvino" if precision == "f32" else f"openvino-{precision}"
        core = openvino.Core()
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or default_threads(),
            "INFERENCE_PRECISION_HINT": precision,
        }
        self._models = {}
        for graph in GRAPHS:
            path = graph_path(directory, graph)
            try:
                self._models[graph] = core.compile_model(str(path), "CPU", options)
            except RuntimeError as error:
                raise WorldError(f"{path}: not a graph that OpenVINO can run ({error})") from None

    def bind(self, graph: str, inputs: Buffers, outputs: Buffers) -> Callable[[], None]:
        """Bind arrays to the graph's inputs and outputs, without copies."""
        model = self._models[graph]
        request = model.create_infer_request()
        for ports, arrays in ((model.inputs, inputs), (model.outputs, outputs)):
            check_fit(graph, {port.any_name: tuple(port.shape) for port in ports}, arrays)
            for name, array in arrays.items():
                request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        return lambda: request.infer()

    def operators(self) -> Sequence[Operator]:
        """Return nothing: OpenVINO tells no times of day."""
        return ()
