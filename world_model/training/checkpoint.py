"""Checkpoints of a training run: tensors as safetensors, the rest as JSON. No pickle.

A checkpoint is written beside the old one and then renamed over it, so that an interrupted run
always finds a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from world_model.errors import DataError

TENSORS = "checkpoint.safetensors"
STATE = "checkpoint.json"


def save_checkpoint(
    directory: Path, groups: Mapping[str, Mapping[str, Tensor]], state: Any
) -> None:
    """Write groups of tensors (`model`, `ema`, ...) and a JSON-able `state` to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous().clone()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    fresh = directory / f"{TENSORS}.new"
    save_file(tensors, fresh, metadata={"state": json.dumps(state)})
    fresh.replace(directory / TENSORS)
    (directory / STATE).write_text(json.dumps(state, indent=1))


def load_checkpoint(directory: Path) -> tuple[dict[str, dict[str, Tensor]], Any]:
    """Read what `save_checkpoint` wrote; raises DataError where there is none or a broken one."""
    path = directory / TENSORS
    if not path.exists():
        raise DataError(f"{directory}: no checkpoint here; train one with `rollplay train`")
    try:
        flat = load_file(path)
        state = json.loads(_metadata(path)["state"])
        groups: dict[str, dict[str, Tensor]] = {}
        for key, tensor in flat.items():
            group, name = key.split("/", 1)
            groups.setdefault(group, {})[name] = tensor
    except (SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{path}: broken checkpoint ({error})") from None
    return groups, state


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors, `<parameter index>.<name>`."""
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned; learning rates stay as configured."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
