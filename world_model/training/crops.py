"""Crops of frames around what moves: a step's cost is its tokens, and most of a frame stands still.

A crop is `size` x `size` tokens, its top left one at a corner (row, column) of the frame's grid.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.cast import NOWHERE
from world_model.network.codec import CELL
from world_model.network.dit import TOKEN_CELLS

MOVED = 0.007
"""Root mean square change from which on a cell counts as moving."""
EDGE = 2
"""Cells from a crop's edge within which something may come in from outside."""


def moving_corners(before: Tensor, after: Tensor, size: int) -> Tensor:
    """Choose crops (B, 2) of `size` tokens a side, each around a token that changes.

    before, after: (B, P, C, h, w). Tokens are drawn by how much they change.
    """
    change = F.avg_pool2d((after - before).square().mean((1, 2)), TOKEN_CELLS)
    height, width = change.shape[-2:]
    token = torch.multinomial(change.flatten(1) + 1e-5, 1)[:, 0]
    middle = torch.stack([token // width, token % width], 1)
    corners = middle - torch.randint(1, size - 1, middle.shape, device=middle.device)
    most = torch.tensor([height - size, width - size], device=middle.device)
    return torch.minimum(corners.clamp(min=0), most)


def crop_places(places: Tensor, corners: Tensor) -> Tensor:
    """See places (B, ..., 4) from crops at `corners` (B, 2)."""
    corner = F.pad(corners, (0, len(NOWHERE) - 2)) * TOKEN_CELLS * CELL
    return places - corner.reshape(len(corners), *[1] * (places.ndim - 2), -1)


def open_edges(corners: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
    """Mark the cells (B, h, w) at those edges of crops that are no edges of the frame.

    What comes in there, the crop has never shown.
    """
    side = torch.arange(size * TOKEN_CELLS, device=corners.device)
    edges = []
    for corner, tokens in zip(corners.unbind(1), grid, strict=True):
        before = (side < EDGE) & (corner > 0)[:, None]
        after = (side >= len(side) - EDGE) & (corner + size < tokens)[:, None]
        edges.append(before | after)
    return edges[0][:, :, None] | edges[1][:, None, :]


def crop(latents: Tensor, corners: Tensor, size: int) -> Tensor:
    """Cut latents (B, ..., h, w) to size x size tokens, each game at its own corner."""
    side, places = size * TOKEN_CELLS, (corners * TOKEN_CELLS).tolist()
    parts = zip(latents, places, strict=True)
    return torch.stack([x[..., r : r + side, c : c + side] for x, (r, c) in parts])
