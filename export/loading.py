"""Opens a world bundle on a backend. The one place that knows which backends there are."""

from __future__ import annotations

from pathlib import Path

from export.onnxruntime_backend import OnnxRuntimeBackend
from world_model.world import RollingWorld, read_config


def load_world(directory: Path, *, threads: int | None = None) -> RollingWorld:
    """Load a world bundle on ONNX Runtime; raises WorldError where it is missing or broken.

    `threads` defaults to the physical cores of this machine, or 2 hyper-threads of one.
    """
    config = read_config(directory)
    return RollingWorld(config, OnnxRuntimeBackend(directory, threads=threads))
