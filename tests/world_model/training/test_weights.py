"""A bundle's weights as a beginning: what fits is taken, what does not starts anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from world_model.errors import WorldError
from world_model.training.weights import WEIGHTS_FILE, read_weights, start_from


def test_weights_are_read_by_name(tmp_path: Path) -> None:
    save_file({"a.b": torch.ones(2), "c": torch.zeros(3)}, tmp_path / WEIGHTS_FILE)
    read = read_weights(tmp_path)
    assert read.keys() == {"a.b", "c"}
    assert torch.equal(read["c"], torch.zeros(3))


@pytest.mark.parametrize("contents", [None, b"", b"no weights at all"])
def test_weights_that_cannot_be_read_are_named(tmp_path: Path, contents: bytes | None) -> None:
    if contents is not None:
        (tmp_path / WEIGHTS_FILE).write_bytes(contents)
    with pytest.raises(WorldError, match=r"weights\.safetensors: cannot be read"):
        read_weights(tmp_path)


def test_what_has_the_same_name_and_shape_is_taken() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: t.clone() for name, t in module.state_dict().items()}
    weights = {"0.weight": torch.ones(3, 2), "1.weight": torch.ones(5, 5), "2.bias": torch.ones(1)}
    assert start_from(module, weights) == ["0.bias", "1.bias", "1.weight"]
    assert torch.equal(module[0].weight, torch.ones(3, 2))
    assert torch.equal(module[1].weight, before["1.weight"])


def test_weights_of_which_none_fits_are_refused() -> None:
    with pytest.raises(WorldError, match="no weight fits"):
        start_from(nn.Linear(2, 3), {"weight": torch.ones(4, 4)})
