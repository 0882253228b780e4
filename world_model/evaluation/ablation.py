"""The rows of an ablation: what was trained and measured under which settings, kept in one file.

Trains and exports nothing itself; `ablation_report` shows the rows.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from world_model.errors import DataError
from world_model.evaluation.side_by_side import Course, TrueGame, World

ROWS_FILE: Final = "ablations.json"
WARM_UP_TICKS: Final = 10

Row = dict[str, Any]
"""`settings`, `steps`, `minutes`, `evaluation` (see `Evaluation.document`), `speed`."""


class Ablation:
    """A directory of trained variants, and the rows known of them."""

    def __init__(self, directory: Path) -> None:
        """Read the rows there are; raises DataError for a file that is none of ours."""
        self.directory, self.path = directory, directory / ROWS_FILE
        self.rows = self._read()

    def _read(self) -> list[Row]:
        if not self.path.exists():
            return []
        try:
            rows: list[Row] = json.loads(self.path.read_text(encoding="utf-8"))["rows"]
            for row in rows:
                _ = row["settings"]["variant"]["name"], row["evaluation"], row["speed"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.path}: not the rows of an ablation ({error!r}); choose another --out"
            ) from None
        return rows

    def find(self, settings: Mapping[str, Any]) -> Row | None:
        """Return the row of exactly these settings, if there is one."""
        wanted = json.loads(json.dumps(settings))
        return next((row for row in self.rows if row["settings"] == wanted), None)

    def alike(self, shared: Mapping[str, Any]) -> list[Row]:
        """Return the rows whose settings include these: they can be compared."""
        return [row for row in self.rows if shared.items() <= row["settings"].items()]

    def keep(self, row: Row) -> None:
        """Add a row, and write all of them."""
        self.rows.append(json.loads(json.dumps(row)))
        self.save()

    def save(self) -> None:
        """Write all rows, those that others have added meanwhile, too; an interrupted write leaves
        the old ones."""
        mine = [row["settings"] for row in self.rows]
        self.rows += [row for row in self._read() if row["settings"] not in mine]
        self.directory.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"rows": self.rows}, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.path)

    def place(self, training: Mapping[str, Any]) -> Path:
        """Return the directory of what is trained under these settings, and under no others."""
        digest = hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()[:8]
        return self.directory / f"{training['variant']['name']}-{digest}"


def digest_of(*paths: Path) -> str:
    """Return what tells the contents of files apart."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def speeds(
    worlds: Mapping[Path, World],
    course: Course,
    ticks: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Path, dict[str, float]]:
    """Return `fps` and `tick_p99_ms` of worlds that tick in turn, so that a slow moment of the
    machine hits them alike."""
    for world in worlds.values():
        world.reset(TrueGame(course).start(world.start_frames), seed=0)
    held = np.random.default_rng(0).random((WARM_UP_TICKS + ticks, 1)) < 0.4
    taken = np.zeros((len(held), len(worlds)))
    for tick, pressed in enumerate(held):
        for column, world in enumerate(worlds.values()):
            action = np.repeat(pressed, len(world.buttons))
            began = clock()
            world.step(action)
            taken[tick, column] = clock() - began
    taken = taken[WARM_UP_TICKS:]
    fps, p99_ms = 1 / taken.mean(0), 1000 * np.percentile(taken, 99, 0)
    return {
        path: {"fps": round(float(rate), 2), "tick_p99_ms": round(float(slow), 2)}
        for path, rate, slow in zip(worlds, fps, p99_ms, strict=True)
    }
