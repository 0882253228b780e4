"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

BACKENDS = (
    "onnxruntime",
    "onnxruntime-cuda",
    "onnxruntime-trt-rtx",
    "openvino",
    "openvino-bf16",
    "tensorrt",
    "tensorrt-fp16",
    "tensorrt-bf16",
    "torch",
    "torch-compiled",
    "torch-cuda-graph",
)

HUD_MODES = ("off", "line", "graph", "full")

actions_option = click.option(
    "--actions",
    metavar="FILE|random",
    help="What is held at each tick: an actions file, or a random player.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the world's noise [default: the scene's]."
)
fps_option = click.option(
    "--fps", type=click.IntRange(1, 240), help="Ticks per second [default: the scene's]."
)
backend_option = click.option(
    "--backend",
    type=click.Choice(("auto", *BACKENDS)),
    default="onnxruntime",
    show_default=True,
    help="What runs the world; all but the default are extras. `auto`: the fastest that can be "
    "had here, measured for two seconds, then remembered.",
)
world_option = click.option(
    "--world", help="World to play it in, a bundle's name or its directory [default: the scene's]."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="CPU threads [default: physical cores, at least 2].",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of a table."
)


def backends_option(default: str) -> Callable[[Any], Any]:
    """`--backends`: names separated by commas, each once."""
    return click.option(
        "--backends",
        default=default,
        show_default=True,
        callback=_backends,
        help="Those to take, separated by commas; one that is not installed says so.",
    )


def _backends(_context: click.Context, _option: click.Parameter, text: str) -> list[str]:
    names = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [name for name in names if name not in BACKENDS]
    if unknown or not names:
        known = ", ".join(BACKENDS)
        raise click.BadParameter(f"{', '.join(unknown) or text!r}: choose from {known}")
    return list(dict.fromkeys(names))
