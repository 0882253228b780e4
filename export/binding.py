"""What backends that run ONNX graphs share: what they ask of a bundle, and how calls are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from world_model.backend import Buffers
from world_model.errors import WorldError

SCOPES: Final = "pkg.torch.onnx.name_scopes"
"""Under this key every node of a graph says which modules it belongs to."""


def graph_path(directory: Path, graph: str) -> Path:
    """Return where a bundle's graph lies; raises WorldError where it is missing."""
    path = directory / f"{graph}.onnx"
    if not path.exists():
        raise WorldError(f"{path}: missing; export the world again")
    return path


def check_fit(graph: str, wanted: Mapping[str, tuple[int, ...]], arrays: Buffers) -> None:
    """Raise WorldError unless `arrays` have the names and shapes that the graph wants."""
    given = {name: array.shape for name, array in arrays.items()}
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise WorldError(
                f"{graph}.onnx does not fit config.json: {name!r} is {wanted.get(name)}, "
                f"expected {given.get(name)}; export the world again"
            )


def followed_by(then: Callable[[], object] | None, run: Callable[[], None]) -> Callable[[], None]:
    """Return a call that does both; `run` itself where nothing follows."""
    if then is None:
        return run

    def both() -> None:
        run()
        then()

    return both
