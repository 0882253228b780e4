"""Where the player is, and which of its drawings it shows.

A network says of every cell how a player there moves in a tick, whether it restarts, and how it
looks; the cell that the player is in counts. So there is always one player and never a second, it
moves by whole pixels, and how it looks is not the network's to draw.
A place is (top, left, drawing): the pixel of the drawing's top left corner, and its number in the
cast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.cast import CUT_PX
from world_model.config import CastConfig
from world_model.painter import CELL, pixels_of

REACH_PX = (12, 4)
"""How far a player may move in a tick: rows, columns. Nothing is faster than a spring."""
MOVES = tuple(2 * reach + 1 for reach in REACH_PX)
MIDDLE = (CastConfig.height // 2, CastConfig.width // 2)
"""The pixel of a drawing whose cell counts."""


def channels_for(drawings: int) -> int:
    """Return what is said of a cell: moves by rows and by columns, a restart, and drawings."""
    return sum(MOVES) + 1 + drawings


def find(found: Tensor, previous: Tensor, start: Tensor) -> Tensor:
    """Follow a player through slots; returns places (B, T, 3) int64.

    found (B, T, ..., h, w): logits; previous, start (B, 3): where it was in the last finished
    frame, and in the first of the session.
    """
    height, width = (CELL * cells for cells in found.shape[-2:])
    visible = CastConfig.width - CUT_PX
    places = []
    for slot in found.unbind(1):
        rows, columns, restart, drawings = _said(slot, previous)
        # Walls hold a player in the frame, but not one that is off by a pixel or two.
        top = (previous[:, 0] + rows.argmax(1) - REACH_PX[0]).clamp(0, height - 1)
        left = (previous[:, 1] + columns.argmax(1) - REACH_PX[1]).clamp(-CUT_PX, width - visible)
        place = torch.where(restart > 0, start[:, :2], torch.stack([top, left], 1))
        previous = torch.cat([place, drawings.argmax(1, keepdim=True)], 1)
        places.append(previous)
    return torch.stack(places, 1)


def errors(
    found: Tensor, places: Tensor, before: Tensor, restarts: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy (N,) of all that is said, and whether the place is wrong.

    found (N, ..., h, w); places, before (N, 3): of this frame and the one before; restarts
    (N,): whether the player restarts; how it moves does not count then.
    """
    rows, columns, restart, drawings = _said(found.float(), before)
    stays = 1 - restarts
    moves = [
        (move + reach).clamp(0, 2 * reach)
        for move, reach in zip((places - before)[:, :2].unbind(1), REACH_PX, strict=True)
    ]
    of_moves = [
        F.cross_entropy(logits, move, reduction="none")
        for logits, move in zip((rows, columns), moves, strict=True)
    ]
    of_restart = F.binary_cross_entropy_with_logits(restart[:, 0], restarts, reduction="none")
    of_drawing = F.cross_entropy(drawings, places[:, 2], reduction="none")
    moved_wrong = (rows.argmax(1) != moves[0]) | (columns.argmax(1) != moves[1])
    wrong = ((restart[:, 0] > 0) != (restarts > 0)) | (moved_wrong & (restarts == 0))
    return sum(of_moves) * stays + of_restart + of_drawing, wrong.float()


def mark(places: Tensor, grid: torch.Size) -> Tensor:
    """Draw places (B, F, 3) for a network to see: (B, F, 16, h, w), 1 at the pixel at the top
    middle, else 0; nothing where it is outside."""
    rows, columns = (
        (places[..., axis, None, None] + middle == pixels_of(cells, places.device)).float()
        for axis, middle, cells in zip((0, 1), (0, MIDDLE[1]), grid, strict=True)
    )
    return (rows[..., :, None, :, None] * columns[..., None, :, None, :]).flatten(2, 3)


def _said(found: Tensor, place: Tensor) -> list[Tensor]:
    """Return the logits (B, ...) of the cells that players (B, 3) are in, part by part."""
    grid = found.shape[-2:]
    here = [
        (((at + middle).float() / CELL).floor().clamp(0, cells - 1)[:, None]
         == torch.arange(cells, device=place.device)).to(found)
        for at, middle, cells in zip(place[:, :2].unbind(1), MIDDLE, grid, strict=True)
    ]  # fmt: skip
    mask = here[0][:, :, None] * here[1][:, None]
    logits = (found * mask[:, None]).sum((2, 3))
    return list(logits.split((*MOVES, 1, found.shape[1] - sum(MOVES) - 1), 1))
