"""Writes a world bundle: the four fixed-shape ONNX graphs, the weights, and the config.

`step` is one tick of the window, `decode` and `encode` the codec, `backdrop` what a session has of
its first frame. Weights are rounded to float16 and kept so, with a cast in front of each use
(folded away when a session loads), which halves the bundle; torch parity is measured against the
same rounded weights. The codec's basis is not rounded: what a world copies goes through it at every
tick, for hours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import Tensor, nn

from export.binding import SCOPES
from export.graphs import Graph, graphs_of
from world_model.bundle import CONFIG_FILE, read_config
from world_model.config import WorldConfig
from world_model.errors import WorldError
from world_model.network.dit import RollingDiT
from world_model.training.weights import WEIGHTS_FILE, read_weights

M = TypeVar("M", bound=nn.Module)
OPSET: Final = 20
SMALLEST_HALVED: Final = 1024
"""Tensors with fewer elements stay float32 (constants of the graph, biases)."""


def write_bundle(config: WorldConfig, dit: RollingDiT, directory: Path) -> None:
    """Write config, float16 weights and the graphs of a trained world to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    dit = round_weights(dit)
    named = {name: _halved(t).contiguous() for name, t in dit.state_dict().items()}
    save_file(named, directory / WEIGHTS_FILE)
    for name, graph in graphs_of(config, dit).items():
        model = _exported(graph)
        onnx.checker.check_model(halve_weights(model))
        (directory / f"{name}.onnx").write_bytes(model.SerializeToString())
    (directory / CONFIG_FILE).write_text(json.dumps(config.to_dict(), indent=2) + "\n")


def read_network(directory: Path) -> tuple[WorldConfig, RollingDiT]:
    """Load what plays of a bundle back into torch; raises WorldError for a broken bundle."""
    config = read_config(directory)
    dit = RollingDiT(config)
    try:
        dit.load_state_dict(read_weights(directory))
    except RuntimeError as error:
        raise WorldError(f"{directory / WEIGHTS_FILE}: cannot be read ({error})") from None
    return config, dit.eval()


def round_weights(module: M) -> M:
    """Round a module's larger parameters to float16 values (kept as float32); returns it."""
    with torch.no_grad():
        for param in module.parameters():
            if param.numel() >= SMALLEST_HALVED:
                param.copy_(param.half().float())
    return module.eval().cpu()


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store larger float32 initialisers, if they lose nothing, as float16 with a cast back."""
    graph = model.graph
    casts = []
    for initializer in graph.initializer:
        array = numpy_helper.to_array(initializer)
        if array.dtype != np.float32 or array.size < SMALLEST_HALVED:
            continue
        halved = array.astype(np.float16)
        if not np.array_equal(halved.astype(np.float32), array):
            continue
        name = initializer.name
        half = numpy_helper.from_array(halved, f"{name}.half")
        initializer.CopyFrom(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT))
    for index, node in enumerate(casts):
        graph.node.insert(index, node)
    return model


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what the exporter notes of source lines, a quarter of a small world's graph; modules'
    names stay."""
    del model.graph.metadata_props[:]
    for noted in (*model.graph.node, *model.graph.initializer, *model.graph.value_info,
                  *model.graph.input, *model.graph.output):  # fmt: skip
        kept = [entry for entry in noted.metadata_props if entry.key == SCOPES]
        del noted.metadata_props[:]
        noted.metadata_props.extend(kept)
    return model


def _halved(tensor: Tensor) -> Tensor:
    """Return a larger tensor in float16, if it loses nothing."""
    half = tensor.half()
    lossless = tensor.numel() >= SMALLEST_HALVED and torch.equal(half.to(tensor.dtype), tensor)
    return half if lossless else tensor


def step_graph(config: WorldConfig, dit: RollingDiT) -> onnx.ModelProto:
    """Export one tick of the window, float32 weights."""
    return _exported(graphs_of(config, dit)["step"])


def _exported(graph: Graph) -> onnx.ModelProto:
    program = torch.onnx.export(
        graph.module.eval(),
        tuple(graph.inputs.values()),
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        opset_version=OPSET,
        dynamo=True,
        optimize=True,
        verbose=False,
    )
    assert program is not None
    return without_traces(program.model_proto)
