"""`rollplay export quantize`: a bundle in int8, and what that gains and costs here."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.commands.errors import told_to_the_user
from engine.commands.options import json_option, threads_option

if TYPE_CHECKING:
    from engine.loop import World
    from world_model.world import RollingWorld

FLOAT32, INT8 = "float32", "int8"
CALIBRATION_TICKS = 200


@click.command()
@click.argument("world", default="platformer")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/int8"),
    show_default=True,
    help="Bundle to write.",
)
@click.option("--conv", is_flag=True, help="Convolutions, too, not only matrix products.")
@click.option(
    "--levels",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Unseen levels on which both play 200 ticks; 0 leaves quality out.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=6, show_default=True, help="Turns of 60 ticks each."
)
@threads_option
@json_option
def quantize(
    *,
    world: str,
    out: Path,
    conv: bool,
    levels: int,
    rounds: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Write WORLD, a bundle's name or its directory, in int8, and compare the two.

    Both play in turn, on ONNX Runtime, and on the same levels. What is exact to the pixel stays
    float32. Whether int8 pays is a matter of the processor; the report says.
    """
    with told_to_the_user():
        from export.quantize import quantize_bundle
        from games.scene import bundle_directory

        directory = bundle_directory(world)
        quantize_bundle(directory, out, _play if conv else None)
        document = _compared({FLOAT32: directory, INT8: out}, levels, rounds, threads)
    click.echo(json.dumps(document) if as_json else _table(document, out))


def _play(world: RollingWorld) -> None:
    """Play on levels that are not those of the comparison."""
    import numpy as np

    from world_model.data import HELD_OUT_SEED, opening_of

    rng = np.random.default_rng(0)
    world.reset(opening_of(HELD_OUT_SEED - 1, world.start_frames), seed=0)
    for _ in range(CALIBRATION_TICKS):
        world.step(rng.random(len(world.buttons)) < 0.4)


def _compared(
    bundles: dict[str, Path], levels: int, rounds: int, threads: int | None
) -> dict[str, Any]:
    from engine.profiling.environment import environment
    from export import verify
    from export.loading import DEFAULT

    tick_ms, (ratio, low, high) = _compare_speed(bundles, rounds, threads)
    named: dict[str, dict[str, Any]] = {
        name: {
            "tick_ms_p50": round(ms, 3),
            "step_mb": round((directory / "step.onnx").stat().st_size / 1e6, 2),
            "quality": verify.quality(directory, DEFAULT, levels),
        }
        for (name, directory), ms in zip(bundles.items(), tick_ms, strict=True)
    }
    return {
        **named,
        "ratio": {"p50": round(ratio, 3), "interval": [round(low, 3), round(high, 3)]},
        "faster": high < 1,
        "losses": verify.losses(named[INT8]["quality"], named[FLOAT32]["quality"]),
        "environment": environment(),
    }


def _compare_speed(
    bundles: dict[str, Path], rounds: int, threads: int | None
) -> tuple[list[float], tuple[float, float, float]]:
    """Return the median ms of a tick of each, and the ratio with its 95 % interval."""
    from statistics import median

    from tqdm import tqdm

    from engine.profiling.bench import measure
    from engine.profiling.compare import compare
    from world_model.data import HELD_OUT_SEED, opening_of

    load, start = partial(_load, bundles, threads), partial(opening_of, HELD_OUT_SEED)
    turns = rounds * len(bundles)
    with tqdm(total=turns, desc="speed", unit="turn", dynamic_ncols=True) as bar:
        sides = measure(load, start, list(bundles), ticks=60, rounds=rounds, done=bar.update)
    documents = [{"series_ms": {"tick": s.tick_ms, "frame_time": s.tick_ms}} for s in sides]
    found = compare(*documents)[0]
    return [median(side.tick_ms) for side in sides], (found.ratio, found.low, found.high)


def _load(bundles: dict[str, Path], threads: int | None, name: str) -> World:
    from export.loading import load_world

    return load_world(bundles[name], threads=threads)


def _table(document: dict[str, Any], out: Path) -> str:
    rows = [_cells(document[name]) for name in (FLOAT32, INT8)]
    lines = [f"{'':<32}{FLOAT32:>10}{INT8:>10}"]
    lines += [f"{title:<32}{rows[0][title]:>10}{rows[1][title]:>10}" for title in rows[0]]
    ratio, (low, high) = document["ratio"]["p50"], document["ratio"]["interval"]
    took = f"a tick in int8 takes {ratio:.2f} of one in float32 ({low:.2f} to {high:.2f})"
    return "\n".join([*lines, "", f"{took}: {_verdict(document)}", f"written to {out}"])


def _cells(side: dict[str, Any]) -> dict[str, str]:
    quality = side["quality"]
    cells = {
        "tick p50, ms": f"{side['tick_ms_p50']:.1f}",
        "step.onnx, MB": f"{side['step_mb']:.1f}",
    }
    if quality:
        cells |= {
            "PSNR after 64 ticks, dB": f"{quality['psnr_db']['64']:.1f}",
            "player off after 64 ticks, px": f"{quality['position_error_px']['64']:.1f}",
            "one player, of frames": f"{quality['presence']:.1%}",
            "events in agreement": _share(quality["events"]["all"]),
        }
    return cells


def _verdict(document: dict[str, Any]) -> str:
    if document["losses"]:
        return f"int8 does not pay here, it {'; '.join(document['losses'])}"
    return "int8 pays here" if document["faster"] else "int8 does not pay here, it is not faster"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
