"""What `rollplay bench --gpu-report` measures: every backend of this machine's NVIDIA GPU.

For the shipped world and for a large one of random weights: how fast each backend ticks, and
whether it plays what torch does. One JSON document, to be kept or sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from engine.errors import DeviceError

if TYPE_CHECKING:
    from engine.loop import Frames, World

SHIPPED = "platformer"
PARITY_TICKS, FEW_TICKS = 60, 8
"""Of the shipped world, and of a large one: its twin is torch on the CPU."""
NOISE_SEED = 0


def write_gpu_report(path: Path, *, ticks: int, rounds: int) -> None:
    """Measure and write to `path`, after each world anew; raises DeviceError without a GPU."""
    from engine.profiling.environment import environment
    from export import gpu
    from export.large import NAME, large, write_random_bundle
    from export.loading import DEFAULT, ON_GPU
    from games.scene import bundle_directory
    from world_model.bundle import read_config

    if not gpu.has_driver():
        raise DeviceError(f"{gpu.NO_DRIVER}: a GPU report is about an NVIDIA GPU")
    on_gpu = (*(("torch", "torch-compiled") if _torch_has_gpu() else ()), *ON_GPU)
    document: dict[str, Any] = {"environment": environment(), "worlds": {}}
    with TemporaryDirectory(prefix="rollplay-") as folder:
        directory = bundle_directory(SHIPPED)
        for name in (SHIPPED, NAME):
            if name == NAME:
                click.echo(f"exporting {NAME}, a few minutes ...", err=True)
                config, directory = large(read_config(directory)), Path(folder) / NAME
                write_random_bundle(config, directory)
            backends = (DEFAULT, *on_gpu) if name == SHIPPED else on_gpu
            document["worlds"][name] = measured(directory, backends, ticks=ticks, rounds=rounds)
            path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    worlds = document["worlds"].values()
    if all("error" in world[name] for world in worlds for name in ON_GPU):
        raise DeviceError(f"no backend works on this machine's GPU; {path} says why")


def measured(
    directory: Path, backends: Sequence[str], *, ticks: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """Return what each backend does with a bundle, by name: its speed, and parity with torch."""
    from tqdm import tqdm

    from engine.profiling.bench import measure
    from engine.profiling.peaks import peak_gflops
    from export.capacity import step_work
    from world_model.bundle import read_config

    config = read_config(directory)
    work, start = step_work(config)[0], partial(_noise, config.frame_shape)
    turns = len(backends) * (rounds + 1)
    with tqdm(total=turns, desc=directory.name, unit="turn", dynamic_ncols=True) as bar:
        sides = measure(
            partial(_load, directory), start, backends, ticks=ticks, rounds=rounds, done=bar.update
        )
        found = {side.backend: side.document(work, peak_gflops()) for side in sides}
        for name, side in found.items():
            if "error" not in side:
                side["parity"] = _parity(directory, name, start(config.window.start_frames))
            bar.update()
    return found


def _parity(directory: Path, backend: str, frames: Frames) -> dict[str, Any]:
    from dataclasses import asdict

    from export.parity import roll_out_parity
    from world_model.errors import WorldError

    ticks = PARITY_TICKS if directory.name == SHIPPED else FEW_TICKS
    try:
        parity = roll_out_parity(directory, ticks, backend=backend, frames=frames)
    except WorldError as error:
        return {"error": str(error)}
    return {**asdict(parity), "failure": parity.failure}


def _torch_has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _load(directory: Path, backend: str) -> World:
    from export.loading import load_world

    return load_world(directory, backend=backend)


def _noise(shape: tuple[int, int, int], count: int) -> Frames:
    """Return frames to start from that need no game of that size."""
    import numpy as np

    return np.random.default_rng(NOISE_SEED).integers(0, 256, (count, *shape), np.uint8)
