"""Layer times of engines on a device: where they lie, and that timing changes no frame."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.fakes import LAYERS, FakeBuilder, FakeDevice
from export.layers import LayerLog
from export.loading import load_world
from export.onnxruntime_backend import OnnxRuntimeBackend
from export.tensorrt_backend import open_ticks
from export.tensorrt_library import layer_timer
from world_model.backend import Operator
from world_model.errors import BackendError
from world_model.world import RollingWorld

MS = 1_000_000


class ToldEngine:
    """An engine that does nothing but tell."""

    tensors: dict[str, Any] = {}  # noqa: RUF012

    def queue(self, addresses: object) -> None:
        for layer, took_ms in LAYERS.items():
            self.told(layer, took_ms)

    def compiled(self) -> bytes | None:
        return b"compiled"

    def time_layers(self, told: Any) -> None:
        self.told = told


def test_layers_are_laid_one_after_the_other_from_when_their_run_was_queued() -> None:
    log = LayerLog(iter([10 * MS, 20 * MS]).__next__)
    engine = log.watch("step", ToldEngine())
    engine.queue({})
    engine.queue({})
    assert log.operators() == [
        Operator("step", "product", 10 * MS, 10 * MS + MS // 2),
        Operator("step", "sum", 10 * MS + MS // 2, 10 * MS + 3 * MS // 4),
        Operator("step", "product", 20 * MS, 20 * MS + MS // 2),
        Operator("step", "sum", 20 * MS + MS // 2, 20 * MS + 3 * MS // 4),
    ]
    assert log.operators() == []
    assert engine.compiled() == b"compiled"


def test_a_world_tells_the_layers_of_both_graphs_and_plays_the_same(
    exported: Any, tmp_path: Path
) -> None:
    device = FakeDevice()
    ticks = open_ticks(
        exported.directory, "float32", builder=FakeBuilder(), device=device, say=lambda _: None,
        cache=tmp_path, log_operators=True,
    )  # fmt: skip
    assert not list(tmp_path.glob("*.json")), "such ticks are slower: no measure for the next ones"
    world = RollingWorld(exported.config, OnnxRuntimeBackend(exported.directory, 1), ticks)
    twin = load_world(exported.directory, threads=1)
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    start = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for each in (world, twin):
        each.reset(start, seed=5)
    world.operators()
    for _ in range(6):
        action = np.array([True, False, True])
        np.testing.assert_array_equal(world.step(action), twin.step(action))
    ran = world.operators()
    assert [(op.graph, op.kind) for op in ran] == 6 * [
        (graph, layer) for graph in ("step", "decode") for layer in LAYERS
    ]
    assert [op.ended_ns - op.began_ns for op in ran] == 12 * [
        round(took_ms * MS) for took_ms in LAYERS.values()
    ]
    for one, other in itertools.pairwise(ran[:2]):
        assert one.ended_ns == other.began_ns
    assert device.recorded == 0, "a run whose layers are timed cannot be recorded"


def test_tensorrts_own_profiler_tells_of_layers() -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings")
    told: list[tuple[str, float]] = []
    timer = layer_timer(trt, lambda layer, took_ms: told.append((layer, took_ms)))
    assert isinstance(timer, trt.IProfiler)
    timer.report_layer_time("a product", 0.25)
    assert told == [("a product", 0.25)]


@pytest.mark.gpu
def test_a_gpu_tells_its_layers(exported: Any, tmp_path: Path) -> None:
    cuda = pytest.importorskip("export.cuda")
    from export.tensorrt_engines import Builder
    from export.tensorrt_library import find_library

    try:
        library = find_library()
        device = cuda.Cuda(library)
    except BackendError as error:
        pytest.skip(f"no GPU here: {error}")
    ticks = open_ticks(
        exported.directory, "float32", builder=Builder(library), device=device,
        say=lambda _: None, cache=tmp_path, log_operators=True,
    )  # fmt: skip
    ran = ticks.operators()
    assert {op.graph for op in ran} == {"step", "decode"}
    assert all(op.ended_ns >= op.began_ns for op in ran)
