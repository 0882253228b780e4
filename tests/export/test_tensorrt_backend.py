"""From a bundle to ticks on a GPU: kept engines, their speed, and all ways in which it can fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export import loading, store
from export.fakes import FakeBuilder, FakeDevice
from export.loading import load_world
from export.parity import roll_out_parity
from export.resident import ResidentTicks
from export.tensorrt_backend import open_ticks
from export.tensorrt_library import RTX
from world_model.errors import BackendError, WorldError


class Opener:
    """Opens a bundle as `load_world` does, on fakes that a test may change before."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self.directory, self.cache = directory, cache
        self.builder, self.device, self.said = FakeBuilder(), FakeDevice(), list[str]()

    def __call__(self, precision: str = "float32", *, log_operators: bool = False) -> ResidentTicks:
        return open_ticks(
            self.directory, precision, builder=self.builder, device=self.device,
            say=self.said.append, cache=self.cache, log_operators=log_operators,
        )  # fmt: skip

    def kept(self, pattern: str) -> Path:
        (path,) = self.cache.glob(pattern)
        return path


@pytest.fixture
def opener(bundle: Path, tmp_path: Path) -> Opener:
    return Opener(bundle, tmp_path / "engines")


def test_engines_are_built_once_and_it_is_said(opener: Opener) -> None:
    assert opener().name == "tensorrt"
    assert opener.builder.built == [("SM89", "float32")] * 2
    assert opener.said == [f"tensorrt: building {g} for SM89, once ..." for g in ("step", "decode")]
    opener.said.clear()
    opener()
    assert len(opener.builder.built) == 2
    assert not opener.said


def test_fewer_bits_have_a_name_and_a_step_of_their_own(opener: Opener) -> None:
    opener()
    assert opener("fp16").name == "tensorrt-fp16"
    assert opener.builder.built[2:] == [("SM89", "fp16")]


def test_another_gpu_or_library_gets_engines_of_its_own(opener: Opener) -> None:
    opener()
    opener.device = FakeDevice(capability="SM120")
    opener()
    opener.builder.library = "fake 2.0"
    opener()
    assert opener.builder.built[2:] == [("SM120", "float32")] * 4


def test_what_was_compiled_for_this_gpu_is_kept_beside_the_engine(opener: Opener) -> None:
    opener()
    opener()
    compiled = [given for _, given in opener.device.loaded]
    assert compiled == [None, None, *[b"compiled for this GPU"] * 2]
    opener.kept("step-*-compiled.cache").write_bytes(b"broken")
    opener()
    assert opener.device.loaded[4][1] is None, "a broken one counts as none"


@pytest.mark.parametrize("damage", [b"", b"not an engine"])
def test_a_corrupt_engine_is_built_anew(opener: Opener, damage: bytes) -> None:
    opener()
    opener.kept("step-*.engine").write_bytes(damage)
    opener()
    assert len(opener.builder.built) == 3


def test_an_engine_that_the_device_refuses_is_built_anew_once(opener: Opener) -> None:
    opener()
    path = opener.kept("decode-*.engine")
    store.keep(path, b"of another driver")
    opener.device.refuses.add(b"of another driver")
    opener.said.clear()
    opener()
    assert opener.said[0].startswith("tensorrt: the kept decode does not work (this engine is not")
    assert len(opener.builder.built) == 3
    opener.device.refuses.add(path.read_bytes())
    with pytest.raises(BackendError, match="this engine is not for this device"):
        opener()


@pytest.mark.parametrize(("before_ms", "warns"), [(b"0.0001", True), (b"1000000", False)])
def test_new_engines_that_are_slower_than_those_before_are_reported(
    opener: Opener, before_ms: bytes, warns: bool
) -> None:
    record = opener.cache / "tiny-SM89-float32.json"
    store.keep(record, before_ms)
    opener()
    assert any("slower than before" in line for line in opener.said) == warns
    taken = store.recall(record)
    assert taken not in (None, before_ms)
    opener()
    assert store.recall(record) == taken, "nothing was built"


def play(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load the world as the commands do; its resident is what the opener opens."""
    monkeypatch.setitem(
        loading.RESIDENTS, "tensorrt", lambda _directory, _say, log: opener(log_operators=log)
    )  # type: ignore[index]
    return load_world(opener.directory, backend="tensorrt", say=opener.said.append)


def test_the_loader_plays_on_the_device(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    world = play(opener, monkeypatch)
    assert (world.backend, world.note) == ("tensorrt", "")


def test_the_parity_of_a_resident_is_measured_like_any_other(
    opener: Opener, exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    monkeypatch.setattr("export.parity.opening_of", lambda _seed, _count: frames)
    play(opener, monkeypatch)
    assert roll_out_parity(opener.directory, 8, backend="tensorrt").failure is None


def run_out_of_memory(opener: Opener, _: pytest.MonkeyPatch) -> str:
    opener.device = FakeDevice(size=4096)
    return "out of GPU memory"


def refuse_every_engine(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> str:
    def load(engine: bytes, compiled: bytes | None) -> Any:
        raise BackendError("made for another version of TensorRT")

    monkeypatch.setattr(opener.device, "load", load)
    return "made for another version of TensorRT"


def refuse_this_gpu(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> str:
    def build(graph: bytes, capability: str, precision: str) -> bytes:
        raise WorldError("TensorRT-RTX 1.7 does not know GPUs of compute capability SM52")

    monkeypatch.setattr(opener.builder, "build", build)
    return "does not know GPUs"


@pytest.mark.parametrize("failure", [run_out_of_memory, refuse_every_engine, refuse_this_gpu])
def test_the_default_plays_and_says_why_where_the_device_cannot(
    opener: Opener, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    reason = failure(opener, monkeypatch)
    world = play(opener, monkeypatch)
    assert world.backend == "onnxruntime"
    assert reason in world.note
    assert reason in opener.said[-1]
    assert "\n" not in opener.said[-1]
    with pytest.raises(WorldError, match=f"tensorrt: .*{reason}"):
        load_world(opener.directory, backend="tensorrt")


@pytest.mark.parametrize("missing", [("tensorrt", *RTX), ("cuda",), ("onnx",)], ids=" ".join)
def test_a_library_that_is_missing_is_named_with_its_cure(
    exported: Any, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    for name in [n for n in sys.modules if n.startswith(("export.cuda", "export.tensorrt_"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in missing:
        for loaded in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, name, None)
    said: list[str] = []
    world = load_world(exported.directory, backend="tensorrt", say=said.append)
    assert world.backend == "onnxruntime"
    assert "pip install 'rollplay[tensorrt]'" in said[0]


def has_gpu() -> bool:
    from export.cuda import Cuda
    from export.tensorrt_library import find_library

    try:
        Cuda(find_library())
    except BackendError:
        return False
    return True


def test_a_machine_without_a_gpu_says_so_and_the_default_plays(exported: Any) -> None:
    pytest.importorskip("cuda.bindings")
    pytest.importorskip("tensorrt_rtx_bindings")
    if has_gpu():
        pytest.skip("there is a GPU here")
    said: list[str] = []
    world = load_world(exported.directory, backend="tensorrt", say=said.append)
    assert world.backend == "onnxruntime"
    assert len(said) == 1
    assert said[0].startswith("tensorrt cannot play tiny (")
    assert world.note in said[0]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["", "-fp16", "-bf16"])
def test_a_gpu_plays_what_torch_does(
    exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    pytest.importorskip("cuda.bindings")
    if not has_gpu():
        pytest.skip("no GPU here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    monkeypatch.setattr("export.parity.opening_of", lambda _seed, _count: frames)
    found = roll_out_parity(exported.directory, 60, backend=f"tensorrt{precision}")
    assert found.failure is None, found


@pytest.mark.gpu
def test_a_gpu_captures_a_tick(exported: Any, tmp_path: Path) -> None:
    cuda = pytest.importorskip("export.cuda")
    if not has_gpu():
        pytest.skip("no GPU here")
    from export.tensorrt_engines import Builder
    from export.tensorrt_library import find_library

    library = find_library()
    device = cuda.Cuda(library)
    ticks = open_ticks(
        exported.directory, "float32", builder=Builder(library), device=device,
        say=lambda _: None, cache=tmp_path,
    )  # fmt: skip
    work = device.record(ticks._queue)
    assert work != ticks._queue, "not captured"
    work()
    device.wait()
