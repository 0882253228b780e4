"""`rollplay export`: turn trained weights into a world bundle that plays without torch."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.default_group import DefaultGroup
from engine.commands.errors import told_to_the_user
from engine.commands.quantize import quantize
from engine.commands.tensorrt import tensorrt
from engine.commands.verify import verify

BUNDLE = "bundle"


@click.group(cls=DefaultGroup, default=BUNDLE)
def export() -> None:
    """Write a trained world's bundle; build its engines, or verify its backends."""


@export.command(name=BUNDLE)
@click.option(
    "--world",
    "world_dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/world"),
    show_default=True,
    help="Run directory of the world, or a bundle.",
)
@click.option(
    "--finder",
    "finder_dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/finder"),
    show_default=True,
    help="Run directory of its finder, or a bundle.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("assets/worlds/platformer"),
    show_default=True,
    help="Bundle to write.",
)
@click.option("--name", default="platformer", show_default=True, help="Name of the world.")
@click.option(
    "--ticks",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Length of the parity roll-out.",
)
def export_bundle(*, world_dir: Path, finder_dir: Path, out: Path, name: str, ticks: int) -> None:
    """Write the graphs of a trained world, and prove them equal to torch.

    Exits 1 if ONNX Runtime and torch differ by more than a hundredth after the roll-out.
    """
    from dataclasses import replace

    from export.onnx_export import write_bundle
    from export.parity import roll_out_parity
    from world_model.training.trained import load_dit

    with told_to_the_user():
        config, dit = load_dit(world_dir, finder_dir)
        write_bundle(replace(config, name=name), dit, out)
        parity = roll_out_parity(out, ticks)
    megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    click.echo(f"{out}: {megabytes:.1f} MB; {parity}")
    if parity.failure:
        raise click.ClickException(f"{parity.failure}: this bundle is not to be used")


export.add_command(quantize)
export.add_command(tensorrt)
export.add_command(verify)
