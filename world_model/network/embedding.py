"""How frames become tokens: cells, tiles of 2x2 cells, tokens of 2x2 tiles.

Convolutions see to what is near and exact: how a sprite moves, where it lands, what it uncovers.
Every cell of a slot sees at its own place what finished frames and the level with nobody in it show
there, and where actors go: none of it need be found by attention.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.actions import MARKS
from world_model.cast import COMING, COMINGS
from world_model.config import WorldConfig
from world_model.network.blocks import ConvBlock
from world_model.network.laying import PIXELS, Laid, mark

SIGMA_FREQS = 32


class Embedded(NamedTuple):
    """Frames as the transformer first sees them: tokens `x` (B, F, N, width) and conditions `cond`
    (B, F, width); `tiles`, `cells` (B, F, ..., h, w) are for the way back."""

    x: Tensor
    cond: Tensor
    tiles: Tensor
    cells: Tensor

    def slots(self, first: int) -> Embedded:
        """Leave out the frames before `first`."""
        return Embedded(*(part[:, first:] for part in self))


class Embedder(nn.Module):
    """Embeds frames, of which it sees the C leading channels, under noise level and action."""

    def __init__(self, config: WorldConfig) -> None:
        super().__init__()
        dit, channels = config.dit, config.codec.channels
        width, of_tiles, of_cells = dit.width, dit.tile_width, dit.cell_width
        self.grid = config.grid
        self.action = nn.Linear(len(config.buttons) + MARKS, width)
        self.coming = nn.Embedding(len(COMINGS), width)
        nn.init.zeros_(self.coming.weight)
        self.sigma = nn.Sequential(
            nn.Linear(2 * SIGMA_FREQS, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.cells_in = nn.Conv2d(channels, of_cells, 3, padding=1)
        self.behind_in, self.past_in, self.going_in = (
            nn.Conv2d(seen, of_cells, 3, padding=1, bias=False)
            for seen in (2 * channels, 2 * channels + 4 * PIXELS, 3 * PIXELS)
        )
        nn.init.zeros_(self.past_in.weight[:, 2 * channels :])
        nn.init.zeros_(self.going_in.weight)
        self.cell_block = ConvBlock(of_cells, width)
        self.to_tiles = nn.Conv2d(of_cells, of_tiles, 2, stride=2)
        self.tile_block = ConvBlock(of_tiles, width)
        self.to_tokens = nn.Conv2d(of_tiles, width, 2, stride=2)
        self.place = nn.Parameter(torch.randn(config.tokens, width) * 0.02)

    @property
    def matrices(self) -> list[nn.Module]:
        """The inner layers: those that do not read latents."""
        return [self.cell_block, self.to_tiles, self.tile_block, self.to_tokens]

    def forward(
        self,
        latents: Tensor,
        past: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        actors: Tensor,
        corners: Tensor | None,
    ) -> Embedded:
        """Turn frames (B, F, C, h, w), seen together with their `past` (B, F, width, h, w), into
        tokens; sigmas (B, F), actions, tokens (B, F, ...), and where `actors` are in them, (B, F,
        A, 4); `corners` (B, 2): row and column of the top left token, where frames are crops."""
        frames = latents.shape[:2]
        cond = self.condition(sigmas, actions, actors[:, :, 0, COMING])
        each = cond.flatten(0, 1)
        cells = self.cells_in(_images(latents)).unflatten(0, frames) + past
        cells = self.cell_block(cells.flatten(0, 1), each)
        tiles = self.tile_block(self.to_tiles(cells), each)
        tokens = self.to_tokens(tiles)
        place = self.places(corners, tokens.shape[-2:])
        x = tokens.flatten(2).transpose(1, 2).unflatten(0, frames) + place
        return Embedded(x, cond, tiles.unflatten(0, frames), cells.unflatten(0, frames))

    def condition(self, sigmas: Tensor, actions: Tensor, coming: Tensor) -> Tensor:
        """Embed noise levels (...), actions (..., A + 3) and how the player comes to its place,
        `coming` (...), see `cast`: (..., width)."""
        freqs = torch.exp(torch.linspace(0.0, 5.0, SIGMA_FREQS, device=sigmas.device))
        angles = sigmas.float()[..., None] * freqs
        cond = self.sigma(torch.cat([angles.cos(), angles.sin()], -1)) + self.action(actions)
        return F.silu(cond + self.coming(coming))

    def behind(self, first: Tensor, scenery: Tensor) -> Tensor:
        """See a session's first frame and its scenery, (B, C, h, w), as cells (B, width, h, w)."""
        cells: Tensor = self.behind_in(torch.cat([first, scenery], 1))
        return cells

    def past(self, previous: Tensor, before: Tensor, trails: Tensor, behind: Tensor) -> Tensor:
        """See the last finished frames and those before them, (B, F, C, h, w), as cells (B, F,
        width, h, w), with what is `behind` all; where actors were in these, trails (B, F, 2, A, 4),
        in the earlier one first."""
        marks = mark(trails.flatten(1, 2), previous.shape[-2:])
        marks = marks.flatten(2, 3).unflatten(1, trails.shape[1:3]).flatten(2, 3)
        past = self.past_in(_images(torch.cat([previous, before, marks], 2)))
        return torch.unflatten(past, 0, previous.shape[:2]) + behind[:, None]

    def going(self, laid: Laid) -> Tensor:
        """See what the player and the others cover in slots, as cells (B, T, width, h, w); and the
        player's box: what it touches does not follow from its silhouette."""
        cells: Tensor = self.going_in(_images(laid.shapes.flatten(2, 3)))
        return torch.unflatten(cells, 0, laid.shapes.shape[:2])

    def places(self, corners: Tensor | None, grid: tuple[int, ...]) -> Tensor:
        """Return the embeddings of the tokens' places, (N, width), or (B, 1, N, width) of crops."""
        if corners is None:
            return self.place
        whole = self.place.reshape(*self.grid, -1)
        rows = corners[:, :1] + torch.arange(grid[0], device=corners.device)
        cols = corners[:, 1:] + torch.arange(grid[1], device=corners.device)
        return whole[rows[:, :, None], cols[:, None]].flatten(1, 2)[:, None]


def _images(latents: Tensor) -> Tensor:
    """Flatten frames (B, F, C, h, w) for convolutions, in the layout that is fastest for them."""
    return latents.flatten(0, 1).contiguous(memory_format=torch.channels_last)
