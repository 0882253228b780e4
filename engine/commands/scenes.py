"""`rollplay scenes`: list the scenes that are shipped."""

from __future__ import annotations

import json

import click

from engine.commands.errors import BAD_INPUT
from engine.commands.options import json_option
from engine.commands.parts import Parts


@click.command()
@json_option
@click.pass_obj
def scenes(parts: Parts, *, as_json: bool) -> None:
    """List the shipped scenes: name, title, world, file."""
    from games.problems import SceneErrors
    from games.scene import find_scenes

    rows = []
    broken = False
    for path in find_scenes():
        try:
            scene = parts.load_scene(path)
        except SceneErrors as errors:
            broken = True
            click.echo(str(errors), err=True)
            continue
        rows.append(
            {"name": scene.name, "title": scene.title, "world": scene.world, "path": str(path)}
        )
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            click.echo(f"{row['name']:<14}{row['title']:<24}{row['world']:<18}{row['path']}")
    if broken:
        raise SystemExit(BAD_INPUT)
