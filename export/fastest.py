"""Which backend is the fastest here: measured once on this machine, for two seconds, and kept.

Only backends that are installed take part. ONNX Runtime stays where no other is clearly faster: it
is the one that every number of a world was measured with.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import numpy as np

from export import store
from export.binding import graph_path
from export.onnxruntime_backend import default_threads
from world_model.errors import WorldError
from world_model.world import RollingWorld

BUDGET_S: Final = 2.0
WARM_UP_TICKS: Final = 3
CLEARLY: Final = 0.95
"""Another backend is chosen if its tick takes less than this part of the default's."""

Load = Callable[[str], RollingWorld]


class Choice(NamedTuple):
    """The chosen backend, and the median ms of a tick of all that took part, if more than one."""

    backend: str
    tick_ms: dict[str, float]
    remembered: bool = False

    def __str__(self) -> str:
        if not self.tick_ms:
            return f"{self.backend} plays: no other backend is installed"
        times = ", ".join(f"{name} {ms:.1f}" for name, ms in self.tick_ms.items())
        how = "remembered" if self.remembered else "measured"
        return f"{self.backend} plays: fastest here (ms a tick, {how}: {times})"


def choose(
    directory: Path, candidates: Sequence[str], load: Load, *, threads: int | None
) -> Choice:
    """Return the fastest of `candidates` for a world bundle; the first is the default.

    Those that `load` cannot open, with ImportError or WorldError, do not take part; raises what it
    raises for the default.
    """
    kept = store.place("backends") / f"{_key(directory, threads)}.json"
    tick_ms = _recalled(kept, candidates)
    if tick_ms:
        return Choice(_best(tick_ms, candidates[0]), tick_ms, remembered=True)
    worlds = {candidates[0]: load(candidates[0])}
    for name in candidates[1:]:
        with suppress(ImportError, WorldError):
            worlds[name] = load(name)
    if len(worlds) == 1:
        return Choice(candidates[0], {})
    tick_ms = _measure(worlds)
    store.keep(kept, json.dumps(tick_ms).encode())
    return Choice(_best(tick_ms, candidates[0]), tick_ms)


def _measure(worlds: Mapping[str, RollingWorld]) -> dict[str, float]:
    """Let the worlds tick in turn, so that a slow moment of the machine hits them alike."""
    taken: dict[str, list[float]] = {name: [] for name in worlds}
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < BUDGET_S or rounds <= WARM_UP_TICKS:
        rounds += 1
        for name, world in worlds.items():
            at = time.perf_counter()
            world.step(np.zeros(len(world.buttons), np.bool_))
            taken[name].append(1000 * (time.perf_counter() - at))
    return {name: round(median(ms[WARM_UP_TICKS:]), 2) for name, ms in taken.items()}


def _best(tick_ms: Mapping[str, float], default: str) -> str:
    fastest = min(tick_ms, key=lambda name: tick_ms[name])
    return fastest if tick_ms[fastest] < CLEARLY * tick_ms[default] else default


def _recalled(path: Path, candidates: Sequence[str]) -> dict[str, float]:
    """Return the times that were kept; none where they are of other backends, or broken."""
    known = json.loads(store.recall(path) or b"{}")
    return known if candidates[0] in known and set(known) <= set(candidates) else {}


def _key(directory: Path, threads: int | None) -> str:
    """Tell apart whatever makes a difference: the world, the machine, the libraries."""
    digest = hashlib.sha256(graph_path(directory, "step").read_bytes())
    versions = [_version(library) for library in ("onnxruntime", "openvino")]
    machine = platform.node(), platform.machine(), default_threads()
    digest.update(repr((machine, threads, versions)).encode())
    return digest.hexdigest()[:16]


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
