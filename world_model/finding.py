"""Where the player is, and which of its drawings it shows: one place of the whole frame.

Every pixel has a logit, every cell logits of the drawings. As all pixels compete, there is always
one player and never a second; how it looks is not the network's to draw.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.config import CastConfig
from world_model.painter import CELL, PIXELS

ANCHOR = (0, CastConfig.width // 2)
"""The pixel of a drawing whose place is looked for; in every true frame it is inside."""


def find(found: Tensor) -> Tensor:
    """Choose places and drawings from `found` (B, T, 16 + D, h, w); returns (B, T, 3) int64: top
    and left in pixels, and the drawing."""
    heat, drawings = _as_frames(found)
    width = heat.shape[-1]
    best = heat.flatten(1).argmax(1).float()  # exact, and dividing integers takes five operators
    row = (best / width).floor()
    column = best - row * width
    shown = _drawings_at(drawings, row, column).argmax(1)
    players = torch.stack([row - ANCHOR[0], column - ANCHOR[1], shown.float()], 1)
    return torch.unflatten(players.long(), 0, found.shape[:2])


def mark(players: Tensor, grid: torch.Size) -> Tensor:
    """Draw where players (B, F, 3) are, for a network to see: (B, F, 16, h, w), 1 at the anchor's
    pixel, else 0; nothing where it is outside."""
    sides = (torch.arange(cells * CELL, device=players.device) for cells in grid)
    rows, columns = (
        (players[..., axis, None] + ANCHOR[axis] == side).float() for axis, side in enumerate(sides)
    )
    marks = F.pixel_unshuffle(rows[..., :, None] * columns[..., None, :], CELL)
    return torch.unflatten(marks, 1, (-1, PIXELS))


def errors(found: Tensor, players: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return cross-entropies (B, T) of place and drawing, and whether the place is wrong.

    found (B, T, 16 + D, h, w); players (B, T, 3) as of `find`. One place more than there are pixels
    is "not here", logit 0, for crops that do not show the player; its drawing does not count.
    """
    heat, drawings = _as_frames(found.float())
    height, width = heat.shape[-2:]
    top, left, drawing = players.flatten(0, 1).unbind(1)
    row, column = top + ANCHOR[0], left + ANCHOR[1]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    nowhere = height * width
    place = torch.where(inside, row * width + column, nowhere)
    logits = F.pad(heat.flatten(1), (0, 1))
    of_place = F.cross_entropy(logits, place, reduction="none")
    row, column = (torch.where(inside, at, 0).float() for at in (row, column))
    shown = _drawings_at(drawings, row, column)
    of_drawing = F.cross_entropy(shown, drawing, reduction="none") * inside
    wrong = (logits.argmax(1) != place).float()
    of_place, of_drawing, wrong = (
        x.reshape(found.shape[:2]) for x in (of_place, of_drawing, wrong)
    )
    return of_place, of_drawing, wrong


def _as_frames(found: Tensor) -> tuple[Tensor, Tensor]:
    """Split `found` into logits of pixels (B * T, H, W) and of drawings (B * T, D, h, w)."""
    flat = found.flatten(0, 1)
    return F.pixel_shuffle(flat[:, :PIXELS], CELL)[:, 0], flat[:, PIXELS:]


def _drawings_at(drawings: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the logits (n, D) of the drawings, of the cells that pixels (n,) lie in."""
    height, width = drawings.shape[-2:]
    cell = (row / CELL).floor() * width + (column / CELL).floor()
    there = cell[:, None] == torch.arange(height * width, device=cell.device)
    logits: Tensor = (drawings.flatten(2) * there[:, None]).sum(2)
    return logits
