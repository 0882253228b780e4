"""A scene: which world plays it, how it starts, its keys and its display.

Finds and loads scene files and renders the first frames from the scene's level. Knows nothing
about windows, keyboards or models: from the first frame on, the network draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import Level
from games.platformer.opening import opening
from games.platformer.themes import Palette
from games.problems import SceneErrors, SourceProblem, nearest
from games.schema import Sink, read_scene_fields
from games.yaml_source import parse_yaml, read_source

SCENES: Final = Path(__file__).parent
WORLDS: Final = SCENES.parent / "assets" / "worlds"


@dataclass(frozen=True, eq=False)
class Scene:
    """A checked scene; `keys` maps each button to pygame key names, `scale` is window px per px."""

    name: str
    path: Path
    title: str
    world: str
    level: Level
    palette: Palette
    keys: Mapping[str, tuple[str, ...]]
    fps: int
    scale: int
    seed: int
    sink: Sink


def bundle_directory(world: str) -> Path:
    """Return where a world's bundle lies: of a shipped one by its name, else its directory."""
    shipped = WORLDS / world
    return Path(world) if Path(world).is_dir() and not shipped.is_dir() else shipped


def load_scene(path: Path, *, worlds: Path = WORLDS) -> Scene:
    """Read and check a scene file.

    Raises SceneErrors with everything that is wrong with it.
    """
    path = Path(path)
    source = read_source(path)
    document = parse_yaml(source)
    if document is None:
        if not source.problems:
            source.report(0, 0, "the file is empty", expected="a scene")
        raise SceneErrors(source.problems)
    fields = read_scene_fields(document, source, _world_names(worlds))
    if source.problems or fields.level is None:
        raise SceneErrors(source.problems)
    return Scene(
        name=path.stem,
        path=path,
        title=fields.title,
        world=fields.world,
        level=fields.level,
        palette=fields.palette,
        keys=fields.keys,
        fps=fields.fps,
        scale=fields.scale,
        seed=fields.seed,
        sink=fields.sink,
    )


def find_scenes() -> list[Path]:
    """List the shipped scene files by name."""
    return sorted(SCENES.glob("*.yaml"))


def resolve_scene(name_or_path: str) -> Path:
    """Find a shipped scene by its name, or any scene file by its path.

    Raises SceneErrors, with the nearest name, where there is neither.
    """
    shipped = {path.stem: path for path in find_scenes()}
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if _exists(path):
        return path
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        beside = {str(path.parent / other.name) for other in _yaml_files(path.parent)}
        raise _not_found(path, "no such file", "a scene file (*.yaml)", nearest(str(path), beside))
    expected = f"one of {', '.join(shipped)}, or the path of a scene file"
    raise _not_found(path, "no such scene", expected, nearest(name_or_path, shipped))


def start_frames(scene: Scene, count: int) -> NDArray[np.uint8]:
    """Render the frames that a session of the scene starts from (see `opening`)."""
    return opening(scene.level, scene.palette, count)


def _world_names(worlds: Path) -> list[str]:
    return sorted(path.name for path in worlds.glob("*/")) if worlds.is_dir() else []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or one with a NUL
        return False


def _yaml_files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"}]
    except (OSError, ValueError):
        return []


def _not_found(path: Path, message: str, expected: str, suggestion: str) -> SceneErrors:
    problem = SourceProblem(path, 1, 1, message, expected=expected, suggestion=suggestion)
    return SceneErrors([problem])
