"""`rollplay train world` and `rollplay train finder`: training, resumable."""

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
    run_seed_option,
    steps_option,
)


@click.group()
def train() -> None:
    """Train a world: the network that draws it, and the one that follows who moves in it.

    Also under torchrun: several processes share each step's batch.
    """


@train.command()
@preset_option
@data_option
@out_option("runs/world")
@from_option
@steps_option
@device_option
@run_seed_option
def world(
    *,
    preset: str,
    data: Path,
    out: Path,
    beginning: Path | None,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Learn to play: from held branches, then also from own roll-outs."""
    from world_model.stages import train_world

    with told_to_the_user():
        train_world(preset, data, out, steps=steps, device=device, seed=seed, beginning=beginning)
    click.echo(f"{out}: world trained")


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
    from world_model.stages import train_finder

    with told_to_the_user():
        train_finder(preset, out, steps=steps, device=device, seed=seed, beginning=beginning)
    click.echo(f"{out}: finder trained")
