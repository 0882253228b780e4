"""Backends side by side: each in a process of its own, ticking in turn.

So a slow moment of the machine hits them alike, and none has the other's threads or memory in its
way. Knows neither backends nor worlds: the loader does.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ProfileError
from engine.profiling.memory import peak_rss_mb

if TYPE_CHECKING:
    from engine.loop import Frames, World

Load = Callable[[str], "World"]
Start = Callable[[int], "Frames"]
WARM_UP_TICKS = 10
HOLD_TICKS = 12
"""For so long a random player holds its buttons."""
PERCENTILES = (50, 95, 99)


@dataclass
class Side:
    """What one backend did: the work of its ticks (denoise and decode), in ms, over all rounds.

    `error` says why it cannot play, if so; `start_s` is the time from loading to the first frame.
    """

    backend: str
    start_s: float = 0.0
    peak_rss_mb: float | None = None
    error: str | None = None
    tick_ms: list[float] = field(default_factory=list)

    def document(self, gflop: float | None, peak_gflops: float) -> dict[str, Any]:
        """Return the JSON form. `gflop`: the work of a tick, if known."""
        if self.error is not None:
            return {"error": self.error}
        p50, p95, p99 = (float(x) for x in np.percentile(self.tick_ms, PERCENTILES))
        rate = None if gflop is None else 1000 * gflop / p50
        return {
            "fps": round(1000 / float(np.mean(self.tick_ms)), 2),
            "tick_ms": {"p50": round(p50, 3), "p95": round(p95, 3), "p99": round(p99, 3)},
            "gflops": None if rate is None else round(rate, 1),
            "share_of_peak": None if rate is None else round(rate / peak_gflops, 3),
            "start_s": round(self.start_s, 2),
            "peak_rss_mb": self.peak_rss_mb,
        }


def measure(
    load: Load,
    start: Start,
    backends: Sequence[str],
    *,
    ticks: int,
    rounds: int,
    done: Callable[[], object] = lambda: None,
) -> list[Side]:
    """Play on each backend for `rounds` times `ticks`, in turn; `done` is called after each.

    `load` opens the world on a backend, `start` renders so many frames to start from; they are sent
    to other processes, so must be functions of a module, or partials of these.
    """
    spawn = multiprocessing.get_context("spawn")
    sides = [Side(name) for name in backends]
    pipes: list[Connection] = []
    processes = []
    try:
        for side in sides:  # one after the other, as starting is measured too
            ours, theirs = spawn.Pipe()
            process = spawn.Process(
                target=_serve, args=(theirs, load, start, side.backend), daemon=True
            )
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
            side.error, side.start_s = ours.recv()
        for _ in range(rounds):
            for side, pipe in zip(sides, pipes, strict=True):
                if side.error is None:
                    pipe.send(ticks)
                    tick_ms, side.peak_rss_mb = pipe.recv()
                    side.tick_ms += tick_ms
                done()
    except (EOFError, OSError):
        raise ProfileError("a backend has brought its process down") from None
    finally:
        for pipe, process in zip(pipes, processes, strict=True):
            pipe.close()
            process.join()
    return sides


def _serve(pipe: Connection, load: Load, start: Start, backend: str) -> None:
    """Load a world, then play as many ticks as asked, until the pipe is closed."""
    began = time.perf_counter()
    try:
        world = load(backend)
        rng = np.random.default_rng(0)
        world.reset(start(world.start_frames), seed=0)
        _play(world, 1, rng)
    except Exception as error:  # noqa: BLE001 a backend fails in ways that only it knows
        pipe.send((str(error).splitlines()[0], 0.0))
        return
    pipe.send((None, time.perf_counter() - began))
    while True:
        try:
            ticks = pipe.recv()
        except EOFError:
            return
        _play(world, WARM_UP_TICKS, rng)
        pipe.send((_play(world, ticks, rng), peak_rss_mb()))


def _play(world: World, ticks: int, rng: np.random.Generator) -> list[float]:
    """Return the ms of each tick."""
    tick_ms = []
    for tick in range(ticks):
        if tick % HOLD_TICKS == 0:
            held = rng.random(len(world.buttons)) < 0.4
        began = time.perf_counter()
        world.decode(world.denoise(held))
        tick_ms.append(1000 * (time.perf_counter() - began))
    return tick_ms
