"""`rollplay profile`: run a scene at its frame rate and say where the time of a frame went."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from engine.commands.errors import told_to_the_user
from engine.commands.options import (
    actions_option,
    fps_option,
    json_option,
    seed_option,
    threads_option,
)
from engine.commands.parts import Parts


@click.command()
@click.argument("scene", default="meadow")
@click.option(
    "--ticks",
    type=click.IntRange(min=2),
    default=600,
    show_default=True,
    help="Ticks to measure, after the warm-up.",
)
@click.option("--headless", is_flag=True, help="Measure without a window.")
@actions_option
@seed_option
@fps_option
@threads_option
@json_option
@click.pass_obj
def profile(
    parts: Parts,
    *,
    scene: str,
    ticks: int,
    headless: bool,
    actions: str | None,
    seed: int | None,
    fps: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure SCENE tick by tick, played at random unless --actions names a file."""
    with told_to_the_user():
        from engine.commands.stage import Plan, put_on
        from engine.errors import DisplayError

        plan = Plan(
            headless=headless,
            measured=True,
            ticks=ticks,
            actions=actions or "random",
            seed=seed,
            fps=fps,
            threads=threads,
        )
        checked = parts.scene(scene)
        try:
            report = put_on(checked, plan, parts)
        except DisplayError:
            click.echo("note: there is no display here; measuring without a window", err=True)
            report = put_on(checked, replace(plan, headless=True), parts)
        click.echo(json.dumps(report.as_dict()) if as_json else report.table())
