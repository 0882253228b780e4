"""The parts that commands are put together from, so that a test can bring its own.

Imports nothing heavy until it is called for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.pacing import Clock, SystemClock

if TYPE_CHECKING:
    from engine.loop import World

    LoadWorld = Callable[[Path, int | None], World]


def load_real_world(directory: Path, threads: int | None) -> World:
    """Load a world bundle; this is what imports ONNX Runtime."""
    from world_model.world import load_world

    return load_world(directory, threads=threads)


@dataclass(frozen=True)
class Parts:
    """Where worlds and time come from."""

    load_world: LoadWorld = load_real_world
    clock: Clock = field(default_factory=SystemClock)
