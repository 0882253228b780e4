"""Shows an evaluation: a plot, a contact sheet of truth above dream, and the model card.

Knows results and how to draw them; measures nothing. Drawing needs matplotlib and Pillow, of the
`train` extra, which are imported when something is drawn.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from games.platformer.physics import TICKS_PER_SECOND
from world_model.errors import RollplayError
from world_model.evaluation.evaluate import Evaluation
from world_model.evaluation.metrics import LAG_HORIZON, MEANINGS, QUALITY_SCALE
from world_model.evaluation.side_by_side import SHEET_TICKS, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Callable[[Trace], tuple[NDArray[Any], NDArray[Any]]]

SHEET_LEVELS: Final = 4
SHEET_SCALE: Final = 2
_GAP_PX: Final = 6
_LABEL_PX: Final = 14
_INK: Final = "#26303a"
_ACCENT: Final = "#c8412c"
_PRESENCE_TICKS: Final = 100
_OVER_TIME: Final = {
    "frechet": ("Frechet distance of patches", "grey levels"),
    "action_accuracy": ("moves that the keys explain", "share of the true game's"),
    "drift": ("drift", "share of the quality at the start"),
}


def require_drawing() -> None:
    """Raise RollplayError, naming the cure, where the libraries that draw are not installed."""
    try:
        for library in ("matplotlib.figure", "PIL.Image"):
            import_module(library)
    except ImportError as error:
        raise RollplayError(
            f"drawing a report needs {error.name}; install it with pip install 'rollplay[train]'"
        ) from error


def write_report(evaluation: Evaluation, document: dict[str, Any], out: Path) -> None:
    """Write plot.png, windows.png, sheet.png and card.json into the directory `out`."""
    out.mkdir(parents=True, exist_ok=True)
    draw_plot(evaluation, out / "plot.png")
    draw_windows(document["windows"], out / "windows.png")
    draw_sheet(evaluation.traces, out / "sheet.png")
    (out / "card.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def draw_plot(evaluation: Evaluation, path: Path) -> None:
    """Plot every measure over time: a thin line per level, a thick one for their median."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7), layout="constrained")
    figure.suptitle(f"{evaluation.world.name}: the dream beside the true game")
    axes = figure.subplots(2, 3)
    short, long = evaluation.traces, evaluation.long_traces
    _draw(axes[0, 0], short, lambda t: (_ticks(t), t.psnr_db), "PSNR", "dB", log=True)
    _draw(axes[0, 1], short, lambda t: (_ticks(t), t.error_px), "position error", "px", log=True)
    _draw(axes[1, 0], long, _presence, "frames with exactly one player", "share")
    _draw(axes[1, 1], long, _right_share, "static tiles that are right", "share")
    _draw(axes[1, 2], long, _quality, "quality of static tiles", f"exp(-rms / {QUALITY_SCALE:g})")
    lags = [lag for lag in evaluation.lags if lag is not None]
    axes[0, 2].hist(lags, np.arange(LAG_HORIZON + 2) - 0.5, color=_ACCENT, rwidth=0.8)
    axes[0, 2].set(title="action lag", xlabel="ticks", ylabel="probes")
    figure.savefig(path, dpi=110)


def _draw(
    axes: Axes, traces: Sequence[Trace], curve: Curve, title: str, unit: str, *, log: bool = False
) -> None:
    curves = [curve(trace) for trace in traces]
    for x, y in curves:
        axes.plot(x, y, color=_INK, alpha=0.25, linewidth=0.7)
    longest = max((x for x, _ in curves), key=len)
    table = np.full((len(curves), len(longest)), np.nan)
    for row, (_, y) in zip(table, curves, strict=True):
        row[: len(y)] = y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a tick that no level was judged at
        axes.plot(longest, np.nanmedian(table, 0), color=_ACCENT, linewidth=1.8)
    axes.set(title=title, xlabel="ticks" if log else "seconds", ylabel=unit)
    if log:
        axes.set_xscale("log")
    axes.grid(alpha=0.2)


def _ticks(trace: Trace) -> NDArray[np.int64]:
    return np.arange(1, len(trace) + 1)


def _presence(trace: Trace) -> tuple[NDArray[Any], NDArray[Any]]:
    """Share over stretches of five seconds."""
    whole = max(1, len(trace) // _PRESENCE_TICKS)
    stretches = np.array_split(trace.heroes == 1, whole)
    ends = np.cumsum([len(stretch) for stretch in stretches]) / TICKS_PER_SECOND
    return ends, np.array([stretch.mean() for stretch in stretches])


def _right_share(trace: Trace) -> tuple[NDArray[Any], NDArray[Any]]:
    judged = np.isfinite(trace.right_share)
    return _ticks(trace)[judged] / TICKS_PER_SECOND, trace.right_share[judged]


def _quality(trace: Trace) -> tuple[NDArray[Any], NDArray[Any]]:
    every = slice(None, None, TICKS_PER_SECOND)
    tiles = trace.quality[every].reshape(-1, trace.quality[0].size)
    seen = np.isfinite(tiles)
    mean = np.where(seen, tiles, 0).sum(1) / seen.sum(1).clip(1)
    return _ticks(trace)[every] / TICKS_PER_SECOND, mean


def draw_windows(windows: dict[str, Any], path: Path) -> None:
    """Plot what an evaluation has of every ten seconds of its long runs, a point each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.4), layout="constrained")
    panels = figure.subplots(1, len(_OVER_TIME))
    for axes, (name, (title, unit)) in zip(panels, _OVER_TIME.items(), strict=True):
        values = windows[name]
        ends = np.arange(1, len(values) + 1) * windows["ticks"] / TICKS_PER_SECOND / 60
        known = np.array([np.nan if value is None else value for value in values], np.float64)
        axes.plot(ends, known, ".", color=_ACCENT, markersize=4)
        axes.set(title=title, xlabel="minutes of play", ylabel=unit)
        axes.set_ylim(bottom=float(np.nanmin(known, initial=0.0)))
        axes.grid(alpha=0.2)
    figure.savefig(path, dpi=110)


def draw_sheet(traces: Sequence[Trace], path: Path) -> None:
    """Draw what was true above what was dreamt, a pair of rows a level, a column a tick."""
    from PIL import Image, ImageDraw

    shown = traces[:SHEET_LEVELS]
    height, width = (
        SHEET_SCALE * size for size in next(iter(shown[0].pairs.values()))[0].shape[:2]
    )
    column, row = width + _GAP_PX, 2 * height + 2 * _GAP_PX
    size = (len(SHEET_TICKS) * column + _GAP_PX, _LABEL_PX + len(shown) * row + _GAP_PX)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for across, tick in enumerate(SHEET_TICKS):
        left = _GAP_PX + across * column
        pen.text((left, 2), f"tick {tick}: truth above, dream below", fill=_INK)
        for down, trace in enumerate(shown):
            for half, frame in enumerate(trace.pairs.get(tick, ())):
                picture = Image.fromarray(frame).resize((width, height), Image.Resampling.NEAREST)
                sheet.paste(picture, (left, _LABEL_PX + down * row + half * (height + 2)))
    sheet.save(path)


def model_card(document: dict[str, Any]) -> str:
    """Write an evaluation's JSON document as a model card in Markdown."""
    lag, events = document["action_lag_ticks"], dict(document["events"])
    counted = events.pop("counted")
    seconds = document["ticks"] / TICKS_PER_SECOND
    lines = [
        f"# World: {document['world']}",
        "",
        f"Measured by `rollplay evaluate {document['world']}`: played against its game, same "
        f"actions, on {document['levels']} levels that it was not trained on; the long runs are "
        f"{document['ticks']} ticks ({seconds:g} s) on {document['long_levels']} of them. "
        "Medians over levels.",
        "",
        "| measure | value |",
        "| --- | --- |",
        *(f"| PSNR after {at} | {_cell(v, ' dB')} |" for at, v in _spans(document["psnr_db"])),
        *(
            f"| player position error after {at} | {_cell(v, ' px')} |"
            for at, v in _spans(document["position_error_px"])
        ),
        f"| frames with exactly one player | {_percent(document['presence'])} |",
        f"| action lag, p50 | {_cell(lag['p50'], ' ticks')} |",
        f"| action lag, p95 | {_cell(lag['p95'], ' ticks')} |",
        f"| action lag, probes asked and lost | {lag['probes']} and {lag['lost']} |",
        f"| moves that the keys explain | {_percent(document['action_accuracy']['all'])} |",
        f"| the same, last ten seconds | {_percent(document['action_accuracy']['last'])} |",
        *(f"| events as in the game, {kind} | {_cell(v, ' F1')} |" for kind, v in events.items()),
        f"| events counted | {counted['coin']} coins, {counted['spring']} springs, "
        f"{counted['restart']} restarts in {counted['ticks']} ticks |",
        *(
            f"| static tiles right after {at} | {_percent(v)} |"
            for at, v in _spans(document["static_tiles"])
        ),
        f"| drift | {_percent(document['drift'])} |",
        *(
            f"| Frechet distance of patches, {name} ten seconds | {_cell(v, ' levels')} |"
            for name, v in document["frechet"].items()
        ),
        "",
        "## What the measures mean",
        "",
        *(f"- **{name}**: {meaning}" for name, meaning in MEANINGS.items()),
        "",
    ]
    if "environment" in document:
        lines += ["## Measured on", "", *_bullets(document["environment"]), ""]
    return "\n".join(lines)


def _spans(values: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(f"{tick} tick" + "s" * (tick != "1"), value) for tick, value in values.items()]


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return f"{value:.3g}{unit.removesuffix('s') if value == 1 else unit}"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.2f} %"


def _bullets(entries: dict[str, Any]) -> list[str]:
    return [f"- {name}: {value}" for name, value in entries.items()]
