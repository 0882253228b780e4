"""`rollplay profile fit`: what world sizes this machine can hold at a frame rate."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from engine.commands.errors import told_to_the_user
from engine.commands.options import json_option, threads_option

if TYPE_CHECKING:
    from export.capacity import Cost, Fit


@click.command()
@click.option(
    "--fps", type=click.IntRange(1, 240), default=20, show_default=True, help="Rate to hold."
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=30,
    show_default=True,
    help="Forward passes of each size; they take turns.",
)
@click.option(
    "--preset",
    type=click.Choice(["cpu", "gpu", "mini"]),
    default="cpu",
    show_default=True,
    help="Sizes of training to vary.",
)
@threads_option
@json_option
def fit(*, fps: int, rounds: int, preset: str, threads: int | None, as_json: bool) -> None:
    """Measure worlds of several sizes, with random weights, and fit a cost model."""
    if find_spec("torch") is None:
        raise click.UsageError("other sizes are made with torch: pip install 'rollplay[train]'")
    from tqdm import tqdm

    from engine.profiling.peaks import peak_gb_per_s, peak_gflops
    from export import capacity
    from games.platformer.physics import BUTTONS, TICKS_PER_SECOND
    from world_model.config import WorldConfig
    from world_model.training.presets import PRESETS

    with told_to_the_user():
        config = WorldConfig("platformer", "platformer", BUTTONS, TICKS_PER_SECOND,
                             dit=PRESETS[preset].dit)  # fmt: skip
        steps = len(capacity.VARIANTS) + rounds
        with tqdm(total=steps, desc="fit", unit="step", dynamic_ncols=True) as bar:
            costs = capacity.measure_costs(config, rounds=rounds, threads=threads, done=bar.update)
        fitted = capacity.fit(costs)
        peaks = peak_gflops(), peak_gb_per_s()
        largest = capacity.largest_holding(costs, fps)
        document = {
            "fps": fps,
            "peak_gflops": peaks[0],
            "peak_gb_per_s": peaks[1],
            "fit": asdict(fitted),
            "costs": [asdict(cost) for cost in costs],
            "largest_holding": largest.name if largest else None,
        }
        click.echo(json.dumps(document) if as_json else _table(costs, fitted, peaks, fps, largest))


def _table(
    costs: list[Cost], fitted: Fit, peaks: tuple[float, float], fps: int, largest: Cost | None
) -> str:
    columns = ("M weights", "GFLOP", "MB", "ms", "fitted ms", "GFLOP/s", "of peak")
    lines = [f"{'step':<12}" + "".join(f"{name:>11}" for name in columns)]
    for cost in costs:
        cells = (
            f"{cost.parameters / 1e6:.2f}", f"{cost.gflop:.2f}", f"{cost.megabytes:.1f}",
            f"{cost.step_ms:.1f}", f"{fitted.predict_ms(cost):.1f}", f"{cost.gflops:.0f}",
            f"{cost.gflops / peaks[0]:.0%}",
        )  # fmt: skip
        lines.append(f"{cost.name:<12}" + "".join(f"{cell:>11}" for cell in cells))
    rate = f"{fitted.gflops:.0f} GFLOP/s" if fitted.gflops else "no cost per FLOP shown"
    memory = f"{fitted.gb_per_s:.1f} GB/s" if fitted.gb_per_s else "no cost per byte shown"
    held = f"largest that holds {fps} FPS: {largest.name}" if largest else f"none holds {fps} FPS"
    return "\n".join((
        *lines, "",
        f"roof: {peaks[0]:.0f} GFLOP/s (matrix product), {peaks[1]:.1f} GB/s (copy)",
        f"fit: {fitted.overhead_ms:.1f} ms + work at {rate} + traffic at {memory}; "
        f"off by {fitted.worst_error:.0%} at most",
        held,
    ))  # fmt: skip
