"""Reads what was trained, be it a run directory or a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch import Tensor

from world_model.bundle import CONFIG_FILE, read_config
from world_model.config import WorldConfig
from world_model.errors import DataError
from world_model.network.dit import RollingDiT
from world_model.training.checkpoint import TENSORS, load_checkpoint
from world_model.training.distill import DistillTask
from world_model.training.train_finder import FinderTask
from world_model.training.train_world import WORLD
from world_model.training.weights import WEIGHTS_FILE, read_weights

TEACHER: Final = "teacher"
WORLDS: Final = {WORLD: "", DistillTask.name: "student."}
"""Runs that hold a world, and what its weights' names begin with there."""


def load_dit(world: Path, finder: Path) -> tuple[WorldConfig, RollingDiT]:
    """Put a world's and a finder's averaged weights together, also of runs that still go on.

    Either may be a bundle instead of a run directory.
    """
    config, weights = trained(world, WORLDS)
    _, following = trained(finder, {FinderTask.name: ""})
    dit = RollingDiT(config)
    try:
        dit.load_state_dict(weights)
        dit.finder.load_state_dict(finder_weights(following) or following)
    except RuntimeError as error:
        raise DataError(f"{world}, {finder}: are not of one world ({error})") from None
    return config, dit.eval()


def weights_file(directory: Path) -> Path:
    """Return the file that holds a bundle's or a run's weights; raises DataError without one."""
    for name in (WEIGHTS_FILE, TENSORS):
        if (directory / name).exists():
            return directory / name
    raise DataError(f"{directory}: neither a bundle nor a run; `rollplay train` makes one")


def trained(directory: Path, tasks: dict[str, str]) -> tuple[WorldConfig, dict[str, Tensor]]:
    """Read the weights of a bundle, or of a run of one of `tasks`: name -> what its weights' names
    begin with."""
    if (directory / CONFIG_FILE).exists():
        return read_config(directory), read_weights(directory)
    groups, state = load_checkpoint(directory)
    if state["task"] not in tasks:
        raise DataError(f"{directory}: holds a {state['task']}, not a {' or '.join(tasks)}")
    weights = groups.get("final", groups["ema"])
    return WorldConfig.from_dict(state["config"]), _under(tasks[state["task"]], weights)


def finder_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what of a whole network's weights is its finder's."""
    return _under("finder.", weights)


def _under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }
