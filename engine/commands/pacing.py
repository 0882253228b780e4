"""`rollplay profile pacing`: how steadily this machine can hold a rate, without a world."""

from __future__ import annotations

import json

import click

from engine.commands.options import json_option
from engine.commands.parts import Parts


@click.command()
@click.option(
    "--fps", type=click.IntRange(1, 240), default=20, show_default=True, help="Ticks per second."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=10.0,
    show_default=True,
    help="How long each of the four cases runs.",
)
@click.option(
    "--work",
    type=click.FloatRange(0, 0.99),
    default=0.7,
    show_default=True,
    help="Share of a tick's time that the longest ticks spend working.",
)
@json_option
@click.pass_obj
def pacing(parts: Parts, *, fps: int, seconds: float, work: float, as_json: bool) -> None:
    """Measure how steadily this machine can hold a rate, idle and beside a busy core."""
    from engine.profiling.steadiness import measure_all, table

    ticks = max(2, round(seconds * fps))
    cases = measure_all(parts.clock, rate_hz=fps, ticks=ticks, work_share=work)
    click.echo(
        json.dumps([{**vars(case), "steady": case.steady} for case in cases])
        if as_json
        else table(cases)
    )
