"""`rollplay ablate`: train variants of a world at equal budget, and compare what they play."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.commands.errors import told_to_the_user
from engine.commands.evaluate import progress_bar
from engine.commands.options import threads_option
from engine.commands.training_options import data_option, device_option, preset_option

if TYPE_CHECKING:
    from world_model.evaluation.ablation import Ablation, Row
    from world_model.evaluation.side_by_side import World
    from world_model.evaluation.variants import Variant

SPEED_TICKS = 200
PROBES = 32


@click.command()
@click.option(
    "--variants",
    "names",
    default="",
    help="Those to compare, separated by commas [default: all].",
)
@click.option("--steps", type=click.IntRange(1), help="Training steps of each variant.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Training minutes of each variant, instead of --steps.",
)
@preset_option
@data_option
@click.option(
    "--finder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("assets/worlds/platformer"),
    show_default=True,
    help="The finder of all variants: its run directory, or a bundle.",
)
@click.option(
    "--levels",
    type=click.IntRange(1, 10_000),
    default=8,
    show_default=True,
    help="Number of unseen levels to play.",
)
@click.option(
    "--ticks",
    type=click.IntRange(1),
    default=1200,
    show_default=True,
    help="Length of the long runs; the other levels are played for at most 200 ticks.",
)
@click.option(
    "--long-levels",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Number of levels that are played for --ticks.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="Runs of each variant."
)
@threads_option
@device_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/ablations"),
    show_default=True,
    help="Where ablations.md, .png and .json go, and all runs. What is there of the same budget is "
    "shown, too, and not made again.",
)
def ablate(
    *,
    names: str,
    steps: int | None,
    minutes: float | None,
    preset: str,
    data: Path,
    finder: Path,
    levels: int,
    ticks: int,
    long_levels: int,
    seeds: int,
    threads: int | None,
    device: str | None,
    out: Path,
) -> None:
    """Train variants of a world, each with the same budget, and write a table and a plot.

    Each is exported to a bundle of its own and evaluated. An interrupted ablation goes on, and a
    second one may add to the same directory at the same time.
    """
    if (steps is None) == (minutes is None):
        raise click.UsageError("give either --steps or --minutes, the budget of each variant")
    with told_to_the_user():
        from world_model.data import Recording
        from world_model.evaluation.ablation import Ablation, digest_of
        from world_model.evaluation.ablation_report import table, write_report
        from world_model.evaluation.report import require_drawing
        from world_model.evaluation.variants import choose_variants
        from world_model.training.trained import weights_file

        require_drawing()
        chosen = choose_variants(word.strip() for word in names.split(",") if word.strip())
        Recording.load(data)
        budget = {"steps": steps, "minutes": minutes, "preset": preset, "data": digest_of(data)}
        played = {
            "levels": levels,
            "ticks": ticks,
            "long_levels": min(long_levels, levels),
            "finder": digest_of(weights_file(finder)),
        }
        ablation = Ablation(out)
        for variant in chosen:
            for seed in range(seeds):
                training = {"variant": variant.settings(), "seed": seed, **budget}
                settings = {**training, **played}
                if ablation.find(settings) is None:
                    place = ablation.place(training)
                    row = _row(variant, settings, place, data, finder, threads, device)
                    ablation.keep(row)
        rows = ablation.alike({**budget, **played})
        _time(ablation, rows, threads)
        write_report(rows, out)
    click.echo(table(rows))


def _row(
    variant: Variant,
    settings: dict[str, Any],
    place: Path,
    data: Path,
    finder: Path,
    threads: int | None,
    device: str | None,
) -> Row:
    """Train, export and evaluate one variant."""
    from export.onnx_export import write_bundle
    from world_model.evaluation.evaluate import Plan, evaluate, held_out_courses
    from world_model.training.stages import Budget, train_variant
    from world_model.training.trained import load_dit

    click.echo(f"{variant.name}, seed {settings['seed']}: {variant.about}", err=True)
    run, steps, minutes = train_variant(
        variant,
        settings["preset"],
        data,
        finder,
        place,
        Budget(settings["steps"], settings["minutes"]),
        device=device,
        seed=settings["seed"],
    )
    config, dit = load_dit(run, finder)
    write_bundle(replace(config, name=variant.name), dit, place / "bundle")
    world = _load(place / "bundle", variant.passes, threads)
    plan = Plan(
        courses=held_out_courses(settings["levels"], 0),
        ticks=settings["ticks"],
        long_levels=settings["long_levels"],
        probes=PROBES,
    )
    with progress_bar() as progress:
        document = evaluate(world, plan, progress).document()
    return {
        "settings": settings,
        "steps": steps,
        "minutes": round(minutes, 2),
        "evaluation": document,
        "speed": {},
    }


def _load(bundle: Path, passes: int, threads: int | None) -> World:
    """Open a bundle on ONNX Runtime, to take so many passes a frame."""
    from export.loading import load_world
    from export.onnxruntime_backend import OnnxRuntimeBackend
    from world_model.bundle import read_config
    from world_model.sampling import SampledWorld

    if passes == 1:
        return load_world(bundle, threads=threads)
    return SampledWorld(read_config(bundle), OnnxRuntimeBackend(bundle, threads, False), passes)


def _time(ablation: Ablation, rows: list[Row], threads: int | None) -> None:
    """Measure the speed of all rows' bundles in one run, so that they can be compared."""
    from world_model.evaluation.ablation import speeds
    from world_model.evaluation.evaluate import held_out_courses

    if all(row["speed"] for row in rows):
        return
    places = [ablation.place(_training(row)) / "bundle" for row in rows]
    passes = [row["settings"]["variant"]["passes"] for row in rows]
    worlds = {
        place: _load(place, count, threads) for place, count in zip(places, passes, strict=True)
    }
    measured = speeds(worlds, held_out_courses(1, 0)[0], SPEED_TICKS)
    for row, place in zip(rows, places, strict=True):
        row["speed"] = measured[place]
    ablation.save()


def _training(row: Row) -> dict[str, Any]:
    """Return of a row's settings those that decided its training."""
    names = ("variant", "seed", "steps", "minutes", "preset", "data")
    return {name: row["settings"][name] for name in names}
