"""`rollplay evaluate`: play a world against its game and report how faithful it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from engine.commands.errors import told_to_the_user
from engine.commands.options import json_option, threads_option
from engine.commands.parts import BackendOptions, Parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from games.schema import Sink
    from world_model.evaluation.evaluate import Progress
    from world_model.evaluation.side_by_side import Course, World

SINK_NAMES = ("pinned", "refresh", "off")


@click.command()
@click.argument("world")
@click.option(
    "--level",
    type=click.Path(path_type=Path),
    help="Play this ASCII map, in the meadow's looks, instead of unseen levels.",
)
@click.option(
    "--actions",
    type=click.Path(path_type=Path),
    help="Hold what this actions file says, on every level [default: a scripted player].",
)
@click.option(
    "--ticks",
    type=click.IntRange(min=1),
    default=6000,
    show_default=True,
    help="Length of the long runs; the other levels are played for at most 200 ticks.",
)
@click.option(
    "--levels",
    type=click.IntRange(1, 10_000),
    default=16,
    show_default=True,
    help="Number of unseen levels.",
)
@click.option(
    "--long-levels",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="Number of levels that are played for --ticks.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 1 << 31),
    default=0,
    show_default=True,
    help="Chooses the unseen levels, the scripted player and the world's noise.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write plot.png, windows.png, sheet.png and card.json into this directory.",
)
@click.option(
    "--card",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the model card, in Markdown, to this file.",
)
@click.option(
    "--sink",
    type=click.Choice(SINK_NAMES),
    default="pinned",
    show_default=True,
    help="What the attention sink holds, as of a scene's `sink`.",
)
@threads_option
@json_option
@click.pass_obj
def evaluate(
    parts: Parts,
    *,
    world: str,
    level: Path | None,
    actions: Path | None,
    ticks: int,
    levels: int,
    long_levels: int,
    seed: int,
    out: Path | None,
    card: Path | None,
    sink: Sink,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure WORLD, a bundle's name or its directory, against the true game.

    The default takes about a quarter of an hour on two cores.
    """
    with told_to_the_user():
        from engine.profiling.environment import environment
        from world_model.evaluation import report
        from world_model.evaluation.evaluate import Plan
        from world_model.evaluation.evaluate import evaluate as played

        if out:
            report.require_drawing()
            out.mkdir(parents=True, exist_ok=True)
        courses = _courses(level, levels, seed)
        found = parts.load_world(world, BackendOptions(threads=threads))
        found.anchor(sink)
        loaded = cast("World", found)
        plan = Plan(
            courses=courses,
            ticks=ticks,
            long_levels=long_levels,
            actions=None if actions is None else _held(actions, loaded.buttons),
            seed=seed,
        )
        with progress_bar() as progress:
            results = played(loaded, plan, progress)
        document = {**results.document(), "environment": environment()}
        if out:
            report.write_report(results, document, out)
        if card:
            card.parent.mkdir(parents=True, exist_ok=True)
            card.write_text(report.model_card(document), encoding="utf-8")
        click.echo(json.dumps(document) if as_json else report.model_card(document))


def _courses(level: Path | None, levels: int, seed: int) -> tuple[Course, ...]:
    from world_model.evaluation.evaluate import course_of, held_out_courses

    if level is None:
        return held_out_courses(levels, seed)

    from games.platformer.level import LevelError, parse_level
    from games.problems import SceneErrors, SourceProblem

    text = _read_text(level)
    rows = text.splitlines()
    try:
        return (course_of(level.stem, parse_level(text)),)
    except LevelError as error:
        raise SceneErrors(
            SourceProblem(level, problem.line + 1, problem.column + 1, problem.message,
                          "".join(rows[problem.line : problem.line + 1]), problem.expected)
            for problem in error.problems
        ) from None  # fmt: skip


def _read_text(level: Path) -> str:
    from games.problems import SceneErrors, SourceProblem

    try:
        return level.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problem = SourceProblem(level, 1, 1, f"cannot read: {reason}", expected="an ASCII map")
        raise SceneErrors([problem]) from None


def _held(actions: Path, buttons: tuple[str, ...]) -> NDArray[Any]:
    """Read what is held at every tick; a session is measured from one start to its end."""
    from engine.actions import read_actions
    from engine.errors import ActionsError
    from games.problems import SourceProblem

    script = read_actions(actions, buttons)
    if not len(script):
        raise ActionsError([SourceProblem(actions, 1, 1, "no ticks", expected="a tick a line")])
    if script.resets.any():
        message = "`!reset` cannot be evaluated: a run is measured from its one start"
        raise ActionsError([SourceProblem(actions, 1, 1, message)])
    return script.held


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a bar on stderr, where tqdm (of the `train` extra) is installed."""
    from world_model.evaluation.evaluate import NoProgress

    try:
        from tqdm import tqdm
    except ImportError:
        yield NoProgress()
        return

    class Bar:
        def begin(self, ticks: int) -> None:
            bar.reset(ticks)

        def advance(self) -> None:
            bar.update()

    with tqdm(desc="evaluate", unit="tick", dynamic_ncols=True) as bar:
        yield Bar()
