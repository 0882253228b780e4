"""Opens a world bundle on a backend. The one place that knows which backends there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from export.fastest import choose
from export.onnxruntime_backend import OnnxRuntimeBackend
from world_model.errors import WorldError
from world_model.world import Backend, RollingWorld, read_config

Open = Callable[[Path, int | None, bool], Backend]
"""Opens the graphs of a bundle: on so many threads, and whether operators log their times."""

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
    `log_operators` makes every operator of the graphs log its times, which slows them.
    """
    config = read_config(directory)

    def load(name: str) -> RollingWorld:
        return RollingWorld(config, BACKENDS[name](directory, threads, log_operators))

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
    return load(DEFAULT)


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return f"needs pip install 'rollplay[{_EXTRAS[error.name]}]'"
    return str(error)


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


_EXTRAS: Final = {"openvino": "openvino", "torch": "train", "safetensors": "train"}
BACKENDS: Final[Mapping[str, Open]] = {
    DEFAULT: OnnxRuntimeBackend,
    "openvino": _openvino("f32"),
    "openvino-bf16": _openvino("bf16"),
    "torch": _torch(compiled=False),
    "torch-compiled": _torch(compiled=True),
}
