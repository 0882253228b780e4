"""What the model's tests share: networks in which nothing is zero by accident."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.actions import encode_actions
from world_model.cast import NOWHERE
from world_model.config import WorldConfig
from world_model.data import index_branches
from world_model.network.codec import Codec
from world_model.network.dit import RollingDiT
from world_model.training.footage import Footage


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


class ByteCodec(Codec):
    """Latents are the very bytes of cells."""

    def encode_cells(self, cells: Tensor) -> Tensor:
        """Map bytes to the same numbers."""
        return cells.float()


@pytest.fixture
def byte_codec() -> Codec:
    """A codec that lets frames be told by their bytes."""
    return ByteCodec()


@pytest.fixture
def numbered(byte_codec: Codec) -> Callable[[WorldConfig, NDArray[np.bool_]], Footage]:
    """Make footage of recorded buttons in which a frame's latents are its number.

    Every tensor can so be traced to a moment. Actors stand at the top left, in a drawing that hides
    nothing; a bare level is 255 all over.
    """

    def build(config: WorldConfig, held: NDArray[np.bool_]) -> Footage:
        cast = config.cast
        branches = index_branches(held, config.window.slots)
        assert branches.frames < 255, "a number is a byte"
        numbers = torch.arange(branches.frames, dtype=torch.uint8)
        acted = np.pad(held, ((0, 0), (1, 0), (0, 0)))
        changed = (acted[:, 1:] != acted[:, :-1]).any(-1)
        return Footage(
            byte_codec,
            numbers[:, None, None, None].expand(-1, *config.latent_shape).contiguous(),
            branches.held,
            encode_actions(acted),
            np.argwhere(changed) + np.array([0, 1]),
            torch.full((len(held), *config.latent_shape), 255, dtype=torch.uint8),
            torch.zeros(len(held), cast.drawings, 4, cast.height, cast.width),
            np.zeros((*branches.held.shape, cast.actors, len(NOWHERE)), np.int64),
        )

    return build
