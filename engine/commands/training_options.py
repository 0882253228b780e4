"""Options that the training commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

PRESET_NAMES = ("cpu", "gpu", "mini")

preset_option = click.option(
    "--preset",
    type=click.Choice(PRESET_NAMES),
    default="cpu",
    show_default=True,
    help="Sizes and steps: two cores, one large GPU, or seconds for a first try.",
)
data_option = click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("runs/platformer.npz"),
    show_default=True,
    help="Recording made by `rollplay collect`.",
)
from_option = click.option(
    "--from",
    "beginning",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="World bundle, or for all but the finder a run directory, whose weights to begin with.",
)
steps_option = click.option(
    "--steps", type=click.IntRange(1), help="Steps to train [default: the preset's]."
)
device_option = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where to compute [default: CUDA, if any]."
)
run_seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the run."
)


slots_option = click.option(
    "--slots",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Frames in flight. One takes half of the time of three, and sees nothing coming.",
)


def run_options(out: str) -> Callable[[Command], Command]:
    """Return the options of a training run on a recording, whose directory is `out` if not told."""
    options = (
        preset_option, data_option, out_option(out), from_option, slots_option, steps_option,
        device_option, run_seed_option,
    )  # fmt: skip

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def out_option(default: str) -> Callable[[Command], Command]:
    """Return the option that names a run directory to write or to resume."""
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(default),
        show_default=True,
        help="Run directory; an interrupted run in it goes on.",
    )
