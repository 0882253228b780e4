"""How tokens become what the painter is told of every cell: the way back, see `embedding`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.config import DiTConfig
from world_model.network.blocks import ConvBlock
from world_model.network.embedding import Embedded
from world_model.network.painter import SOURCE_BIAS, Painter


class Readout(nn.Module):
    """Turns tokens back into cells, with what these were before."""

    def __init__(self, dit: DiTConfig) -> None:
        super().__init__()
        width, of_tiles, of_cells = dit.width, dit.tile_width, dit.cell_width
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-5)
        self.glance = nn.Linear(width, width)
        nn.init.zeros_(self.glance.weight)
        nn.init.zeros_(self.glance.bias)
        self.from_tokens = nn.ConvTranspose2d(width, of_tiles, 2, stride=2)
        self.tile_block = ConvBlock(of_tiles, width)
        self.from_tiles = nn.ConvTranspose2d(of_tiles, of_cells, 2, stride=2)
        self.cell_block = ConvBlock(of_cells, width)
        self.tell = nn.Conv2d(of_cells, Painter.channels, 3, padding=1)
        nn.init.zeros_(self.tell.weight)
        self.tell.bias = nn.Parameter(torch.full((Painter.channels,), SOURCE_BIAS))

    @property
    def matrices(self) -> list[nn.Module]:
        """The inner layers: those that do not say what to paint."""
        return [self.from_tokens, self.tile_block, self.from_tiles, self.cell_block]

    def forward(self, x: Tensor, seen: Embedded) -> Tensor:
        """Turn tokens x (B, F, N, width) of frames into (B, F, channels, h, w).

        A glance at all tokens at once conditions every cell: whether anybody is there at all
        decides what is drawn at the start.
        """
        cond, tiles, cells = (part.flatten(0, 1) for part in seen[1:])
        tokens = self.norm(x).flatten(0, 1)
        cond = cond + self.glance(tokens.mean(1))
        grid = tiles.shape[-2] // 2, tiles.shape[-1] // 2
        tokens = tokens.transpose(1, 2).unflatten(-1, grid)
        tiles = self.tile_block(tiles + self.from_tokens(tokens), cond)
        cells = self.cell_block(cells + self.from_tiles(tiles), cond)
        return torch.unflatten(self.tell(F.relu(cells)), 0, x.shape[:2])
