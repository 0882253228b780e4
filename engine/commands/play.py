"""`rollplay play`: steer a scene, or let a script or a random player do it without a window."""

from __future__ import annotations

from pathlib import Path

import click

from engine.commands.errors import told_to_the_user
from engine.commands.options import (
    actions_option,
    backend_option,
    fps_option,
    seed_option,
    threads_option,
    world_option,
)
from engine.commands.parts import BackendOptions, Parts


@click.command()
@click.argument("scene", default="meadow")
@click.option(
    "--input",
    "keyboard",
    type=click.Choice(["pygame", "pynput"]),
    default="pygame",
    show_default=True,
    help="Keyboard source; pynput hears keys even when the window has no focus.",
)
@click.option("--headless", is_flag=True, help="Play without a window.")
@click.option("--paced", is_flag=True, help="With --headless, keep the scene's frame rate.")
@click.option("--ticks", type=click.IntRange(min=1), help="Stop after so many ticks.")
@actions_option
@seed_option
@fps_option
@backend_option
@threads_option
@world_option
@click.option(
    "--scale",
    type=click.IntRange(1, 12),
    help="Window pixels per frame pixel at the start [default: the scene's].",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Record frames, actions and their hash in this new directory.",
)
@click.pass_obj
def play(
    parts: Parts,
    *,
    scene: str,
    keyboard: str,
    headless: bool,
    paced: bool,
    ticks: int | None,
    actions: str | None,
    seed: int | None,
    fps: int | None,
    backend: str,
    threads: int | None,
    world: str | None,
    scale: int | None,
    out: Path | None,
) -> None:
    """Play SCENE, a shipped scene's name or a scene file.

    Without a window it runs as fast as it can, played at random unless --actions or
    --input pynput says otherwise.
    """
    if headless and keyboard == "pygame":
        actions = actions or "random"
    if headless and ticks is None and actions == "random":
        raise click.UsageError("--headless needs --ticks N or --actions FILE, or it would not end")
    with told_to_the_user():
        from engine.commands.stage import Plan, put_on

        plan = Plan(
            headless=headless,
            paced=paced or not headless,
            ticks=ticks,
            actions=actions,
            keyboard=keyboard,
            seed=seed,
            fps=fps,
            scale=scale,
            backend=BackendOptions(backend=backend, threads=threads),
            out=out,
        )
        report = put_on(parts.scene(scene, world), plan, parts)
        for line in filter(None, (report.summary(), report.advice())):
            click.echo(line, err=True)
