"""Ticks on a device, on the fake one: what they compute, what they copy, and how they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from export.fakes import FakeBuilder, FakeDevice
from export.loading import load_world
from export.onnxruntime_backend import OnnxRuntimeBackend
from export.resident import ResidentTicks
from export.tensorrt_backend import open_ticks
from world_model.errors import BackendError
from world_model.world import RollingWorld

TICKS = 30


class Stage:
    """A tiny world on a fake device, and what it says."""

    def __init__(self, exported: Any, cache: Path) -> None:
        self.device, self.said = FakeDevice(), list[str]()
        self.start = np.random.default_rng(0).integers(
            0, 256, (exported.config.window.start_frames, *exported.config.frame_shape), np.uint8
        )
        self.ticks: ResidentTicks = open_ticks(
            exported.directory, "float32", builder=FakeBuilder(), device=self.device,
            say=lambda _: None, cache=cache,
        )  # fmt: skip
        backend = OnnxRuntimeBackend(exported.directory, 1)
        self.world = RollingWorld(exported.config, backend, self.ticks, say=self.said.append)
        self.twin = load_world(exported.directory, threads=1)
        self.actions: NDArray[np.bool_] = np.random.default_rng(1).random((TICKS, 3)) < 0.4

    def begin(self) -> None:
        for world in (self.world, self.twin):
            world.reset(self.start, seed=5)

    def compare(self, actions: NDArray[np.bool_]) -> None:
        """Play on both; each frame must be the same."""
        for action in actions:
            expected = self.twin.step(action)
            np.testing.assert_array_equal(self.world.step(action), expected)


@pytest.fixture
def stage(exported: Any, tmp_path: Path) -> Stage:
    return Stage(exported, tmp_path)


def test_a_roll_out_is_that_of_the_default_backend(stage: Stage) -> None:
    stage.begin()
    assert stage.world.backend == "tensorrt"
    stage.compare(stage.actions)
    np.testing.assert_allclose(stage.world.finished, stage.twin.finished, atol=1e-5)
    memory, expected = stage.world.memory, stage.twin.memory
    for name, array in expected.items():
        np.testing.assert_allclose(memory[name], array, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(stage.world.places, stage.twin.places)
    np.testing.assert_array_equal(stage.world.in_flight(), stage.twin.in_flight())
    assert not stage.said


def test_latents_that_were_fetched_can_be_drawn_later(stage: Stage) -> None:
    stage.begin()
    frame = stage.world.step(stage.actions[0]).copy()
    latents = stage.world.finished
    stage.world.step(stage.actions[1])
    np.testing.assert_array_equal(stage.world.decode(latents), frame)


def test_latents_that_were_not_fetched_are_none(stage: Stage) -> None:
    stage.begin()
    assert np.isnan(stage.world.denoise(stage.actions[0])).all()


def test_a_tick_is_one_launch_that_copies_inputs_up_and_a_frame_down(stage: Stage) -> None:
    stage.begin()
    stage.compare(stage.actions)
    device, config = stage.device, stage.world.config
    before = device.allocations, device.recorded, device.launches
    device.uploaded = device.downloaded = 0
    stage.compare(stage.actions)
    assert (device.allocations, device.recorded) == before[:2], "all states were recorded"
    assert device.launches == before[2] + TICKS
    assert device.downloaded == TICKS * int(np.prod(config.frame_shape))
    noise = 4 * config.window.slots * int(np.prod(config.seen_shape))
    assert noise * TICKS < device.uploaded < (noise + 1024) * TICKS


def test_another_session_starts_from_its_own_frames_and_records_nothing(stage: Stage) -> None:
    stage.begin()
    stage.compare(stage.actions)
    recorded = stage.device.recorded
    for _ in range(3):
        stage.begin()
        stage.compare(stage.actions[:7])
    assert stage.device.recorded == recorded


def test_a_device_that_fails_in_a_game_hands_its_memory_over(stage: Stage) -> None:
    stage.begin()
    stage.compare(stage.actions[:10])
    stage.device.fails = "out of memory"
    stage.compare(stage.actions[10:])
    assert stage.world.backend == "onnxruntime"
    assert stage.world.note == "tensorrt failed: out of memory"
    assert stage.said == ["tensorrt failed: out of memory; onnxruntime goes on"]


def test_a_device_that_is_gone_starts_the_scene_anew(stage: Stage) -> None:
    stage.begin()
    stage.compare(stage.actions[:10])
    stage.device.dead = "the GPU has fallen off the bus"
    stage.twin.reset(stage.start, seed=5)
    stage.compare(stage.actions[10:])
    assert "fallen off the bus" in stage.world.note
    assert len(stage.said) == 1


def test_a_device_that_fails_between_sessions_is_left(stage: Stage) -> None:
    stage.device.dead = "gone"
    stage.begin()
    stage.compare(stage.actions[:3])
    assert stage.world.note == "tensorrt failed: gone"


def test_who_is_told_nothing_gets_the_error(exported: Any, stage: Stage) -> None:
    backend = OnnxRuntimeBackend(exported.directory, 1)
    world = RollingWorld(exported.config, backend, stage.ticks)
    world.reset(stage.start, seed=5)
    stage.device.fails = "out of memory"
    with pytest.raises(BackendError, match="out of memory"):
        world.step(stage.actions[0])
