"""`rollplay train world`: training, resumable."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.errors import told_to_the_user
from engine.commands.training_options import (
    data_option,
    device_option,
    out_option,
    preset_option,
    run_seed_option,
    steps_option,
)


@click.group()
def train() -> None:
    """Train a world.

    Also under torchrun: several processes share each step's batch.
    """


@train.command()
@preset_option
@data_option
@out_option("runs/world")
@click.option(
    "--from",
    "beginning",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="World bundle whose weights to begin with.",
)
@click.option(
    "--finder-only", is_flag=True, help="Learn nothing but how actors move, which is quick."
)
@steps_option
@device_option
@run_seed_option
def world(
    *,
    preset: str,
    data: Path,
    out: Path,
    beginning: Path | None,
    finder_only: bool,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Learn to play: from held branches, then also from own roll-outs."""
    from world_model.stages import train_world

    with told_to_the_user():
        train_world(
            preset,
            data,
            out,
            steps=steps,
            device=device,
            seed=seed,
            beginning=beginning,
            finder_only=finder_only,
        )
    click.echo(f"{out}: world trained")
