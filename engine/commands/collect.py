"""`rollplay collect`: let the scripted player play the game, and keep its actions."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.errors import told_to_the_user
from engine.commands.training_options import preset_option


@click.command()
@preset_option
@click.option("--episodes", type=click.IntRange(1), help="Levels played [default: the preset's].")
@click.option("--ticks", type=click.IntRange(8), help="Ticks a level [default: the preset's].")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First level.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("runs/platformer.npz"),
    show_default=True,
    help="Recording to write.",
)
def collect(*, preset: str, episodes: int | None, ticks: int | None, seed: int, out: Path) -> None:
    """Record play-like actions on generated levels.

    A recording holds level seeds and buttons; frames are replayed from them exactly.
    """
    from world_model.data import collect as record
    from world_model.training.presets import PRESETS

    with told_to_the_user():
        chosen = PRESETS[preset]
        recording = record(episodes or chosen.episodes, ticks or chosen.ticks, seed)
        recording.save(out)
    click.echo(f"{out}: {len(recording)} episodes of {recording.ticks} ticks, seed {seed}")
