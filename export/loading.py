"""Opens a world bundle on a backend. The one place that knows which backends there are."""

from __future__ import annotations

from pathlib import Path

from export.onnxruntime_backend import OnnxRuntimeBackend
from world_model.world import RollingWorld, read_config


def load_world(
    directory: Path, *, threads: int | None = None, log_operators: bool = False
) -> RollingWorld:
    """Load a world bundle on ONNX Runtime; raises WorldError where it is missing or broken.

    `threads` defaults to the physical cores of this machine, or 2 hyper-threads of one;
    `log_operators` makes every node of the graphs log its times, which slows them.
    """
    config = read_config(directory)
    backend = OnnxRuntimeBackend(directory, threads=threads, log_operators=log_operators)
    return RollingWorld(config, backend)
