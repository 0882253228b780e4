"""The graphs in the hands of TensorRT's own parser and builder. Neither needs a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from export.tensorrt_engines import Builder
from export.tensorrt_graph import FLOAT32, REDUCED, prepare
from export.tensorrt_library import find_library
from world_model.backend import GRAPHS

trt: Any = pytest.importorskip("tensorrt_rtx_bindings")


@pytest.mark.parametrize(
    ("graph", "precision"),
    [*((graph, FLOAT32) for graph in GRAPHS), *(("step", bits) for bits in REDUCED)],
)
def test_tensorrt_builds_an_engine_ahead_of_time(exported: Any, graph: str, precision: str) -> None:
    """For compute capability 8.9 (GeForce RTX 40), on whatever machine this is."""
    source = (exported.directory / f"{graph}.onnx").read_bytes()
    engine = Builder(find_library(ahead_of_time=True)).build(source, "SM89", precision)
    assert len(engine) > 1000


def test_tensorrt_sees_the_inputs_and_outputs_that_play_binds(exported: Any) -> None:
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(prepare((exported.directory / "step.onnx").read_bytes(), "fp16"))
    config = exported.config
    given = {network.get_input(i).name: network.get_input(i) for i in range(network.num_inputs)}
    made = {network.get_output(i).name: network.get_output(i) for i in range(network.num_outputs)}
    places = range(config.window.cache_frames)
    caches = {f"cache_{kind}_{place}" for kind in "kv" for place in places}
    assert set(given) == caches | {
        "previous", "window", "sigmas", "actions", "noise", "ages", "trail", "cast", "sources",
        "behind",
    }  # fmt: skip
    assert set(made) == {"head", "next_window", "k", "v", "next_trail"}
    block = (1, config.dit.depth, 1, config.tokens, config.dit.width)
    assert {tuple(given[name].shape) for name in caches} == {block}
    for name, tensor in {**given, **made}.items():
        wanted = trt.int64 if "trail" in name else trt.float32
        assert tensor.dtype == wanted, "whatever is computed inside"
