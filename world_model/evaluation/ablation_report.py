"""Shows an ablation: a table in Markdown and a plot, a row a variant, means over seeds.

Knows rows as `ablation` keeps them, and measures nothing. The plot needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from games.platformer.physics import TICKS_PER_SECOND
from world_model.evaluation.ablation import Row
from world_model.evaluation.variants import BASE, VARIANTS

_ACCENT: Final = "#c8412c"
_INK: Final = "#26303a"
_TITLE_WIDTH: Final = 14
NOT_MEASURED: Final = "–"


@dataclass(frozen=True)
class Column:
    """A measure of a row; None where it was not measured."""

    title: str
    value: Callable[[Row], float | None]
    form: str = "{:.3g}"
    plotted: bool = False

    def mean(self, rows: Sequence[Row]) -> float | None:
        """Return the mean over rows, of those that have it."""
        values = [value for value in map(self.value, rows) if value is not None]
        return sum(values) / len(values) if values else None

    def cell(self, rows: Sequence[Row]) -> str:
        """Return the mean as the table shows it."""
        mean = self.mean(rows)
        return NOT_MEASURED if mean is None else self.form.format(mean)


def _measure(*keys: str) -> Callable[[Row], float | None]:
    """Read an entry of an evaluation's document; None where it has none."""

    def read(row: Row) -> float | None:
        value: Any = row["evaluation"]
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, int | float) else None

    return read


def _static_tiles(row: Row) -> float | None:
    """Read the share of right tiles at the longest tick it was measured at."""
    measured = [v for v in row["evaluation"]["static_tiles"].values() if v is not None]
    return measured[-1] if measured else None


def _drift_after(seconds: int) -> Callable[[Row], float | None]:
    """Read the drift from the first ten seconds to those that end after so many seconds."""

    def read(row: Row) -> float | None:
        windows = row["evaluation"]["windows"]
        at = seconds * TICKS_PER_SECOND // windows["ticks"] - 1
        drifts: list[float | None] = windows["drift"]
        return drifts[at] if at < len(drifts) else None

    return read


_PERCENT: Final = "{:.1%}"
COLUMNS: Final = (
    Column("steps", lambda row: row["steps"], "{:.0f}"),
    Column("minutes", lambda row: row["minutes"], "{:.1f}"),
    Column("FPS", lambda row: row["speed"].get("fps"), "{:.1f}", plotted=True),
    Column("tick p99, ms", lambda row: row["speed"].get("tick_p99_ms"), "{:.1f}"),
    Column("lag p50, ticks", _measure("action_lag_ticks", "p50")),
    Column("lag p95, ticks", _measure("action_lag_ticks", "p95")),
    Column("action accuracy", _measure("action_accuracy", "all"), _PERCENT),
    Column("one player", _measure("presence"), _PERCENT, plotted=True),
    Column("position error at 64, px", _measure("position_error_px", "64"), plotted=True),
    Column("static tiles", _static_tiles, "{:.2%}", plotted=True),
    Column("PSNR at 16, dB", _measure("psnr_db", "16"), "{:.1f}", plotted=True),
    Column("PSNR at 64, dB", _measure("psnr_db", "64"), "{:.1f}", plotted=True),
    Column("events, F1", _measure("events", "all"), "{:.2f}", plotted=True),
    Column("coins, F1", _measure("events", "coin"), "{:.2f}", plotted=True),
    Column("coins counted", _measure("events", "counted", "coin"), "{:.0f}"),
    Column("worst Frechet distance", _measure("frechet", "worst"), "{:.1f}", plotted=True),
    Column("drift at 60 s", _drift_after(60), "{:.2%}", plotted=True),
    Column("drift at 10 min", _drift_after(600), "{:.2%}"),
)


def write_report(rows: Sequence[Row], out: Path) -> None:
    """Write ablations.md and ablations.png into the directory `out`."""
    (out / "ablations.md").write_text(table(rows), encoding="utf-8")
    draw_plot(rows, out / "ablations.png")


def table(rows: Sequence[Row]) -> str:
    """Write an ablation as Markdown: what was asked of every variant, and what came of it."""
    first = rows[0]["settings"]
    asked = f"{first['steps']} steps" if first["steps"] else f"{first['minutes']:g} minutes"
    tiles = ", ".join(_tile_ticks(rows))
    heads = ["variant", "what differs", *(column.title for column in COLUMNS), "seeds"]
    return "\n".join(
        [
            "# Ablations",
            "",
            f"Made by `rollplay ablate`: every variant trained from scratch for {asked} (preset "
            f"`{first['preset']}`), exported, and played against the game on {first['levels']} "
            f"levels that none was trained on, {first['long_levels']} of them for "
            f"{first['ticks']} ticks. Speed is "
            "that of the bundles on ONNX Runtime, ticking in turn. Means over seeds; static tiles "
            f"after {tiles} ticks. `{BASE.name}` is the base: three slots, a sink, and the newest "
            "key for every slot. What the measures mean says every world's model card.",
            "",
            f"| {' | '.join(heads)} |",
            f"| {' | '.join('---' for _ in heads)} |",
            *(_line(name, group) for name, group in _grouped(rows).items()),
            "",
            "![The same, plotted](ablations.png)",
            "",
        ]
    )


def _tile_ticks(rows: Sequence[Row]) -> list[str]:
    """Return the longest ticks at which tiles were judged."""
    longest = {
        [at for at, value in row["evaluation"]["static_tiles"].items() if value is not None][-1:][0]
        for row in rows
        if _static_tiles(row) is not None
    }
    return sorted(longest, key=int) or ["no"]


def _grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return rows by variant, variants in the order in which we list them."""
    names = [row["settings"]["variant"]["name"] for row in rows]
    order = [*VARIANTS, *names]
    return {
        name: [row for row, of in zip(rows, names, strict=True) if of == name]
        for name in sorted(set(names), key=order.index)
    }


def _line(name: str, rows: Sequence[Row]) -> str:
    about = VARIANTS[name].about if name in VARIANTS else NOT_MEASURED
    cells = [f"`{name}`", about, *(column.cell(rows) for column in COLUMNS), str(len(rows))]
    return f"| {' | '.join(cells)} |"


def telling(rows: Sequence[Row]) -> list[Column]:
    """Return the measures to draw: those in which variants differ, as the table shows them."""
    groups = _grouped(rows).values()
    plotted = [column for column in COLUMNS if column.plotted]
    differing = [c for c in plotted if len({c.cell(group) for group in groups}) > 1]
    return differing or plotted


def draw_plot(rows: Sequence[Row], path: Path) -> None:
    """Draw a panel for each telling measure: large dots are means, small ones seeds."""
    from matplotlib.figure import Figure

    groups, shown = _grouped(rows), telling(rows)
    figure = Figure(figsize=(15, 2.5 + 0.4 * len(groups)), layout="constrained")
    figure.suptitle("Ablations: the same budget each")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, shown, strict=True):
        for height, group in enumerate(groups.values()):
            values = [value for value in map(column.value, group) if value is not None]
            if values:
                axes.plot(column.mean(group), height, "o", markersize=9, color=_ACCENT)
                axes.plot(values, [height] * len(values), ".", markersize=4, color=_INK)
        axes.set(title=fill(column.title, _TITLE_WIDTH))
        axes.margins(x=0.15)
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter(lambda value, _, form=column.form: form.format(value))
        axes.grid(alpha=0.2)
    panels[0].set_yticks(range(len(groups)), list(groups))
    panels[0].invert_yaxis()
    figure.savefig(path, dpi=110)
