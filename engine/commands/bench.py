"""`rollplay bench`: backends side by side, or this program against another state of itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.commands.compare import margin_option, print_ratios
from engine.commands.errors import told_to_the_user
from engine.commands.gpu_report import write_gpu_report
from engine.commands.options import backends_option, json_option, threads_option, world_option
from engine.commands.parts import BackendOptions, Parts

if TYPE_CHECKING:
    from engine.loop import World
    from games.scene import Scene


@click.command()
@click.argument("scene", default="meadow")
@backends_option("onnxruntime,openvino,openvino-bf16,torch")
@click.option(
    "--vs",
    metavar="REV|OPTIONS",
    help="Instead: `profile` as it is (A) and at a git revision, or with other options (B).",
)
@click.option(
    "--gpu-report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead: every backend of this machine's NVIDIA GPU, for the shipped world and for one "
    "of 100 million weights; writes one JSON file.",
)
@click.option(
    "--ticks", type=click.IntRange(min=20), default=100, show_default=True, help="Ticks a round."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=4, show_default=True, help="Turns of each."
)
@margin_option
@threads_option
@world_option
@json_option
@click.pass_obj
def bench(
    parts: Parts,
    *,
    scene: str,
    backends: list[str],
    vs: str | None,
    gpu_report: Path | None,
    ticks: int,
    rounds: int,
    fail_if_slower: float | None,
    threads: int | None,
    world: str | None,
    as_json: bool,
) -> None:
    """Measure SCENE's tick on several backends, in turn, each in a process of its own.

    With --vs, two runs of `rollplay profile` are measured in turn and compared, for example
    `--vs HEAD~1` or `--vs "--threads 1"`.
    """
    with told_to_the_user():
        if gpu_report is not None:
            write_gpu_report(gpu_report, ticks=ticks, rounds=rounds)
            click.echo(f"written to {gpu_report}")
            return
        if vs is not None:
            own = ["--threads", str(threads)] if threads else []
            own += ["--world", world] if world else []
            ratios = _versus(vs, [scene, "--headless", "--ticks", str(ticks), *own], rounds)
            print_ratios(ratios, fail_if_slower, as_json=as_json)
            return
        document = _side_by_side(parts, parts.scene(scene, world), backends, ticks, rounds, threads)
        click.echo(json.dumps(document) if as_json else _table(document))


def _versus(vs: str, arguments: Sequence[str], rounds: int) -> Any:
    import shlex

    from tqdm import tqdm

    from engine.profiling.versus import ROOT, checked_out, versus

    options = shlex.split(vs) if vs.startswith("-") else []
    with (
        nullcontext(ROOT) if options else checked_out(vs) as tree,
        tqdm(total=2 * rounds, desc="bench", unit="run", dynamic_ncols=True) as bar,
    ):
        sides = [(ROOT, []), (tree, options)]
        return versus(sides, arguments, rounds=rounds, done=bar.update)


def _side_by_side(
    parts: Parts,
    scene: Scene,
    backends: Sequence[str],
    ticks: int,
    rounds: int,
    threads: int | None,
) -> dict[str, Any]:
    from tqdm import tqdm

    from engine.profiling.bench import measure
    from engine.profiling.environment import environment
    from engine.profiling.peaks import peak_gflops
    from games.scene import start_frames

    load = partial(_load, parts.load_world, scene.world, threads)
    start = partial(start_frames, scene)
    with tqdm(total=len(backends) * rounds, desc="bench", unit="turn", dynamic_ncols=True) as bar:
        sides = measure(load, start, backends, ticks=ticks, rounds=rounds, done=bar.update)
    peak = peak_gflops()
    work = _gflop(scene.world)
    named = {side.backend: side.document(work, peak) for side in sides}
    return {**named, "environment": {**environment(), "peak_gflops": round(peak, 1)}}


def _load(load_world: Any, world: str, threads: int | None, backend: str) -> World:
    loaded: World = load_world(world, BackendOptions(backend=backend, threads=threads, strict=True))
    return loaded


def _gflop(world: str) -> float | None:
    """Return the work of a forward pass, where torch is there to count it."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return None
    from export.capacity import step_work
    from games.scene import bundle_directory
    from world_model.bundle import read_config

    directory = bundle_directory(world)
    return step_work(read_config(directory))[0] if directory.is_dir() else None


def _table(document: dict[str, Any]) -> str:
    environment = document["environment"]
    columns = ("FPS", "p50 ms", "p95", "p99", "GFLOP/s", "of peak", "start s", "RSS MB")
    lines = [f"{'backend':<16}" + "".join(f"{name:>9}" for name in columns)]
    for name, side in document.items():
        if name == "environment":
            continue
        if "error" in side:
            lines.append(f"{name:<16}  {side['error']}")
            continue
        tick = side["tick_ms"]
        share = side["share_of_peak"]
        cells = (
            f"{side['fps']:.1f}", f"{tick['p50']:.1f}", f"{tick['p95']:.1f}", f"{tick['p99']:.1f}",
            "-" if share is None else f"{side['gflops']:.0f}",
            "-" if share is None else f"{share:.0%}",
            f"{side['start_s']:.1f}", f"{side['peak_rss_mb'] or float('nan'):.0f}",
        )  # fmt: skip
        lines.append(f"{name:<16}" + "".join(f"{cell:>9}" for cell in cells))
    roof = f"roof: {environment['peak_gflops']} GFLOP/s (float32 matrix product)"
    return "\n".join([*lines, "", f"{roof}; {environment['cpu']}, {environment['cores']} cores"])
