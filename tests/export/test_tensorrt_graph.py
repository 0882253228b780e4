"""Graphs as TensorRT gets them: the same numbers, other inputs, and fewer bits where it is safe."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from export.tensorrt_graph import REDUCED, prepare
from games.scene import WORLDS
from world_model.errors import WorldError

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def source(exported: Any) -> bytes:
    return bytes((exported.directory / "step.onnx").read_bytes())


def run(graph: bytes, inputs: Arrays) -> Arrays:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]
    given = {node.name: inputs[node.name] for node in session.get_inputs()}
    return dict(zip(names, session.run(names, given), strict=True))


def inputs_of(source: bytes) -> Arrays:
    """Random inputs, those of a prepared graph among them."""
    rng = np.random.default_rng(0)
    inputs: Arrays = {}
    for node in ort.InferenceSession(source).get_inputs():
        inputs[node.name] = rng.standard_normal(node.shape, np.float32)
        if node.name == "trail":
            inputs["trail"] = rng.integers(0, 2, node.shape)
    for name in ("cache_k", "cache_v"):
        for place in range(inputs[name].shape[2]):
            inputs[f"{name}_{place}"] = inputs[name][:, :, place : place + 1]
    return inputs


def test_a_cache_in_pieces_changes_nothing(source: bytes) -> None:
    inputs = inputs_of(source)
    expected, found = run(source, inputs), run(prepare(source, "float32"), inputs)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_half_precision_is_near_and_leaves_actors_where_they_are(source: bytes) -> None:
    inputs = inputs_of(source)
    expected, found = run(source, inputs), run(prepare(source, "fp16"), inputs)
    np.testing.assert_array_equal(found["next_trail"], expected["next_trail"])
    for name in ("head", "next_window", "k", "v"):
        assert not np.array_equal(found[name], expected[name]), name
        np.testing.assert_allclose(found[name], expected[name], atol=0.05)


@pytest.mark.parametrize("precision", REDUCED)
def test_what_is_exact_stays_float32(source: bytes, precision: str) -> None:
    """The codec, the painter, the finder and the time embedding keep all their products."""
    graph = onnx.load_model_from_string(prepare(source, precision)).graph
    reduced = {
        node.input[0] for node in graph.node if node.op_type == "Cast"
        and node.attribute[0].i == TensorProto.FLOAT and node.input[0].endswith(".reduced")
    }  # fmt: skip
    exact, fewer = set(), set()
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            (scopes,) = (p.value for p in node.metadata_props if p.key.endswith("name_scopes"))
            (fewer if node.output[0] in reduced else exact).add(scopes)
    text = " ".join(fewer)
    assert "blocks.0.qkv" in text
    assert "to_tokens" in text
    for island in ("finder", "painter", "embedder.sigma"):
        assert island not in text
        assert island in " ".join(exact)


def test_a_graph_that_names_no_modules_stays_as_it_is_or_is_refused(source: bytes) -> None:
    model = onnx.load_model_from_string(source)
    for node in model.graph.node:
        del node.metadata_props[:]
    nameless = model.SerializeToString()
    prepare(nameless, "float32")
    with pytest.raises(WorldError, match="does not say what its nodes belong to"):
        prepare(nameless, "fp16")


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(WorldError, match="not a graph that TensorRT takes"):
        prepare(b"no graph", "float32")


@pytest.mark.slow
def test_the_shipped_world_is_reduced_where_its_work_is() -> None:
    graph = onnx.load_model_from_string(
        prepare((WORLDS / "platformer" / "step.onnx").read_bytes(), "fp16")
    ).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    weights = [
        stored[node.input[0]] for node in graph.node
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16
        and node.input[0] in stored and stored[node.input[0]].data_type == TensorProto.FLOAT16
    ]  # fmt: skip
    assert sum(np.prod(weight.dims) for weight in weights) > 600_000
