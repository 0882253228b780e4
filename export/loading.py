"""Opens a world bundle on a backend. The one place that knows which backends there are.

A resident starts sessions on the default backend and ticks on a device of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from export import gpu
from export.fastest import choose
from export.onnxruntime_backend import CUDA, TENSORRT_RTX, OnnxRuntimeBackend
from world_model.backend import Backend, Resident
from world_model.bundle import read_config
from world_model.errors import WorldError
from world_model.world import RollingWorld

Open = Callable[[Path, int | None, bool], Backend]
"""Opens the graphs of a bundle: on so many threads, and whether operators log their times."""
OpenResident = Callable[[Path, Callable[[str], object], bool], Resident]
"""Opens the ticks of a bundle on a device: whom to tell what takes long, or is odd, and whether
operators log their times."""

DEFAULT: Final = "onnxruntime"
AUTO: Final = "auto"
ON_GPU: Final = (
    "tensorrt",
    "tensorrt-fp16",
    "tensorrt-bf16",
    "onnxruntime-trt-rtx",
    "onnxruntime-cuda",
    "torch-cuda-graph",
)
TRIED: Final = (DEFAULT, "openvino", "openvino-bf16", *ON_GPU)
"""What `AUTO` chooses from: not torch on the CPU, which is the reference and slow to load."""


def load_world(
    directory: Path,
    *,
    backend: str = DEFAULT,
    threads: int | None = None,
    log_operators: bool = False,
    say: Callable[[str], object] | None = None,
) -> RollingWorld:
    """Load a world bundle; raises WorldError where it is missing or broken.

    `backend` is one of `BACKENDS` or `RESIDENTS`, or `AUTO` for the fastest of `TRIED`; where it
    cannot be had, or fails in a game, `say` is told why, the world notes it, and ONNX Runtime plays
    (without `say`, its error is raised).
    `threads` defaults to the physical cores of this machine, or 2 hyper-threads of one;
    `log_operators` makes every operator of the graphs log its times, which slows them.
    """
    config = read_config(directory)

    def load(name: str, *, strict: bool = False) -> RollingWorld:
        if name not in RESIDENTS:
            return RollingWorld(config, BACKENDS[name](directory, threads, log_operators))
        ticks = RESIDENTS[name](directory, say or (lambda _: None), log_operators)
        here = BACKENDS[DEFAULT](directory, threads, False)
        return RollingWorld(config, here, ticks, say=None if strict else say)

    note = ""
    if backend == AUTO:
        absent = {} if gpu.has_driver() else dict.fromkeys(ON_GPU, gpu.NO_DRIVER)
        choice = choose(
            directory, TRIED, partial(load, strict=True), threads=threads, left_out=absent,
            reason=_reason,
        )  # fmt: skip
        backend = choice.backend
        if say is not None:
            say(str(choice))
    if backend != DEFAULT:
        try:
            return load(backend)
        except (ImportError, WorldError) as error:
            if say is None:
                raise WorldError(f"{backend}: {_reason(error)}") from None
            note = f"{backend} cannot play {config.name} ({_reason(error)})"
            say(f"{note}; {DEFAULT} does")
    world = load(DEFAULT)
    world.note = note
    return world


def _reason(error: Exception) -> str:
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    extra = _EXTRAS.get(missing.partition(".")[0])
    if extra:
        return f"needs pip install 'rollplay[{extra}]'"
    return next(iter(str(error).splitlines()), type(error).__name__)


def _openvino(precision: str) -> Open:
    def open_graphs(directory: Path, threads: int | None, log_operators: bool) -> Backend:
        from export.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(directory, threads, log_operators, precision=precision)

    return open_graphs


def _torch(*, compiled: bool) -> Open:
    def open_graphs(directory: Path, threads: int | None, log_operators: bool) -> Backend:
        from export.torch_backend import TorchBackend

        return TorchBackend(directory, threads, log_operators, compiled=compiled)

    return open_graphs


def _torch_ticks(directory: Path, _say: Callable[[str], object], _log_operators: bool) -> Resident:
    from export.torch_ticks import open_torch_ticks

    return open_torch_ticks(directory)


def _tensorrt(precision: str) -> OpenResident:
    def open_resident(
        directory: Path, say: Callable[[str], object], log_operators: bool
    ) -> Resident:
        from export.cuda import Cuda
        from export.tensorrt_backend import open_ticks
        from export.tensorrt_engines import Builder
        from export.tensorrt_library import find_library

        library = find_library()
        device, builder = Cuda(library), Builder(library)
        return open_ticks(
            directory, precision, builder=builder, device=device, say=say,
            log_operators=log_operators,
        )  # fmt: skip

    return open_resident


_EXTRAS: Final = {
    "openvino": "openvino",
    "torch": "train",
    "safetensors": "train",
    "cuda": "tensorrt",
    "onnx": "tensorrt",
}
BACKENDS: Final[Mapping[str, Open]] = {
    DEFAULT: OnnxRuntimeBackend,
    "onnxruntime-cuda": partial(OnnxRuntimeBackend, provider=CUDA),
    "onnxruntime-trt-rtx": partial(OnnxRuntimeBackend, provider=TENSORRT_RTX),
    "openvino": _openvino("f32"),
    "openvino-bf16": _openvino("bf16"),
    "torch": _torch(compiled=False),
    "torch-compiled": _torch(compiled=True),
}
RESIDENTS: Final[Mapping[str, OpenResident]] = {
    "tensorrt": _tensorrt("float32"),
    "tensorrt-fp16": _tensorrt("fp16"),
    "tensorrt-bf16": _tensorrt("bf16"),
    "torch-cuda-graph": _torch_ticks,
}
