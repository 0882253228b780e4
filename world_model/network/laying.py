"""Actors as pictures: their drawings laid out over frames, and marks of where they are.

Frames lie in cells, (..., 16, h, w) for every number of a pixel. Every pixel that is drawn is put
where it belongs by its index; what is outside a frame is cut.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from world_model.config import CastConfig
from world_model.network.codec import CELL, LATENT_SCALE

PIXELS = CELL**2
MIDDLE = (CastConfig.height // 2, CastConfig.width // 2)
"""The pixel of a drawing that marks where it is."""
PLAYER, OTHERS, BOX = range(3)
"""The planes of `Laid.shapes`."""
_RANKS = 4096
"""More than there are rows of pixels, drawings or actors."""


class Laid(NamedTuple):
    """Actors laid out over frames: their `picture` (B, T, 3, 16, h, w), 0 where nobody is; and,
    each 0 or 1, the pixels that the player covers, those that the others cover, and all of the
    player's box, the same in every pose: `shapes` (B, T, 3, 16, h, w)."""

    picture: Tensor
    shapes: Tensor

    @property
    def opacity(self) -> Tensor:
        """Which pixels anybody covers, (B, T, 16, h, w)."""
        return self.shapes[:, :, PLAYER] + self.shapes[:, :, OTHERS]


def lay(cast: Tensor, places: Tensor, grid: torch.Size, pictured: int | None = None) -> Laid:
    """Lay drawings of `cast` (B, D, 4, H, W), RGB and opacity, out as `places` (B, T, A, 4) say, on
    h x w cells; see `cast`.

    The first actor covers the others, of these one further right those to the left of it. The
    picture is of the first so many frames, if not of all.
    """
    top, left, drawing, _ = places.unbind(3)
    size = cast.shape[-2:]
    chosen = (drawing[..., None] == torch.arange(cast.shape[1], device=cast.device)).float()
    sprites = torch.unflatten(chosen @ cast.flatten(2)[:, None], -1, cast.shape[2:])
    colours, opacity = LATENT_SCALE * sprites[:, :, :, :3], sprites[:, :, :, 3]
    covered = _covered(opacity, top, left, _over(places))
    index, inside = pixels_at(top, left, size, grid)
    visible = inside & (opacity * (1 - covered) > 0)
    first = slice(pictured)
    picture = _put(colours[:, first].movedim(3, 2), index[:, first], visible[:, first], grid)
    at = torch.cat([_in_planes(index, grid), index[:, :, :1] + BOX * _size(grid)], 2)
    seen = torch.cat([visible, inside[:, :, :1]], 2)
    shapes = _put(torch.ones_like(at, dtype=cast.dtype)[:, :, None], at, seen, grid, planes=3)
    return Laid(picture, shapes)


def mark(places: Tensor, grid: torch.Size) -> Tensor:
    """Draw places (B, F, A, 4) for a network to see: 1 at the pixels at the top middle of the
    player, and of the others, else 0, (B, F, 2, 16, h, w)."""
    index, inside = pixels_at(places[..., 0], places[..., 1] + MIDDLE[1], (1, 1), grid)
    ones = torch.ones(index.shape, device=places.device)
    return _put(ones[:, :, None], _in_planes(index, grid), inside, grid, planes=2)


def _over(places: Tensor) -> Tensor:
    """Tell which actors stand in front of which, (B, T, A, A), by their places (B, T, A, 4): the
    player before all, then those further right. Of two in the same place one is chosen."""
    # Of top, left, drawing and coming: left counts most.
    weight = torch.tensor([_RANKS**2, _RANKS**3, _RANKS, 0], device=places.device)
    rank = torch.arange(places.shape[2], device=places.device)
    rank[0] = _RANKS**4
    rank = rank + (places * weight).sum(-1)
    return (rank[:, :, None] > rank[..., None]).float()


def _covered(opacity: Tensor, top: Tensor, left: Tensor, over: Tensor) -> Tensor:
    """Return which pixels of drawings (B, T, A, H, W) at `top`, `left` (B, T, A) are covered by
    other actors, those `over` them (B, T, A, A)."""
    height, width = opacity.shape[-2:]
    rows, columns = (
        (_span(starts, size)[:, :, :, None, :, None] == _span(starts, size)[:, :, None, :, None])
        for starts, size in ((top, height), (left, width))
    )
    there = rows.float() @ opacity[:, :, None] @ columns.float().transpose(-1, -2)
    return (over[..., None, None] * there).amax(3)


def _span(starts: Tensor, size: int) -> Tensor:
    """Return the pixels (..., size) from `starts` (...) on."""
    return starts[..., None] + torch.arange(size, device=starts.device)


def _size(grid: torch.Size) -> int:
    """Return how many pixels a frame of such cells has."""
    return PIXELS * grid[0] * grid[1]


def pixels_at(
    top: Tensor, left: Tensor, size: tuple[int, ...], grid: torch.Size
) -> tuple[Tensor, Tensor]:
    """Return the index in a frame, as it lies in h x w cells, of every pixel (..., H, W) of
    pictures of that size at `top`, `left` (...), and whether it is inside; some index if not."""
    cells, parts, inside = grid[0] * grid[1], [], []
    steps = (CELL * cells, grid[1]), (cells, 1)  # from pixel to pixel, and from cell to cell
    for starts, length, side, (step, stride) in zip((top, left), size, grid, steps, strict=True):
        pixel = _span(starts, length)
        inside.append((pixel >= 0) & (pixel < side * CELL))
        every = torch.arange(side * CELL, device=pixel.device)
        index = every % CELL * step + every // CELL * stride
        parts.append(index[pixel.clamp(0, side * CELL - 1)])
    within = inside[0][..., :, None] & inside[1][..., None, :]
    return parts[0][..., :, None] + parts[1][..., None, :], within


def _in_planes(index: Tensor, grid: torch.Size) -> Tensor:
    """Let an index (B, F, A, H, W) of the others be one in a second plane of the frame."""
    plane = (torch.arange(index.shape[2], device=index.device) > 0).long()
    return index + plane[:, None, None] * _size(grid)


def _put(values: Tensor, index: Tensor, shown: Tensor, grid: torch.Size, planes: int = 1) -> Tensor:
    """Put values (B, F, C, A, H, W) where an index (B, F, A, H, W) says, if they are `shown`, into
    frames that are 0 else, (B, F, C * planes, 16, h, w). Of two in the same place one is chosen."""
    size = planes * _size(grid)
    at = torch.where(shown, index, size).flatten(2)[:, :, None].expand(-1, -1, values.shape[2], -1)
    frames = values.new_zeros(*values.shape[:3], size + 1)
    drawn = frames.scatter(3, at, values.flatten(3))[..., :-1]
    return torch.unflatten(drawn, 3, (planes, PIXELS, *grid)).flatten(2, 3)
