"""Ticks in torch: on the CPU what a captured graph would do on a GPU, and what is said without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from export.loading import load_world
from export.onnxruntime_backend import OnnxRuntimeBackend
from export.torch_ticks import TorchTicks, Work, open_torch_ticks
from world_model.errors import BackendError
from world_model.world import RollingWorld

TICKS = 12


class Replay:
    """Records work as a graph does: what runs later is the very same call, or it fails."""

    def __init__(self) -> None:
        self.runs, self.fails = 0, ""

    def record(self, work: Work) -> Work:
        work()  # warm-up: it leaves traces in memory, which `start` must cover

        def replay() -> None:
            if self.fails:
                raise RuntimeError(f"{self.fails}\nand more that nobody reads")
            self.runs += 1
            work()

        return replay


def worlds(exported: Any, said: list[str]) -> tuple[RollingWorld, RollingWorld, Replay]:
    replay = Replay()
    ticks = TorchTicks(exported.directory, torch.device("cpu"), replay.record)
    backend = OnnxRuntimeBackend(exported.directory, 1)
    world = RollingWorld(exported.config, backend, ticks, say=said.append)
    twin = load_world(exported.directory, threads=1)
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for each in (world, twin):
        each.reset(frames, seed=5)
    return world, twin, replay


def test_a_roll_out_is_that_of_the_default_backend(exported: Any) -> None:
    world, twin, replay = worlds(exported, [])
    assert world.backend == "torch-cuda-graph"
    for action in np.random.default_rng(1).random((TICKS, 3)) < 0.4:
        expected = twin.step(action).astype(np.int16)
        assert np.abs(world.step(action) - expected).max() <= 1
        np.testing.assert_allclose(world.finished, twin.finished, atol=2e-3)
    for name, array in world.memory.items():
        np.testing.assert_allclose(array, twin.memory[name], atol=2e-3, err_msg=name)
    assert replay.runs == TICKS


def test_a_gpu_that_fails_hands_the_game_back(exported: Any) -> None:
    said: list[str] = []
    world, twin, replay = worlds(exported, said)
    held = np.ones(3, np.bool_)
    for _ in range(3):
        world.step(held), twin.step(held)
    replay.fails = "CUDA error: out of memory"
    expected = twin.step(held).astype(np.int16)
    assert np.abs(world.step(held) - expected).max() <= 1
    assert world.backend == "onnxruntime"
    assert said == [
        "torch-cuda-graph failed: torch: CUDA error: out of memory; onnxruntime goes on"
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_reason_is_one_line(exported: Any) -> None:
    with pytest.raises(BackendError, match=r"built without CUDA|no NVIDIA GPU"):
        open_torch_ticks(exported.directory)
    said: list[str] = []
    world = load_world(exported.directory, backend="torch-cuda-graph", say=said.append)
    assert world.backend == "onnxruntime"
    assert said[0].startswith("torch-cuda-graph cannot play tiny (")


@pytest.mark.gpu
def test_a_captured_graph_plays_what_the_default_does(exported: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    world = load_world(exported.directory, backend="torch-cuda-graph")
    twin = load_world(exported.directory)
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for each in (world, twin):
        each.reset(frames, seed=5)
    for action in np.random.default_rng(1).random((TICKS, 3)) < 0.4:
        expected = twin.step(action).astype(np.int16)
        assert np.abs(world.step(action) - expected).max() <= 3
