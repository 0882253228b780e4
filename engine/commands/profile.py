"""`rollplay profile`: run a scene at its frame rate and say where the time of a frame went.

Its subcommands compare two such measurements, and measure the pacer alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.commands.compare import compare
from engine.commands.default_group import DefaultGroup
from engine.commands.errors import told_to_the_user
from engine.commands.fit import fit
from engine.commands.options import (
    HUD_MODES,
    actions_option,
    backend_option,
    fps_option,
    json_option,
    seed_option,
    threads_option,
    world_option,
)
from engine.commands.pacing import pacing
from engine.commands.parts import BackendOptions, Parts

if TYPE_CHECKING:
    from engine.profiling.report import Report
    from games.scene import Scene

Command = TypeVar("Command", bound=Callable[..., Any])

SCENE = "scene"


@click.group(cls=DefaultGroup, default=SCENE)
def profile() -> None:
    """Measure a scene tick by tick: `rollplay profile meadow`, or compare two measurements."""


def _file_option(name: str, description: str) -> Callable[[Command], Command]:
    kind = click.Path(dir_okay=False, writable=True, path_type=Path)
    return click.option(name, type=kind, help=description)


@profile.command(name=SCENE)
@click.argument("scene", default="meadow")
@click.option("--ticks", type=click.IntRange(min=2), help="Ticks to measure [default: 600].")
@click.option(
    "--seconds", type=click.FloatRange(min=1), help="Measure for so long instead of --ticks."
)
@click.option("--headless", is_flag=True, help="Measure without a window.")
@actions_option
@seed_option
@fps_option
@backend_option
@threads_option
@world_option
@click.option(
    "--hud",
    type=click.Choice(HUD_MODES),
    default=HUD_MODES[0],
    show_default=True,
    help="How much the HUD shows over the window meanwhile: what it costs is reported.",
)
@click.option(
    "--operators", is_flag=True, help="Also time every operator of the graphs; slows them."
)
@_file_option("--jsonl", "Write one JSON document a tick to this file.")
@_file_option("--trace", "Write Chrome trace events, for ui.perfetto.dev, to this file.")
@_file_option("--plot", "Write a picture (.png or .svg) to this file.")
@_file_option("--html", "Write a self-contained page to this file.")
@json_option
@click.pass_obj
def profile_scene(
    parts: Parts,
    *,
    scene: str,
    ticks: int | None,
    seconds: float | None,
    headless: bool,
    actions: str | None,
    seed: int | None,
    fps: int | None,
    backend: str,
    threads: int | None,
    world: str | None,
    hud: str,
    operators: bool,
    jsonl: Path | None,
    trace: Path | None,
    plot: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Measure SCENE tick by tick, played at random unless --actions names a file."""
    if ticks is not None and seconds is not None:
        raise click.UsageError("give --ticks or --seconds, not both")
    if (plot or html) and find_spec("matplotlib") is None:
        raise click.UsageError("--plot and --html need matplotlib: pip install 'rollplay[profile]'")
    with told_to_the_user():
        from engine.commands.stage import Plan, put_on
        from engine.errors import DisplayError

        checked = parts.scene(scene, world)
        if seconds is not None:
            ticks = max(2, round(seconds * (fps or checked.fps)))
        plan = Plan(
            headless=headless,
            measured=True,
            ticks=ticks or 600,
            actions=actions or "random",
            seed=seed,
            fps=fps,
            hud=hud,
            backend=BackendOptions(backend=backend, threads=threads, log_operators=operators),
        )
        try:
            report = put_on(checked, plan, parts)
        except DisplayError:
            click.echo("note: there is no display here; measuring without a window", err=True)
            report = put_on(checked, replace(plan, headless=True), parts)
        report = replace(report, environment={**report.environment, **_fingerprints(checked)})
        _write(report, jsonl=jsonl, trace=trace, plot=plot, html=html)
        click.echo(json.dumps(report.as_dict()) if as_json else report.table())


def _fingerprints(scene: Scene) -> dict[str, str | None]:
    """Tell this scene and this world from others of the same name."""
    from engine.profiling.environment import fingerprint
    from games.scene import bundle_directory

    graph = bundle_directory(scene.world) / "step.onnx"
    return {"scene_sha256": fingerprint(scene.path), "step_onnx_sha256": fingerprint(graph)}


def _write(
    report: Report, *, jsonl: Path | None, trace: Path | None, plot: Path | None, html: Path | None
) -> None:
    from engine.profiling.page import write_page
    from engine.profiling.plot import write_plot
    from engine.profiling.ticks import write_ticks
    from engine.profiling.trace import write_trace

    for path, write in ((jsonl, write_ticks), (trace, write_trace), (plot, write_plot),
                        (html, write_page)):  # fmt: skip
        if path:
            write(report, path)
            click.echo(f"{path}: written", err=True)


profile.add_command(compare)
profile.add_command(pacing)
profile.add_command(fit)
