"""`rollplay train codec` and `rollplay train world`: the stages of training, each resumable."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.errors import told_to_the_user
from engine.commands.training_options import (
    codec_option,
    data_option,
    device_option,
    out_option,
    preset_option,
    run_seed_option,
    steps_option,
)


@click.group()
def train() -> None:
    """Train a world: first its codec, then the world itself.

    Also under torchrun: several processes share each step's batch.
    """


@train.command()
@preset_option
@data_option
@out_option("runs/codec")
@steps_option
@device_option
@run_seed_option
def codec(
    *, preset: str, data: Path, out: Path, steps: int | None, device: str | None, seed: int
) -> None:
    """Stage 1: learn to draw frames from 64 tokens."""
    from world_model.stages import train_codec

    with told_to_the_user():
        psnr = train_codec(preset, data, out, steps=steps, device=device, seed=seed)
    click.echo(f"{out}: codec trained, {psnr:.2f} dB on recorded frames")


@train.command()
@preset_option
@data_option
@codec_option("Run directory of the trained codec, or a world bundle.")
@out_option("runs/world")
@click.option(
    "--from",
    "beginning",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="World bundle whose weights to begin with; use its codec, too.",
)
@steps_option
@device_option
@run_seed_option
def world(
    *,
    preset: str,
    data: Path,
    codec_dir: Path,
    out: Path,
    beginning: Path | None,
    steps: int | None,
    device: str | None,
    seed: int,
) -> None:
    """Stages 2 and 3: learn to play, from held branches and then from own roll-outs."""
    from world_model.stages import train_world

    with told_to_the_user():
        train_world(
            preset, data, codec_dir, out, steps=steps, device=device, seed=seed, beginning=beginning
        )
    click.echo(f"{out}: world trained")
