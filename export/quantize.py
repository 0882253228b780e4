"""A bundle whose network multiplies in int8, for processors that are faster at it. Needs `onnx`.

Weights are rounded to 7 bits and a sign, a scale per channel: without VNNI, sums of 8-bit products
overflow. What is exact to the pixel or to the tick stays float32, as for any backend of fewer bits.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from export.binding import followed_by, graph_path
from export.onnx_export import halve_weights
from export.onnxruntime_backend import OnnxRuntimeBackend
from export.tensorrt_graph import is_exact
from world_model.backend import GRAPHS, Buffers
from world_model.bundle import CONFIG_FILE, read_config
from world_model.errors import WorldError
from world_model.world import RollingWorld

MATRICES: Final = ("MatMul", "Gemm")
CONVOLUTIONS: Final = ("Conv",)
SAMPLED_EVERY_TICKS: Final = 5
_KEPT: Final = (*(f"{graph}.onnx" for graph in GRAPHS[1:]), "weights.safetensors")

Arrays = dict[str, NDArray[Any]]
Play = Callable[[RollingWorld], object]
"""Plays a while on a world, for what its tensors are like."""


def quantize_bundle(directory: Path, out: Path, play: Play | None = None) -> None:
    """Write a bundle to `out` whose step has its products with weights in int8.

    Matrix products measure their inputs at every tick. Convolutions take part if there is a way to
    `play`: their inputs have the range that they had then. Raises WorldError for a broken bundle,
    or one that is to be written onto itself.
    """
    config = read_config(directory)
    if out.resolve() == directory.resolve():
        raise WorldError(f"{out}: this is the bundle itself; choose another directory")
    model = widened(onnx.load(graph_path(directory, "step")))
    chosen = {kinds: _inner(model, kinds) for kinds in (MATRICES, CONVOLUTIONS)}
    out.mkdir(parents=True, exist_ok=True)
    for name in _KEPT:
        shutil.copyfile(directory / name, out / name)
    (out / CONFIG_FILE).write_text(json.dumps(replace(config, name=out.name).to_dict(), indent=2))
    path, options = out / "step.onnx", {"per_channel": True, "reduce_range": True}
    with _quiet():
        if play is not None:
            recorder = Recorder(directory)
            play(RollingWorld(config, recorder))
            quantize_static(
                model, path, recorder, quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(CONVOLUTIONS), activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8, nodes_to_quantize=chosen[CONVOLUTIONS], **options,
            )  # fmt: skip
            model = onnx.load(path)
        quantize_dynamic(
            model, path, op_types_to_quantize=list(MATRICES), weight_type=QuantType.QInt8,
            nodes_to_quantize=chosen[MATRICES], **options,
        )  # fmt: skip
    path.write_bytes(halve_weights(onnx.load(path)).SerializeToString())


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn weights that are kept in float16, with a cast behind, back into float32."""
    graph = model.graph
    halves = {i.name: i for i in graph.initializer if i.data_type == TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for cast in casts:
        half = halves[cast.input[0]]
        array = numpy_helper.to_array(half).astype(np.float32)
        half.CopyFrom(numpy_helper.from_array(array, cast.output[0]))
        graph.node.remove(cast)
    return model


def _inner(model: onnx.ModelProto, kinds: Sequence[str]) -> list[str]:
    """Return the names of nodes that multiply with weights, and need not be exact."""
    weights = {initializer.name for initializer in model.graph.initializer}
    found = [
        node.name for node in model.graph.node
        if node.op_type in kinds and node.input[1] in weights and not is_exact(node)
    ]  # fmt: skip
    if not found:
        raise WorldError("step.onnx does not say what its nodes belong to; export the world again")
    return found


class Recorder(OnnxRuntimeBackend, CalibrationDataReader):  # type: ignore[misc]
    """The default backend, which keeps what `step` is given every few ticks, and hands it out."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.kept: list[Arrays] = []
        self._runs = 0

    def bind(
        self,
        graph: str,
        inputs: Buffers,
        outputs: Buffers,
        *,
        computed: Callable[[], object] | None = None,
    ) -> Callable[[], None]:
        """Return a call that also keeps its inputs, if it is of `step`."""
        run = super().bind(graph, inputs, outputs, computed=computed)
        if graph != GRAPHS[0]:
            return run

        def keep() -> None:
            if self._runs % SAMPLED_EVERY_TICKS == 0:
                self.kept.append({name: array.copy() for name, array in inputs.items()})
            self._runs += 1

        return followed_by(run, keep)

    def get_next(self) -> Arrays | None:
        """Return inputs that were kept, each once; then None."""
        return self.kept.pop() if self.kept else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the quantizer keep its advice to itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
