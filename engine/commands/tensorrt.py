"""`rollplay export tensorrt`: engines for NVIDIA cards, built on any machine."""

from __future__ import annotations

import time
from pathlib import Path

import click

from engine.commands.errors import told_to_the_user

TARGET_NAMES = ("rtx20", "a100", "rtx30", "rtx40", "rtx50")


@click.command()
@click.argument("world", default="platformer")
@click.option(
    "--target",
    "targets",
    type=click.Choice(TARGET_NAMES),
    multiple=True,
    default=("rtx30", "rtx40", "rtx50"),
    show_default=True,
    help="GPU generation to build for; may be given more than once.",
)
@click.option("--fp16", "precision", flag_value="fp16", help="The network's products in float16.")
@click.option(
    "--bf16", "precision", flag_value="bf16", help="The same in bfloat16: rtx30 and newer."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep the engines [default: the user's cache].",
)
def tensorrt(
    *, world: str, targets: tuple[str, ...], precision: str | None, out: Path | None
) -> None:
    """Build the engines of WORLD, a bundle's name or its directory, with TensorRT-RTX.

    No GPU is needed. Engines that are kept already are not built again. They are float32 unless
    asked for otherwise; what is exact to the pixel stays so.
    """
    with told_to_the_user():
        from export import store
        from export.tensorrt_engines import TARGETS, Builder, EngineFile, build_engines
        from export.tensorrt_graph import FLOAT32
        from export.tensorrt_library import find_library
        from games.scene import bundle_directory

        directory = bundle_directory(world)
        builder, began = Builder(find_library(ahead_of_time=True)), time.perf_counter()

        def tell(engine: EngineFile) -> None:
            nonlocal began
            how = f"built in {time.perf_counter() - began:.1f} s" if engine.built else "kept"
            click.echo(f"{engine.path}: {engine.size / 1e6:.1f} MB, {how}")
            began = time.perf_counter()

        for target in dict.fromkeys(targets):
            began = time.perf_counter()
            build_engines(
                directory, TARGETS[target], out or store.place("engines"),
                builder=builder, precision=precision or FLOAT32, done=tell,
                begin=lambda graph: click.echo(f"building {graph} ...", err=True),
            )  # fmt: skip
