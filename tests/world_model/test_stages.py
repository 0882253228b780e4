"""What a run directory gives back: the averaged weights of a world, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from world_model.checkpoint import save_checkpoint
from world_model.config import WorldConfig
from world_model.dit import RollingDiT
from world_model.errors import DataError
from world_model.stages import load_dit


def weights(tiny: WorldConfig, value: float) -> dict[str, Tensor]:
    return {n: torch.full_like(t, value) for n, t in RollingDiT(tiny).state_dict().items()}


@pytest.mark.parametrize("finished", [False, True])
def test_a_worlds_averaged_weights_are_loaded_also_of_a_run_that_goes_on(
    tmp_path: Path, tiny: WorldConfig, finished: bool
) -> None:
    groups = {"model": weights(tiny, 1.0), "ema": weights(tiny, 2.0)}
    if finished:
        groups["final"] = weights(tiny, 3.0)
    save_checkpoint(tmp_path, groups, {"task": "world", "config": tiny.to_dict()})
    config, dit = load_dit(tmp_path)
    assert config == tiny
    assert not dit.training
    assert {tensor.unique().item() for tensor in dit.state_dict().values()} == {2.0 + finished}


def test_a_run_of_something_else_is_no_world(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"model": {"a": torch.ones(1)}}, {"task": "line", "config": {}})
    with pytest.raises(DataError, match="holds a line, not a world"):
        load_dit(tmp_path)
