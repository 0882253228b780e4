"""What the model's tests share: networks in which nothing is zero by accident."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from world_model.config import WorldConfig
from world_model.dit import RollingDiT


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
