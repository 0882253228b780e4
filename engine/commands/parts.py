"""The parts that commands are put together from, so that a test can bring its own.

Imports nothing heavy until it is called for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.pacing import Clock, SystemClock

if TYPE_CHECKING:
    from engine.loop import World
    from games.scene import Scene


@dataclass(frozen=True)
class BackendOptions:
    """How a world's graphs are run; see `export.loading.load_world`.

    A backend that cannot be had is an error if `strict`, else the default one plays.
    """

    backend: str = "onnxruntime"
    threads: int | None = None
    log_operators: bool = False
    strict: bool = False


def load_shipped_world(name: str, options: BackendOptions) -> World:
    """Load a world bundle, by name or directory; this is what imports ONNX Runtime."""
    from export.loading import load_world
    from games.scene import bundle_directory

    return load_world(
        bundle_directory(name),
        backend=options.backend,
        threads=options.threads,
        log_operators=options.log_operators,
        say=None if options.strict else partial(click.echo, err=True),
    )


def load_checked_scene(path: Path) -> Scene:
    """Load a scene file, raising SceneErrors with everything that is wrong with it."""
    from games.scene import load_scene

    return load_scene(path)


@dataclass(frozen=True)
class Parts:
    """Where scenes, worlds and time come from."""

    load_scene: Callable[[Path], Scene] = load_checked_scene
    load_world: Callable[[str, BackendOptions], World] = load_shipped_world
    clock: Clock = field(default_factory=SystemClock)

    def scene(self, name_or_path: str, world: str | None = None) -> Scene:
        """Find and load a scene, to be played in its own world or another."""
        from games.scene import resolve_scene

        scene = self.load_scene(resolve_scene(name_or_path))
        return scene if world is None else replace(scene, world=world)
