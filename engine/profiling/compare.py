"""Two runs side by side: by which factor each metric differs, and whether that is shown.

Ticks depend on their neighbours, so confidence intervals come from a circular block bootstrap
(Politis and Romano, 1992): stretches of ticks are drawn again, not single ones.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ProfileError

Numbers = NDArray[np.float64]

BLOCK_TICKS = 25
RESAMPLES = 2000
CONFIDENCE_PERCENT = 95
FEWEST_TICKS = 2 * BLOCK_TICKS


def _percentile(point: float) -> Callable[[Numbers], Numbers]:
    return lambda values: np.asarray(np.percentile(values, point, axis=-1))


METRICS: Mapping[str, tuple[str, Callable[[Numbers], Numbers]]] = {
    "tick p50": ("tick", _percentile(50)),
    "tick p95": ("tick", _percentile(95)),
    "tick p99": ("tick", _percentile(99)),
    "frame time mean": ("frame_time", lambda values: np.asarray(values.mean(-1))),
    "frame time p99": ("frame_time", _percentile(99)),
}


@dataclass(frozen=True)
class Ratio:
    """Metric of B over metric of A, and its confidence interval; below 1, B is faster."""

    metric: str
    ratio: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Tell whether there is a difference beyond chance."""
        return not self.low <= 1.0 <= self.high

    def verdict(self) -> str:
        """Say it in words."""
        if not self.shown:
            return "no difference shown"
        return f"B is {'slower' if self.ratio > 1 else 'faster'}"


def compare(one: Mapping[str, Any], other: Mapping[str, Any], *, seed: int = 0) -> list[Ratio]:
    """Compare two documents of `rollplay profile --json`; raises ProfileError where too short."""
    rng = np.random.default_rng(seed)
    return [
        _ratio(name, _series(one, key), _series(other, key), metric, rng)
        for name, (key, metric) in METRICS.items()
    ]


def read_document(path: Path) -> dict[str, Any]:
    """Read what `rollplay profile --json` printed; raises ProfileError for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path}: cannot be read ({error})") from None
    return parse_document(text, str(path))


def parse_document(text: str, place: str) -> dict[str, Any]:
    """Read the document at the end of `text`, found in `place`; raises ProfileError."""
    try:
        document = json.loads(text.strip().splitlines()[-1])
        series = document["series_ms"]
        for key in ("tick", "frame_time"):
            np.asarray(series[key], np.float64)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ProfileError(
            f"{place}: not a document of `rollplay profile --json` ({error!r})"
        ) from None
    return dict(document)


def table(ratios: list[Ratio]) -> str:
    """Lay ratios out for people."""
    lines = [f"{'B / A':<18}{'ratio':>8}   {CONFIDENCE_PERCENT} % interval"]
    lines += [
        f"{r.metric:<18}{r.ratio:>8.3f}   {r.low:.3f} to {r.high:.3f}   {r.verdict()}"
        for r in ratios
    ]
    return "\n".join(lines)


def _series(document: Mapping[str, Any], key: str) -> Numbers:
    values = np.asarray(document["series_ms"][key], np.float64)
    if len(values) < FEWEST_TICKS:
        raise ProfileError(
            f"{len(values)} ticks are too few to compare; measure at least {FEWEST_TICKS + 1}"
        )
    return values


def _ratio(
    name: str, one: Numbers, other: Numbers, metric: Callable[[Numbers], Numbers],
    rng: np.random.Generator,
) -> Ratio:  # fmt: skip
    drawn = metric(_resampled(other, rng)) / metric(_resampled(one, rng))
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(drawn, (tail, 100 - tail))
    return Ratio(name, float(metric(other) / metric(one)), float(low), float(high))


def _resampled(values: Numbers, rng: np.random.Generator) -> Numbers:
    """Draw `RESAMPLES` series of blocks, each as long as the original."""
    blocks = -(-len(values) // BLOCK_TICKS)
    starts = rng.integers(len(values), size=(RESAMPLES, blocks, 1))
    index = (starts + np.arange(BLOCK_TICKS)) % len(values)
    drawn: Numbers = values[index.reshape(RESAMPLES, -1)[:, : len(values)]]
    return drawn
