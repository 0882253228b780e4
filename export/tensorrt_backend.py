"""Opens a world's ticks on a GPU: kept engines where they are good, new ones where they are not.

Knows engines, their caches and their speed; a `Device` and an `EngineBuilder` do the work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from export import store
from export.device import Device, Engine
from export.layers import LayerLog
from export.resident import UP, ResidentTicks
from export.tensorrt_engines import EngineBuilder, EngineFile, build_engines
from export.tensorrt_graph import FLOAT32
from world_model.errors import BackendError

PLAYED: Final = ("step", "decode")
TIMED_TICKS: Final = 50
SLOWER: Final = 1.1
"""A tick that takes more than so many times what it took with the engines before is reported."""

Say = Callable[[str], object]


def open_ticks(
    directory: Path,
    precision: str,
    *,
    builder: EngineBuilder,
    device: Device,
    say: Say,
    cache: Path | None = None,
    log_operators: bool = False,
) -> ResidentTicks:
    """Return ticks of a bundle on a device, ready to start; raises WorldError where they fail.

    Engines are built where none are kept, or the device refuses them; `say` is told. With
    `log_operators` their layers are timed, which slows them.
    """
    cache = cache or store.place("engines")
    name = "tensorrt" if precision == FLOAT32 else f"tensorrt-{precision}"

    def engine_files(*graphs: str, anew: bool = False) -> list[EngineFile]:
        return build_engines(
            directory, device.capability, cache, builder=builder, precision=precision,
            graphs=graphs, anew=anew,
            begin=lambda graph: say(f"{name}: building {graph} for {device.capability}, once ..."),
        )  # fmt: skip

    loaded: dict[EngineFile, Engine] = {}
    for file in engine_files(*PLAYED):
        try:
            loaded[file] = _load(device, file)
        except BackendError as error:
            if file.built:
                raise
            say(f"{name}: the kept {file.graph} does not work ({error})")
            (again,) = engine_files(file.graph, anew=True)
            loaded[again] = _load(device, again)
    step, decode = loaded.values()
    ticks = ResidentTicks(name, device, step, decode, LayerLog() if log_operators else None)
    for file, engine in loaded.items():
        _keep_compiled(file, engine)
    if any(file.built for file in loaded) and not log_operators:
        record = cache / f"{directory.name}-{device.capability}-{precision}.json"
        _compare(ticks, step, record, say)
    return ticks


def _load(device: Device, file: EngineFile) -> Engine:
    return device.load(file.path.read_bytes(), store.recall(_compiled(file)))


def _keep_compiled(file: EngineFile, engine: Engine) -> None:
    compiled = engine.compiled()
    if compiled is not None and compiled != store.recall(_compiled(file)):
        store.keep(_compiled(file), compiled)


def _compiled(file: EngineFile) -> Path:
    return file.path.with_name(f"{file.path.stem}-compiled.cache")


def _compare(ticks: ResidentTicks, step: Engine, record: Path, say: Say) -> None:
    """Time new engines, and warn where those before them were faster."""
    idle = {name: np.zeros(step.tensors[name].shape, step.tensors[name].dtype) for name in UP}
    taken = []
    for _ in range(TIMED_TICKS):
        began = time.perf_counter()
        ticks.tick(idle)
        taken.append(1000 * (time.perf_counter() - began))
    tick_ms = median(taken)
    before = store.recall(record)
    if before is not None and tick_ms > SLOWER * json.loads(before):
        say(f"{ticks.name}: slower than before: {tick_ms:.2f} ms a tick, not {json.loads(before)}")
    store.keep(record, json.dumps(round(tick_ms, 3)).encode())
