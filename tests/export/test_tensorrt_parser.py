"""The graphs in the hands of TensorRT's own parser and builder. Neither needs a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from world_model.world import GRAPHS

trt: Any = pytest.importorskip("tensorrt_rtx_bindings")


@pytest.fixture(scope="module")
def logger() -> Any:
    return trt.Logger(trt.Logger.ERROR)


@pytest.mark.parametrize("graph", GRAPHS)
def test_tensorrt_builds_an_engine_ahead_of_time(exported: Any, logger: Any, graph: str) -> None:
    """For compute capability 8.9 (GeForce RTX 40), on whatever machine this is."""
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse((exported.directory / f"{graph}.onnx").read_bytes())
    assert parsed, [str(parser.get_error(i)) for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None
    assert engine.nbytes > 1000
