"""Other backends than the default: they play the same, and the default steps in for them."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from datetime import timedelta
from itertools import chain, pairwise, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export import onnxruntime_backend
from export.loading import load_world
from world_model.errors import WorldError


@pytest.mark.parametrize(
    ("backend", "tolerance"), [("torch", 1e-3), ("openvino", 2e-3), ("openvino-bf16", 0.5)]
)
def test_another_backend_plays_what_the_default_does(
    exported: Any, backend: str, tolerance: float
) -> None:
    if backend.startswith("openvino"):
        pytest.importorskip("openvino")
    config = exported.config
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (config.window.start_frames, *config.frame_shape), np.uint8)
    one, other = load_world(exported.directory), load_world(exported.directory, backend=backend)
    assert other.backend == backend
    for world in (one, other):
        world.reset(frames, seed=3)
    for action in rng.random((4, 3)) < 0.5:
        expected, latents = one.denoise(action), other.denoise(action)
        np.testing.assert_allclose(latents, expected, atol=tolerance)
        for name, array in one.memory.items():  # rounding errors grow in a world that feeds on them
            other.memory[name][:] = array


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "torch"])
@pytest.mark.parametrize("log_operators", [False, True])
def test_decoding_ends_once_and_before_the_frame_is_handed_over(
    exported: Any, backend: str, log_operators: bool
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    stages: list[str] = []
    world = load_world(exported.directory, backend=backend, log_operators=log_operators)
    world.measure(SimpleNamespace(mark=stages.append))
    world.step(np.ones(3, np.bool_))
    assert stages == ["encode_action", "re_noise", "step", "cache_write", "decode"]
    world.operators()


def test_a_backend_that_is_not_installed_names_its_extra_and_the_default_plays(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "export.openvino_backend", raising=False)
    said: list[str] = []
    world = load_world(exported.directory, backend="openvino", say=said.append)
    assert world.backend == "onnxruntime"
    assert len(said) == 1
    assert "openvino cannot play tiny" in said[0]
    assert "pip install 'rollplay[openvino]'" in said[0]
    with pytest.raises(WorldError, match=r"rollplay\[openvino\]"):
        load_world(exported.directory, backend="openvino")


def test_openvino_names_graphs_that_are_missing_broken_or_of_another_world(bundle: Path) -> None:
    pytest.importorskip("openvino")
    (bundle / "decode.onnx").write_bytes((bundle / "encode.onnx").read_bytes())
    with pytest.raises(WorldError, match=r"decode\.onnx does not fit config\.json"):
        load_world(bundle, backend="openvino")
    (bundle / "decode.onnx").write_bytes(b"not a graph")
    with pytest.raises(WorldError, match=r"decode\.onnx: not a graph that OpenVINO can run"):
        load_world(bundle, backend="openvino")
    (bundle / "step.onnx").unlink()
    with pytest.raises(WorldError, match=r"step\.onnx: missing; export the world again"):
        load_world(bundle, backend="openvino")


@pytest.mark.parametrize(("ended_ns", "edges_us"), [(9_000, [1, 3, 7]), (4_000, [1, 2, 4])])
def test_openvinos_operators_lie_in_a_row_within_the_run_of_their_graph(
    ended_ns: int, edges_us: list[int]
) -> None:
    openvino_backend = pytest.importorskip("export.openvino_backend")
    spent_us = {"Convolution": 2, "Result": 0, "Softmax": 4}
    infos = [
        SimpleNamespace(node_type=kind, real_time=timedelta(microseconds=us))
        for kind, us in spent_us.items()
    ]
    laid = list(openvino_backend._in_a_row("step", 1_000, ended_ns, infos))
    assert [op.kind for op in laid] == ["Convolution", "Softmax"]
    edges_ns = [edge * 1000 for edge in edges_us]
    assert [(op.began_ns, op.ended_ns) for op in laid] == list(pairwise(edges_ns))


@pytest.mark.parametrize(
    ("backend", "kinds"),
    [
        ("onnxruntime", {"Conv", "Softmax"}),
        ("openvino", {"Convolution", "FullyConnected"}),
        ("torch", {"conv2d", "softmax"}),
    ],
)
def test_operators_are_logged_on_the_loops_clock_and_only_on_request(
    exported: Any, backend: str, kinds: set[str]
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    config = exported.config
    start = np.full((config.window.start_frames, *config.frame_shape), 90, np.uint8)
    world = load_world(exported.directory, backend=backend, log_operators=True)
    world.reset(start, seed=1)
    before = time.perf_counter_ns()
    world.step(np.ones(3, np.bool_))
    after = time.perf_counter_ns()
    ran = [op for op in world.operators() if op.began_ns >= before]
    assert {op.graph for op in ran} == {"step", "decode"}
    assert all(before <= op.began_ns <= op.ended_ns <= after for op in ran)
    assert kinds <= {op.kind for op in ran}
    assert not world.operators(), "logging has ended"
    assert not load_world(exported.directory, backend=backend).operators()


_TINY_AFTER_LOADING = """
import sys
from pathlib import Path
import numpy as np
from export.loading import load_world
load_world(Path(sys.argv[1]), backend=sys.argv[2])
print(np.float32(1e-30) * np.float32(1e-9))
"""


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="asks an x86 processor")
@pytest.mark.parametrize("backend", ["onnxruntime", "torch"])
def test_denormal_numbers_are_zero_as_they_are_slow(exported: Any, backend: str) -> None:
    command = [sys.executable, "-c", _TINY_AFTER_LOADING, str(exported.directory), backend]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert float(done.stdout) == 0, "of this thread, in which graphs run"


def test_a_wait_between_two_clocks_is_no_difference_of_theirs() -> None:
    ahead, now = 1_000_000, 0
    waits = chain([300, 40_000, 300, 20, 20, 20], repeat(300))

    def ours() -> int:
        nonlocal now
        now += next(waits)
        return now

    measured = onnxruntime_backend._wall_ahead_ns(ours, lambda: ours() + ahead)
    assert measured == ahead
