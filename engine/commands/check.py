"""`rollplay check`: say everything that is wrong with scene files, without playing them."""

from __future__ import annotations

import click

from engine.commands.errors import BAD_INPUT
from engine.commands.parts import Parts


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.pass_obj
def check(parts: Parts, *, paths: tuple[str, ...]) -> None:
    """Check scene files, or shipped scenes by name.

    Prints all errors of all of them, and exits 2 if there are any.
    """
    from games.problems import SceneErrors

    broken = False
    for path in paths:
        try:
            parts.scene(path)
        except SceneErrors as errors:
            broken = True
            click.echo(str(errors), err=True)
        else:
            click.echo(f"{path}: ok")
    if broken:
        raise SystemExit(BAD_INPUT)
