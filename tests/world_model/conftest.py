"""What the model's tests share: networks in which nothing is zero by accident."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from world_model.actions import encode_actions
from world_model.config import WorldConfig
from world_model.data import index_branches
from world_model.dit import RollingDiT
from world_model.latents import LatentSet


@pytest.fixture
def stir() -> Callable[[nn.Module], nn.Module]:
    """Draw all weights anew, the zero-initialised ones too, so that every path counts."""

    def redraw(module: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for param in module.parameters():
                fan_in = param[0].numel() if param.ndim > 1 else 16
                param.copy_(torch.randn(param.shape, generator=generator) * fan_in**-0.5)
        return module

    return redraw


@pytest.fixture
def dit(tiny: WorldConfig, stir: Callable[[nn.Module], nn.Module]) -> RollingDiT:
    """A tiny transformer with random weights everywhere."""
    module = stir(RollingDiT(tiny))
    assert isinstance(module, RollingDiT)
    return module.eval()


@pytest.fixture
def numbered() -> Callable[[WorldConfig, NDArray[np.bool_]], LatentSet]:
    """Make a data set of recorded buttons in which a frame's latents are its number.

    Every tensor can so be traced to a moment. The player stands at the top left, in a drawing that
    hides nothing; a bare level is minus one all over.
    """

    def build(config: WorldConfig, held: NDArray[np.bool_]) -> LatentSet:
        cast = config.cast
        branches = index_branches(held, config.window.slots)
        numbers = torch.arange(branches.frames, dtype=torch.float32)
        acted = np.pad(held, ((0, 0), (1, 0), (0, 0)))
        changed = (acted[:, 1:] != acted[:, :-1]).any(-1)
        return LatentSet(
            numbers[:, None, None, None].expand(-1, *config.latent_shape).contiguous(),
            branches.held,
            encode_actions(acted),
            np.argwhere(changed) + np.array([0, 1]),
            -torch.ones(len(held), *config.latent_shape),
            torch.zeros(len(held), cast.drawings, 4, cast.height, cast.width),
            np.zeros((*branches.held.shape, 3), np.int64),
            np.zeros(branches.held.shape, np.bool_),
        )

    return build
