"""Which backend is the fastest here: measured once on this machine, for two seconds, and kept.

Only backends that are installed, and whose device is here, take part. ONNX Runtime stays where no
other is clearly faster: it is the one that every number of a world was measured with.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np

from export import gpu, store
from export.binding import graph_path
from export.onnxruntime_backend import default_threads
from world_model.errors import BackendError, WorldError
from world_model.world import RollingWorld

BUDGET_S: Final = 2.0
WARM_UP_TICKS: Final = 3
CLEARLY: Final = 0.95
"""Another backend is chosen if its tick takes less than this part of the default's."""

Load = Callable[[str], RollingWorld]
Reason = Callable[[Exception], str]
LIBRARIES: Final = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "torch",
    "tensorrt",
    "tensorrt-rtx-cu13-libs",
    "cuda-bindings",
)


class Choice(NamedTuple):
    """The chosen backend, the median ms of a tick of all that took part, if more than one, and why
    the others did not."""

    backend: str
    tick_ms: dict[str, float]
    left_out: dict[str, str]
    remembered: bool = False

    def __str__(self) -> str:
        if self.tick_ms:
            times = ", ".join(f"{name} {ms:.1f}" for name, ms in self.tick_ms.items())
            how = "remembered" if self.remembered else "measured"
            said = f"{self.backend} plays: fastest here (ms a tick, {how}: {times})"
        else:
            said = f"{self.backend} plays: no other backend can be had here"
        reasons = dict.fromkeys(self.left_out.values())
        return "".join([said, *(f"; {self._named(reason)}: {reason}" for reason in reasons)])

    def _named(self, reason: str) -> str:
        return ", ".join(name for name, why in self.left_out.items() if why == reason)


def choose(
    directory: Path,
    candidates: Sequence[str],
    load: Load,
    *,
    threads: int | None,
    left_out: Mapping[str, str] | None = None,
    reason: Reason = str,
) -> Choice:
    """Return the fastest of `candidates` for a world bundle; the first is the default.

    Those in `left_out`, and those that `load` cannot open, with ImportError or WorldError, do not
    take part, nor do those whose device then fails; `reason` says why. Raises what `load` raises
    for the default.
    """
    kept = store.place("backends") / f"{_key(directory, threads)}.json"
    known = _recalled(kept, candidates)
    if known is not None:
        return Choice(_best(known["tick_ms"], candidates[0]), **known, remembered=True)
    left_out = dict(left_out or {})
    worlds = {candidates[0]: load(candidates[0])}
    for name in candidates[1:]:
        if name in left_out:
            continue
        try:
            worlds[name] = load(name)
        except (ImportError, WorldError) as error:
            left_out[name] = reason(error)
    tick_ms = _measure(worlds, left_out, reason) if len(worlds) > 1 else {}
    if len(tick_ms) < 2:
        return Choice(candidates[0], {}, left_out)
    store.keep(kept, json.dumps({"tick_ms": tick_ms, "left_out": left_out}).encode())
    return Choice(_best(tick_ms, candidates[0]), tick_ms, left_out)


def _measure(
    worlds: dict[str, RollingWorld], left_out: dict[str, str], reason: Reason
) -> dict[str, float]:
    """Let the worlds tick in turn, so that a slow moment of the machine hits them alike.

    One whose device fails is left out from then on.
    """
    taken: dict[str, list[float]] = {name: [] for name in worlds}
    began, rounds = time.perf_counter(), 0
    while time.perf_counter() - began < BUDGET_S or rounds <= WARM_UP_TICKS:
        rounds += 1
        for name, world in tuple(worlds.items()):
            at = time.perf_counter()
            try:
                world.step(np.zeros(len(world.buttons), np.bool_))
            except BackendError as error:
                left_out[name] = reason(error)
                del worlds[name]
            taken[name].append(1000 * (time.perf_counter() - at))
    return {name: round(median(taken[name][WARM_UP_TICKS:]), 2) for name in worlds}


def _best(tick_ms: Mapping[str, float], default: str) -> str:
    fastest = min(tick_ms, key=lambda name: tick_ms[name])
    return fastest if tick_ms[fastest] < CLEARLY * tick_ms[default] else default


def _recalled(path: Path, candidates: Sequence[str]) -> dict[str, Any] | None:
    """Return the times and reasons that were kept; None where they are of other backends."""
    known: dict[str, Any] = json.loads(store.recall(path) or b"{}")
    named = {name for part in known.values() for name in part}
    return known if named == set(candidates) else None


def _key(directory: Path, threads: int | None) -> str:
    """Tell apart whatever makes a difference: the world, the machine, the libraries."""
    digest = hashlib.sha256(graph_path(directory, "step").read_bytes())
    versions = [_version(library) for library in LIBRARIES]
    card = gpu.has_driver(), gpu.described()
    machine = platform.node(), platform.machine(), default_threads(), card
    digest.update(repr((machine, threads, versions)).encode())
    return digest.hexdigest()[:16]


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
