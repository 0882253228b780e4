"""What a forward pass costs here, by its size: measured on worlds of random weights, and fitted.

The model is a roofline with an overhead: ms = overhead + GFLOP / rate + MB / bandwidth. Needs
torch, as the graphs of other sizes must be made first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from export.graphs import StepGraph, step_inputs
from export.onnx_export import step_graph
from export.onnxruntime_backend import default_threads, session_options
from world_model.config import WorldConfig
from world_model.network.dit import RollingDiT

VARIANTS: Final[Mapping[str, Callable[[WorldConfig], WorldConfig]]] = {
    "shipped": lambda c: c,
    "1 slot": lambda c: replace(c, window=replace(c.window, slots=1)),
    "2 slots": lambda c: replace(c, window=replace(c.window, slots=2)),
    "5 slots": lambda c: replace(c, window=replace(c.window, slots=5)),
    "cache of 7": lambda c: replace(c, window=replace(c.window, recent_frames=6)),
    "half width": lambda c: replace(c, dit=_scaled(c, 1, 2)),
    "3/2 width": lambda c: replace(c, dit=_scaled(c, 3, 2)),
    "depth 6": lambda c: replace(c, dit=replace(c.dit, depth=6)),
}
HEADROOM: Final = 0.8
"""The share of a period that the step may take: the rest is for drawing, and for bad moments."""


@dataclass(frozen=True)
class Cost:
    """A variant's forward pass: its work, its traffic, and the median of its time here."""

    name: str
    parameters: int
    gflop: float
    megabytes: float
    step_ms: float

    @property
    def gflops(self) -> float:
        """Achieved rate, GFLOP/s."""
        return self.gflop / self.step_ms * 1000


@dataclass(frozen=True)
class Fit:
    """The cost model of this machine; a rate or bandwidth is None where it does not show."""

    overhead_ms: float
    gflops: float | None
    gb_per_s: float | None
    worst_error: float

    def predict_ms(self, cost: Cost) -> float:
        """Return what the model says of a variant."""
        work = cost.gflop / self.gflops * 1000 if self.gflops else 0.0
        return self.overhead_ms + work + (cost.megabytes / self.gb_per_s if self.gb_per_s else 0.0)


def _scaled(config: WorldConfig, up: int, down: int) -> Any:
    dit = config.dit
    heads = 8 * dit.heads
    width, tile, cell = (
        max(unit, round(size * up / down / unit) * unit)
        for size, unit in ((dit.width, heads), (dit.tile_width, 4), (dit.cell_width, 4))
    )
    return replace(dit, width=width, tile_width=tile, cell_width=cell)


def measure_costs(
    config: WorldConfig,
    *,
    rounds: int,
    threads: int | None = None,
    done: Callable[[], object] = lambda: None,
) -> list[Cost]:
    """Measure all variants of a world's sizes, in turn, so that a slow moment hits them alike.

    Calls `done` after each variant is made and after each round.
    """
    runs, sizes = {}, {}
    for name, change in VARIANTS.items():
        varied = change(config)
        dit = RollingDiT(varied).eval()
        sizes[name] = (sum(p.numel() for p in dit.parameters()), *step_work(varied, dit))
        runs[name] = _runner(varied, dit, threads or default_threads())
        done()
    times_ms: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times_ms[name].append(1000 * (time.perf_counter() - started))
        done()
    return [Cost(name, *sizes[name], float(np.median(times_ms[name]))) for name in runs]


def step_work(config: WorldConfig, dit: RollingDiT | None = None) -> tuple[float, float]:
    """Return GFLOP of a pass, and MB of weights, inputs and outputs that it must touch."""
    inputs, dit = step_inputs(config), dit or RollingDiT(config)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs = StepGraph(dit)(*inputs.values())
    tensors = [*dit.state_dict().values(), *inputs.values(), *outputs]
    return counter.get_total_flops() / 1e9, sum(4 * t.numel() for t in tensors) / 1e6


def _runner(config: WorldConfig, dit: RollingDiT, threads: int) -> Callable[[], Any]:
    graph = step_graph(config, dit).SerializeToString()
    session = ort.InferenceSession(
        graph, session_options(threads), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    feed = {
        name: rng.random(tuple(value.shape)).astype(value.numpy().dtype)
        for name, value in step_inputs(config).items()
    }
    session.run(None, feed)
    return lambda: session.run(None, feed)


def fit(costs: list[Cost]) -> Fit:
    """Fit the cost model by least squares of relative errors; no term may be negative."""
    measured = np.array([cost.step_ms for cost in costs])
    terms = np.array([[1.0, cost.gflop, cost.megabytes] for cost in costs])
    solved = _non_negative(terms / measured[:, None], np.ones(len(costs)))
    overhead, per_gflop, per_mb = solved.tolist()
    errors = np.abs(terms @ solved / measured - 1)
    return Fit(
        overhead_ms=overhead,
        gflops=1000 / per_gflop if per_gflop else None,
        gb_per_s=1 / per_mb if per_mb else None,
        worst_error=float(errors.max()),
    )


def _non_negative(terms: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve least squares, leaving out whatever would come out negative, the worst first."""
    kept = np.ones(terms.shape[1], np.bool_)
    while True:
        solved = np.zeros(len(kept))
        solved[kept] = np.linalg.lstsq(terms[:, kept], wanted, rcond=None)[0]
        if (solved >= 0).all():
            return solved
        kept[int(solved.argmin())] = False


def largest_holding(costs: list[Cost], fps: float) -> Cost | None:
    """Return the variant of most work whose step leaves a fifth of a period free."""
    held = [cost for cost in costs if cost.step_ms <= HEADROOM * 1000 / fps]
    return max(held, key=lambda cost: cost.gflop, default=None)
