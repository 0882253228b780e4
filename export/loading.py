"""Opens a world bundle on a backend. The one place that knows which backends there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from export.fastest import choose
from export.onnxruntime_backend import OnnxRuntimeBackend
from world_model.errors import WorldError
from world_model.world import Backend, RollingWorld, read_config

DEFAULT: Final = "onnxruntime"
AUTO: Final = "auto"
TRIED: Final = (DEFAULT, "openvino", "openvino-bf16")
"""What `AUTO` chooses from: all but torch, which is the reference and slow to load."""


def load_world(
    directory: Path,
    *,
    backend: str = DEFAULT,
    threads: int | None = None,
    log_operators: bool = False,
    say: Callable[[str], object] | None = None,
) -> RollingWorld:
    """Load a world bundle; raises WorldError where it is missing or broken.

    `backend` is one of `BACKENDS`, or `AUTO` for the fastest of `TRIED`; where it cannot be had,
    `say` is told why, and ONNX Runtime plays (without `say`, its error is raised).
    `threads` defaults to the physical cores of this machine, or 2 hyper-threads of one;
    `log_operators` makes every node of ONNX Runtime's graphs log its times, which slows them.
    """
    config = read_config(directory)

    def load(name: str) -> RollingWorld:
        return RollingWorld(config, BACKENDS[name](directory, threads))

    if backend == AUTO:
        choice = choose(directory, TRIED, load, threads=threads)
        backend = choice.backend
        if say is not None:
            say(str(choice))
    if backend != DEFAULT:
        try:
            return load(backend)
        except (ImportError, WorldError) as error:
            if say is None:
                raise WorldError(f"{backend}: {_reason(error)}") from None
            say(f"{backend} cannot play {config.name} ({_reason(error)}); {DEFAULT} does")
    if log_operators:
        return RollingWorld(config, OnnxRuntimeBackend(directory, threads, log_operators=True))
    return load(DEFAULT)


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return f"needs pip install 'rollplay[{_EXTRAS[error.name]}]'"
    return str(error)


def _openvino(precision: str) -> Callable[[Path, int | None], Backend]:
    def load(directory: Path, threads: int | None) -> Backend:
        from export.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(directory, threads, precision=precision)

    return load


def _torch(*, compiled: bool) -> Callable[[Path, int | None], Backend]:
    def load(directory: Path, threads: int | None) -> Backend:
        from export.torch_backend import TorchBackend

        return TorchBackend(directory, threads, compiled=compiled)

    return load


_EXTRAS: Final = {"openvino": "openvino", "torch": "train", "safetensors": "train"}
BACKENDS: Final[Mapping[str, Callable[[Path, int | None], Backend]]] = {
    DEFAULT: OnnxRuntimeBackend,
    "openvino": _openvino("f32"),
    "openvino-bf16": _openvino("bf16"),
    "torch": _torch(compiled=False),
    "torch-compiled": _torch(compiled=True),
}
