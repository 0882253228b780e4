"""What a run directory gives back: the averaged weights of a world, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.onnx_export import write_bundle
from world_model.config import WorldConfig
from world_model.errors import DataError
from world_model.network.dit import RollingDiT
from world_model.training.checkpoint import save_checkpoint
from world_model.training.trained import load_dit


def weights(module: nn.Module, value: float) -> dict[str, Tensor]:
    return {n: torch.full_like(t, value) for n, t in module.state_dict().items()}


def save_run(directory: Path, config: WorldConfig, task: str, *, finished: bool = False) -> Path:
    """Save a run of a world (averages: 2, finished: 3), or of a finder (12, 13)."""
    dit = RollingDiT(config)
    module, base = (dit, 0.0) if task == "world" else (dit.finder, 10.0)
    groups = {"model": weights(module, base + 1), "ema": weights(module, base + 2)}
    if finished:
        groups["final"] = weights(module, base + 3)
    save_checkpoint(directory / task, groups, {"task": task, "config": config.to_dict()})
    return directory / task


@pytest.mark.parametrize("finished", [False, True])
def test_averaged_weights_are_loaded_also_of_runs_that_go_on(
    tmp_path: Path, tiny: WorldConfig, finished: bool
) -> None:
    runs = [save_run(tmp_path, tiny, task, finished=finished) for task in ("world", "finder")]
    config, dit = load_dit(*runs)
    assert config == tiny
    assert not dit.training
    values: dict[bool, set[float]] = {False: set(), True: set()}
    for name, tensor in dit.state_dict().items():
        values[name.startswith("finder.")].add(tensor.unique().item())
    assert values == {False: {2.0 + finished}, True: {12.0 + finished}}


def test_a_bundle_serves_as_well(tmp_path: Path, tiny: WorldConfig) -> None:
    runs = [save_run(tmp_path, tiny, task) for task in ("world", "finder")]
    bundle = tmp_path / "bundle"
    write_bundle(*load_dit(*runs), bundle)
    for pair in ((bundle, runs[1]), (runs[0], bundle), (bundle, bundle)):
        _, dit = load_dit(*pair)
        assert dit.finder.say.bias.unique().item() == 12
        assert dit.readout.tell.bias.unique().item() == 2


def test_a_run_of_something_else_is_no_world_and_no_finder(
    tmp_path: Path, tiny: WorldConfig
) -> None:
    world, finder = (save_run(tmp_path, tiny, task) for task in ("world", "finder"))
    with pytest.raises(DataError, match="holds a finder, not a world"):
        load_dit(finder, finder)
    with pytest.raises(DataError, match="holds a world, not a finder"):
        load_dit(world, world)


def test_a_finder_of_another_world_is_refused(tmp_path: Path, tiny: WorldConfig) -> None:
    world = save_run(tmp_path, tiny, "world")
    other = replace(tiny, buttons=("up",))
    finder = save_run(tmp_path, other, "finder")
    with pytest.raises(DataError, match="are not of one world"):
        load_dit(world, finder)
