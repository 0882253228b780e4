"""Options that several commands share."""

import click

BACKENDS = ("onnxruntime", "openvino", "openvino-bf16", "torch", "torch-compiled")

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
    help="What runs the world; all but the default are extras. `auto`: the fastest installed, "
    "measured for two seconds, then remembered.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="CPU threads [default: physical cores, at least 2].",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of a table."
)
