"""`rollplay profile compare`: two measurements side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.errors import FAILED, told_to_the_user
from engine.commands.options import json_option

if TYPE_CHECKING:
    from engine.profiling.compare import Ratio


def _percent(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read `5%` or `5`."""
    if text is None:
        return None
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a percentage, such as 5%") from None
    if value < 0:
        raise click.BadParameter("a percentage of 0 or more is needed")
    return value


margin_option = click.option(
    "--fail-if-slower",
    metavar="PERCENT",
    callback=_percent,
    help="Exit with 1 if a metric of B is shown to be slower by more than this.",
)


@click.command()
@click.argument("one", metavar="A.json", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("other", metavar="B.json", type=click.Path(dir_okay=False, path_type=Path))
@margin_option
@json_option
def compare(*, one: Path, other: Path, fail_if_slower: float | None, as_json: bool) -> None:
    """Compare two outputs of `rollplay profile --json`: B by A, metric by metric."""
    with told_to_the_user():
        from engine.profiling.compare import compare as compare_documents
        from engine.profiling.compare import read_document

        ratios = compare_documents(read_document(one), read_document(other))
        print_ratios(ratios, fail_if_slower, as_json=as_json)


def print_ratios(ratios: list[Ratio], fail_if_slower: float | None, *, as_json: bool) -> None:
    """Show what a comparison found; exit with 1 where B is slower by more than allowed."""
    from engine.profiling.compare import table

    document = {ratio.metric: {**vars(ratio), "shown": ratio.shown} for ratio in ratios}
    click.echo(json.dumps(document) if as_json else table(ratios))
    if fail_if_slower is None:
        return
    slower = [ratio.metric for ratio in ratios if ratio.low > 1 + fail_if_slower / 100]
    if slower:
        click.echo(f"slower by more than {fail_if_slower:g} %: {', '.join(slower)}", err=True)
        raise SystemExit(FAILED)
