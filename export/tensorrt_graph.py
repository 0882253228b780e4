"""A bundle's graph as TensorRT is to build it: a cache in one piece a frame, and fewer bits.

The builder takes its types from the graph, so fewer bits are casts around products: all else stays
float32, as do whole modules that are exact to the pixel, or to the tick. Needs `onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from export.binding import SCOPES
from world_model.errors import WorldError

FLOAT32: Final = "float32"
REDUCED: Final[Mapping[str, int]] = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
CACHES: Final = ("cache_k", "cache_v")
_PRODUCTS: Final = ("Conv", "Gemm", "MatMul")
"""Not ConvTranspose, of which TensorRT builds none in bf16; they are a fiftieth of the work."""
_NETWORK: Final = "'rolling.dit."
_ISLANDS: Final = tuple(f"'rolling.dit.{name}'" for name in ("embedder.sigma", "finder", "painter"))
"""The time embedding; what says where actors are; and what copies pixels, which is exact."""


def prepare(source: bytes, precision: str) -> bytes:
    """Return an ONNX graph in float32 or one of `REDUCED`, each of `CACHES` split into its frames.

    Raises WorldError where the source is no graph, or does not say what its nodes belong to.
    """
    try:
        model = onnx.load_model_from_string(source)
    except DecodeError as error:
        raise WorldError(f"not a graph that TensorRT takes ({error})") from None
    _split_caches(model.graph)
    if precision != FLOAT32:
        _reduce(model.graph, REDUCED[precision])
    prepared: bytes = model.SerializeToString()
    return prepared


def frame_name(cache: str, place: int) -> str:
    """Return the name of the input that is one place of a cache."""
    return f"{cache}_{place}"


def _split_caches(graph: onnx.GraphProto) -> None:
    """Replace caches (1, depth, F, N, width) by F inputs (1, depth, 1, N, width) each.

    So a frame's keys are one block of memory, the same as the output `k`.
    """
    for cache in [value for value in graph.input if value.name in CACHES]:
        kind = cache.type.tensor_type
        shape = [dimension.dim_value for dimension in kind.shape.dim]
        names = [frame_name(cache.name, place) for place in range(shape[2])]
        shape[2] = 1
        graph.input.remove(cache)
        graph.input.extend(
            helper.make_tensor_value_info(name, kind.elem_type, shape) for name in names
        )
        graph.node.insert(0, helper.make_node("Concat", names, [cache.name], axis=2))


def _reduce(graph: onnx.GraphProto, number: int) -> None:
    """Compute the network's products in fewer bits, from and to float32."""
    nodes = [node for old in graph.node for node in _reduced(old, number)]
    if len(nodes) == len(graph.node):
        raise WorldError("does not say what its nodes belong to; export the world again")
    stored = {tensor.name: tensor.data_type for tensor in graph.initializer}
    source = {node.output[0]: node.input[0] for node in nodes if node.op_type == "Cast"}
    for node in nodes:  # a weight that is stored in these bits needs no way there and back
        weight = source.get(node.input[0], "") if node.op_type == "Cast" else ""
        if stored.get(weight) == number and node.attribute[0].i == number:
            node.input[0] = weight
    del graph.node[:]
    graph.node.extend(nodes)


def is_exact(node: onnx.NodeProto) -> bool:
    """Tell whether a node belongs to what is never computed in fewer bits."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "")
    return _NETWORK not in scopes or any(island in scopes for island in _ISLANDS)


def _reduced(node: onnx.NodeProto, number: int) -> Iterator[onnx.NodeProto]:
    if node.op_type not in _PRODUCTS or is_exact(node):
        yield node
        return
    (output,) = node.output
    for place, name in enumerate(node.input):
        node.input[place] = f"{output}.in{place}"
        yield helper.make_node("Cast", [name], [node.input[place]], to=number)
    node.output[0] = f"{output}.reduced"
    yield node
    yield helper.make_node("Cast", list(node.output), [output], to=TensorProto.FLOAT)
