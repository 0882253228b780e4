"""ONNX Runtime behind the backend's one verb, and what it says of bundles that do not fit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from engine.pacing import SystemClock
from engine.profiling.spans import StageSpans
from export.loading import load_world
from export.onnxruntime_backend import CPU, CUDA, OnnxRuntimeBackend, physical_cores
from games.scene import WORLDS
from world_model.errors import BackendError, WorldError


def arrays(exported: Any) -> tuple[np.ndarray, np.ndarray]:
    config = exported.config
    return (np.zeros((1, *config.latent_shape), np.float32),
            np.zeros((1, *config.frame_shape), np.uint8))  # fmt: skip


def test_a_bound_graph_reads_and_writes_the_given_arrays(exported: Any) -> None:
    latents, frame = arrays(exported)
    run = OnnxRuntimeBackend(exported.directory).bind(
        "decode", {"latents": latents}, {"frame": frame}
    )
    run()
    first = frame.copy()
    latents += np.random.default_rng(0).standard_normal(latents.shape, dtype=np.float32)
    np.testing.assert_array_equal(frame, first)
    run()
    assert not np.array_equal(frame, first)
    latents[:] = 0
    run()
    np.testing.assert_array_equal(frame, first)


def test_bound_arrays_live_as_long_as_the_call(exported: Any) -> None:
    backend = OnnxRuntimeBackend(exported.directory, threads=1)
    run = backend.bind("decode", *(
        {name: array} for name, array in zip(("latents", "frame"), arrays(exported), strict=True)
    ))  # fmt: skip
    del backend
    run()  # would write to freed memory otherwise


@pytest.mark.parametrize("graph", ["step", "decode", "encode"])
def test_a_missing_graph_is_named_with_its_cure(bundle: Path, graph: str) -> None:
    (bundle / f"{graph}.onnx").unlink()
    with pytest.raises(WorldError, match=rf"{graph}\.onnx: missing; export the world again"):
        load_world(bundle)


@pytest.mark.parametrize("contents", [b"", b"not a graph", None], ids=["empty", "text", "cut"])
def test_a_broken_graph_is_named(bundle: Path, contents: bytes | None) -> None:
    path = bundle / "step.onnx"
    path.write_bytes(path.read_bytes()[:1000] if contents is None else contents)
    with pytest.raises(WorldError, match=r"step\.onnx: not a graph that ONNX Runtime can run"):
        load_world(bundle)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"dit": {"width": 64, "heads": 2, "cell_width": 8}},
            r"step\.onnx does not fit.*'cache_k'",
        ),
        ({"window": {"slots": 4}}, r"step\.onnx does not fit.*'actions'"),
        ({"buttons": ["left", "right"]}, r"step\.onnx does not fit.*'actions'"),
        ({"frame_width": 64}, r"does not fit"),
    ],
)
def test_a_config_that_its_graphs_do_not_fit_is_named(
    bundle: Path, entry: dict[str, Any], message: str
) -> None:
    path = bundle / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entry))
    with pytest.raises(WorldError, match=message):
        load_world(bundle)


def test_swapped_graphs_are_noticed(bundle: Path) -> None:
    (bundle / "decode.onnx").write_bytes((bundle / "encode.onnx").read_bytes())
    with pytest.raises(WorldError, match=r"decode\.onnx does not fit config\.json"):
        load_world(bundle)


def test_a_missing_world_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="`rollplay export` makes one"):
        load_world(tmp_path / "nowhere")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_frame_by_more_than_a_level(
    exported: Any, threads: int
) -> None:
    count = exported.config.window.start_frames
    start = np.full((count, *exported.config.frame_shape), 90, np.uint8)
    default, chosen = (
        load_world(exported.directory),
        load_world(exported.directory, threads=threads),
    )
    for world in (default, chosen):
        world.reset(start, seed=1)
    for _ in range(5):
        frame = default.step(np.ones(3, np.bool_)).astype(np.int16)
        assert np.abs(frame - chosen.step(np.ones(3, np.bool_))).max() <= 1


@pytest.mark.skipif(not (WORLDS / "platformer" / "step.onnx").exists(), reason="no world is here")
def test_the_step_span_is_what_onnx_runtime_itself_measures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profiles: dict[str, list[dict[str, Any]]] = {}

    class Kept(ort.InferenceSession):
        def __init__(self, path: Path, *more: Any, **options: Any) -> None:
            super().__init__(path, *more, **options)
            self.graph = path.stem

        def end_profiling(self) -> str:
            written = super().end_profiling()
            profiles[self.graph] = json.loads(Path(written).read_text())
            return str(written)

    monkeypatch.setattr(ort, "InferenceSession", Kept)
    ticks = 25
    world = load_world(WORLDS / "platformer", threads=1, log_operators=True)
    spans = StageSpans(ticks, SystemClock())
    world.measure(spans)
    for _ in range(ticks):
        spans.begin()
        world.step(np.zeros(3, np.bool_))
        spans.end()
    world.operators()
    runs_ms = [event["dur"] / 1e3 for event in profiles["step"] if event["name"] == "model_run"]
    ours_ms = spans.timeline().stages_ms()["step"]
    assert np.median(ours_ms / runs_ms) == pytest.approx(1, rel=0.05)


def test_physical_cores_are_at_most_the_logical_ones() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


class FakeSession(ort.InferenceSession):  # type: ignore[misc]
    """A session that takes a GPU's provider, and computes on the CPU."""

    starts = True

    def __init__(self, path: Path, options: ort.SessionOptions, providers: list[Any]) -> None:
        self.wanted = providers[0][0]
        super().__init__(path, options, providers=[CPU])

    def get_providers(self) -> list[str]:
        return [self.wanted] if self.starts else [CPU]


def test_a_provider_that_is_offered_plays(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    world = load_world(exported.directory, backend="onnxruntime-cuda")
    assert world.backend == "onnxruntime-cuda"
    world.step(np.ones(3, np.bool_))


def test_a_provider_that_is_not_offered_or_does_not_start_says_so_and_the_default_plays(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    said: list[str] = []
    for name in ("onnxruntime-cuda", "onnxruntime-trt-rtx"):
        assert (
            load_world(exported.directory, backend=name, say=said.append).backend == "onnxruntime"
        )
    assert "has no CUDAExecutionProvider" in said[0]
    assert "has no NvTensorRTRTXExecutionProvider" in said[1]
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(FakeSession, "starts", False)
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    with pytest.raises(BackendError, match="does not start"):
        OnnxRuntimeBackend(exported.directory, provider=CUDA)
