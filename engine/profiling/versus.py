"""This program against another state of itself: a revision, profiled in turn with the present one.

Each run is `rollplay profile --json` in a process of its own; their series are put end to end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.errors import ProfileError
from engine.profiling.compare import Ratio, compare, parse_document

ROOT = Path(__file__).resolve().parents[2]
RUN = "from engine.cli import main; main()"
SERIES = ("tick", "frame_time")


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Lay a revision of this checkout out in a folder for a while; raises ProfileError."""
    with TemporaryDirectory(prefix="rollplay-") as folder:
        place = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(place), revision)
        try:
            yield place
        finally:
            _git("worktree", "remove", "--force", str(place))


def versus(
    sides: Sequence[tuple[Path, Sequence[str]]],
    arguments: Sequence[str],
    *,
    rounds: int,
    done: Callable[[], object] = lambda: None,
) -> list[Ratio]:
    """Profile two trees in turn, each with its own extra arguments; B by A. `done` after each."""
    documents: list[dict[str, Any]] = []
    for turn in range(2 * rounds):
        # ABBA: neither side always comes first.
        index = turn % 2 if turn % 4 < 2 else 1 - turn % 2
        tree, own = sides[index]
        documents.append(_profile(tree, [*arguments, *own]) | {"side": index})
        done()
    joined = [
        {"series_ms": {key: [x for d in documents if d["side"] == side for x in d["series_ms"][key]]
                       for key in SERIES}}
        for side in (0, 1)
    ]  # fmt: skip
    return compare(*joined)


def _profile(tree: Path, arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-c", RUN, "profile", *arguments, "--json"]
    ran = subprocess.run(
        command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProfileError(f"{tree.name}: rollplay {' '.join(command[3:])}: {reason}")
    return parse_document(ran.stdout, "its output")


def _git(*arguments: str) -> None:
    try:
        ran = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ProfileError("a revision can be compared with in a git checkout only") from None
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProfileError(f"git {' '.join(arguments[:2])}: {reason}")
