"""`rollplay train world`, `finder`, `teacher` and `distill`: training, resumable."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.errors import told_to_the_user
from engine.commands.training_options import (
    data_option,
    device_option,
    from_option,
    out_option,
    preset_option,
    run_options,
    run_seed_option,
    steps_option,
)


@click.group()
def train() -> None:
    """Train a world: the network that draws it, and the one that follows who moves in it.

    Also under torchrun: several processes share each step's batch.
    """


@train.command()
@run_options("runs/world")
def world(
    *,
    preset: str,
    data: Path,
    out: Path,
    beginning: Path | None,
    slots: int,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Learn to play: from held branches, then also from own roll-outs."""
    from world_model.training.stages import train_world

    with told_to_the_user():
        train_world(
            preset, data, out,
            slots=slots, steps=steps, device=device, seed=seed, beginning=beginning,
        )  # fmt: skip
    click.echo(f"{out}: world trained")


@train.command()
@run_options("runs/teacher")
def teacher(
    *,
    preset: str,
    data: Path,
    out: Path,
    beginning: Path | None,
    slots: int,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Learn what a window of true play looks like at any noise level: the teacher of `distill`.

    Begin it --from the bundle that is to be distilled: both must see frames by the same codec.
    """
    from world_model.training.stages import train_world

    with told_to_the_user():
        train_world(
            preset, data, out, teacher=True,
            slots=slots, steps=steps, device=device, seed=seed, beginning=beginning,
        )  # fmt: skip
    click.echo(f"{out}: teacher trained")


@train.command()
@preset_option
@data_option
@out_option("runs/distilled")
@click.option(
    "--from",
    "beginning",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("assets/worlds/platformer"),
    show_default=True,
    help="World bundle to polish.",
)
@click.option(
    "--teacher",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/teacher"),
    show_default=True,
    help="Run directory of its teacher.",
)
@steps_option
@device_option
@run_seed_option
def distill(
    *,
    preset: str,
    data: Path,
    out: Path,
    beginning: Path,
    teacher: Path,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Match what a world plays to what its teacher would have it play.

    Ends before its last step where the world answers keys worse than at first, or moves less.
    """
    from world_model.training.stages import train_distilled

    with told_to_the_user():
        ended = train_distilled(
            preset, beginning, teacher, data, out, steps=steps, device=device, seed=seed
        )
    click.echo(f"{out}: world distilled" + (f", up to where {ended}" if ended else ""))


@train.command()
@preset_option
@out_option("runs/finder")
@from_option
@steps_option
@device_option
@run_seed_option
def finder(
    *,
    preset: str,
    out: Path,
    beginning: Path | None,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Learn how actors move, from moments drawn for it; needs no recording."""
    from world_model.training.stages import train_finder

    with told_to_the_user():
        train_finder(preset, out, steps=steps, device=device, seed=seed, beginning=beginning)
    click.echo(f"{out}: finder trained")
