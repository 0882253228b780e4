"""Checkpoints: what is written is read again, and what is broken says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from world_model.errors import DataError
from world_model.training.checkpoint import (
    TENSORS,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from world_model.training.optim import build_optimizers

GROUPS = {
    "model": {"a.weight": torch.randn(3, 4), "b": torch.tensor(2.5)},
    "ema": {"a.weight": torch.zeros(3, 4)},
    "optimizer0": {"0.step": torch.tensor(7)},
}
STATE = {"step": 7, "history": [{"loss": 0.5}], "config": {"widths": [1, 2]}}


def test_groups_and_state_survive(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new" / "run", GROUPS, STATE)
    groups, state = load_checkpoint(tmp_path / "new" / "run")
    assert state == STATE
    assert groups.keys() == GROUPS.keys()
    for group, named in GROUPS.items():
        assert groups[group].keys() == named.keys()
        for name, tensor in named.items():
            assert torch.equal(groups[group][name], tensor)


def test_a_newer_checkpoint_takes_the_place_of_the_older(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, GROUPS, STATE)
    save_checkpoint(tmp_path, {"model": {"c": torch.ones(1)}}, {"step": 8})
    groups, state = load_checkpoint(tmp_path)
    assert (list(groups), state) == (["model"], {"step": 8})
    assert {path.name for path in tmp_path.iterdir()} == {TENSORS, "checkpoint.json"}


def test_tensors_that_share_memory_or_are_turned_can_be_saved(tmp_path: Path) -> None:
    weight = torch.randn(4, 6)
    save_checkpoint(tmp_path, {"model": {"a": weight, "b": weight, "c": weight.T}}, {})
    groups, _ = load_checkpoint(tmp_path)
    assert torch.equal(groups["model"]["c"], weight.T)


def test_no_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no checkpoint here; train one with `rollplay train`"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "cut", "overwritten"])
def test_a_broken_checkpoint_is_called_so(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, GROUPS, STATE)
    path = tmp_path / TENSORS
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:-9], "overwritten": b"x" * len(whole)}[damage])
    with pytest.raises(DataError, match="broken checkpoint"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"state": "{"}, {"state": "{}"}])
def test_someone_elses_safetensors_are_called_broken(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / TENSORS, metadata=metadata)
    with pytest.raises(DataError, match="broken checkpoint"):
        load_checkpoint(tmp_path)


def trained(steps: int) -> tuple[nn.Module, list[torch.optim.Optimizer]]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2))
    optimizers = build_optimizers(
        module, lr=1e-2, matrix_lr=1e-2, matrices=[module[1]], dtype=torch.float32
    )
    for step in range(steps):
        descend(module, optimizers, step)
    return module, optimizers


def descend(module: nn.Module, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    module(torch.randn(5, 4, generator=generator)).square().mean().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def test_restored_optimizers_go_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    module, optimizers = trained(4)
    groups = {f"optimizer{i}": optimizer_tensors(opt) for i, opt in enumerate(optimizers)}
    save_checkpoint(tmp_path, {"model": module.state_dict(), **groups}, {})
    groups, _ = load_checkpoint(tmp_path)
    again, fresh = trained(0)
    again.load_state_dict(groups["model"])
    for i, optimizer in enumerate(fresh):
        restore_optimizer(optimizer, groups[f"optimizer{i}"])
    for step in range(4, 8):
        descend(module, optimizers, step)
        descend(again, fresh, step)
    for name, tensor in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
