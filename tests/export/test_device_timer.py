"""Runs on a device, timed by events: on fake ones, and against torch's own profiler on a GPU."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch

from export.device_timer import DeviceTimer
from export.loading import load_world

MS = 1_000_000


class FakeDevice:
    """A stream that takes `work` from now on, and comes to no event before it is told so."""

    def __init__(self) -> None:
        self.clock_ms = 0.0
        self.reached = True
        self.now_ns = 0
        self.timer = DeviceTimer(
            lambda: FakeEvent(self), lambda: 5_000_000, now_ns=lambda: self.now_ns, most_runs=4
        )

    def run(self, graph: str, *, took_ms: float) -> None:
        """Launch a graph; the host goes on after 1 ms."""
        self.timer.begin(graph)
        self.clock_ms += took_ms
        self.timer.end()
        self.now_ns += MS


class FakeEvent:
    """A moment of a fake device's time."""

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self.at_ms = float("nan")
        self.waited = False

    def record(self) -> None:
        self.at_ms = self._device.clock_ms

    def query(self) -> bool:
        return self._device.reached

    def elapsed_time(self, end: FakeEvent, /) -> float:
        assert end.query(), "torch raises where the device has not come to the event"
        return end.at_ms - self.at_ms


def test_runs_are_laid_at_their_launch_and_last_as_long_as_the_device_took() -> None:
    device = FakeDevice()
    device.timer.watch()
    for took_ms in (3.0, 5.0):
        device.run("step", took_ms=took_ms)
        device.run("decode", took_ms=0.5)
    assert device.timer.runs() == [
        ("step", 0, 3 * MS),
        ("decode", 1 * MS, 1.5 * MS),
        ("step", 2 * MS, 7 * MS),
        ("decode", 3 * MS, 3.5 * MS),
    ]
    assert device.timer.peak_memory_mb() == 5


def test_nothing_is_timed_before_somebody_watches() -> None:
    device = FakeDevice()
    device.run("step", took_ms=3)
    assert device.timer.runs() == []
    device.timer.watch()
    device.run("step", took_ms=4)
    assert device.timer.runs() == [("step", 1 * MS, 5 * MS)]


def test_a_run_that_the_device_is_still_at_is_given_up_and_never_waited_for() -> None:
    device = FakeDevice()
    device.timer.watch()
    device.run("step", took_ms=3)
    device.reached = False
    device.run("decode", took_ms=1)
    device.run("step", took_ms=4)
    device.reached = True
    device.run("decode", took_ms=2)
    assert [(run.graph, run.began_ns) for run in device.timer.runs()] == [
        ("decode", 1 * MS),
        ("step", 2 * MS),
        ("decode", 3 * MS),
    ]


def test_a_full_ring_keeps_the_newest_runs_in_order() -> None:
    device = FakeDevice()
    device.timer.watch()
    for tick in range(7):
        device.run("step", took_ms=tick)
    assert [run.ended_ns - run.began_ns for run in device.timer.runs()] == [
        3 * MS, 4 * MS, 5 * MS, 6 * MS,
    ]  # fmt: skip


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch"])
def test_on_the_cpu_there_is_no_device_to_time(exported: Any, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    if backend == "torch" and torch.cuda.is_available():
        pytest.skip("torch runs on a GPU here")
    world = load_world(exported.directory, backend=backend)
    world.accelerator.watch()
    world.step(np.ones(3, np.bool_))
    assert not world.accelerator.runs()
    assert world.accelerator.peak_memory_mb() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_device_times_agree_with_torchs_profiler() -> None:
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    timer = DeviceTimer(
        lambda: torch.cuda.Event(enable_timing=True), torch.cuda.max_memory_allocated
    )
    matrix = torch.randn(4096, 4096, device="cuda")
    timer.watch()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(10):
            torch.cuda.synchronize()
            timer.begin("step")
            for _ in range(10):
                torch.mm(matrix, matrix)
            timer.end()
        torch.cuda.synchronize()
    kernels_us = sum(
        event.time_range.elapsed_us()
        for event in profiler.events() or ()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
    timed_ns = sum(run.ended_ns - run.began_ns for run in timer.runs())
    assert timed_ns / 1e3 == pytest.approx(kernels_us, rel=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_a_gpu_torch_times_the_graphs_of_every_tick(exported: Any) -> None:
    world = load_world(exported.directory, backend="torch")
    world.accelerator.watch()
    edges_ns = [time.perf_counter_ns()]
    for _ in range(5):
        world.step(np.ones(3, np.bool_))
        edges_ns.append(time.perf_counter_ns())
    runs = world.accelerator.runs()
    assert [run.graph for run in runs] == 5 * ["step", "decode"]
    for before, after, *of_tick in zip(edges_ns, edges_ns[1:], runs[::2], runs[1::2], strict=False):
        assert all(before < run.began_ns < run.ended_ns < after for run in of_tick)
    assert world.accelerator.peak_memory_mb()
