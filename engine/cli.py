"""The command `rollplay`: the one place where all parts meet.

Commands live in `engine.commands`, one a file, and import what is heavy only when they run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from engine.commands.ablate import ablate
from engine.commands.bench import bench
from engine.commands.check import check
from engine.commands.collect import collect
from engine.commands.errors import FAILED, one_line
from engine.commands.evaluate import evaluate
from engine.commands.export import export
from engine.commands.parts import Parts
from engine.commands.play import play
from engine.commands.profile import profile
from engine.commands.scenes import scenes
from engine.commands.train import train
from engine.profiling.environment import version_of

DEBUG_VARIABLE = "ROLLPLAY_DEBUG"


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"rollplay {version_of('rollplay') or '(not installed)'}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """A game engine whose worlds are drawn by a network and steered by the keyboard."""
    context.obj = context.obj or Parts()


for command in (play, profile, bench, scenes, check, collect, train, export, evaluate, ablate):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None, parts: Parts | None = None) -> None:
    """Run the command line; whatever nobody foresaw becomes one line on stderr and exit 1.

    The environment variable ROLLPLAY_DEBUG, set to anything, lets the traceback through.
    """
    # pygame greets on stdout when imported; stdout is for data.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        cli(arguments, prog_name="rollplay", obj=parts)
    except Exception as error:  # the last place where anything can be said
        if os.environ.get(DEBUG_VARIABLE):
            raise
        note = f"({DEBUG_VARIABLE}=1 shows where)"
        click.echo(f"error: {type(error).__name__}: {one_line(error)} {note}", err=True)
        raise SystemExit(FAILED) from None
