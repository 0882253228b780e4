"""Where the actors are, and which of its drawings each shows: the player first, then the others.

Of every actor a small network says how it moves in a tick, or that it is put back to the start and
whether everything starts anew with it, and how it looks, from a glimpse of the pixels around it
(after Mnih et al., arXiv 1406.6247), from how it looks and moved last, and from the keys. So there
is always one player and never a second, actors move by whole pixels, physics looks the same
wherever it happens, and how an actor looks is not the large network's to draw. That one is shown
where they go, as a coin is gone when the player gets there; it is trained on where they truly went,
so that the two networks are trained apart.
What numbers a place has says `cast`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.cast import ANEW, COMING, CUT_PX, DRAWING, GOES_ON, PUT_BACK
from world_model.config import CastConfig
from world_model.network.codec import CELL
from world_model.network.laying import pixels_at

REACH_PX = (12, 4)
"""How far an actor may move in a tick: rows, columns. Nothing is faster than a spring."""
MOVES = tuple(2 * reach + 1 for reach in REACH_PX)
GLIMPSE = ((-12, 20), (-9, 19))
"""Pixels that a glimpse shows, from a drawing's top left corner: rows, columns."""
GLIMPSE_WIDTH, GLIMPSE_TILE_PX, GLIMPSE_NARROW = 64, 4, 32
COMING_LOGITS = 2
"""Is an actor put back to the start, and if so, does everything start anew?"""
GLIMPSE_CHANNELS = 7
"""Scenery and last frame, RGB, and whether a pixel is in the frame."""
HIDDEN = 256


class Finder(nn.Module):
    """Follows actors through the slots of windows."""

    def __init__(self, token: int, drawings: int) -> None:
        """Take the size of an action token, and how many drawings a cast has."""
        super().__init__()
        width, tile = GLIMPSE_WIDTH, GLIMPSE_TILE_PX
        tiles = (GLIMPSE[0][1] - GLIMPSE[0][0]) // tile * ((GLIMPSE[1][1] - GLIMPSE[1][0]) // tile)
        self.drawings = drawings
        self.look = nn.Sequential(
            nn.Conv2d(GLIMPSE_CHANNELS, width, tile, stride=tile),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, GLIMPSE_NARROW, 1),
            nn.Flatten(),
        )
        known = GLIMPSE_NARROW * tiles + token + drawings + sum(MOVES)
        self.think = nn.Sequential(
            nn.Linear(known, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.say = nn.Linear(HIDDEN, sum(MOVES) + COMING_LOGITS + drawings)

    def forward(self, pictures: Tensor, actions: Tensor, trail: Tensor) -> Tensor:
        """Follow actors from the last finished frame through slots; returns places (B, T, A, 4).

        pictures (B, 6, 16, h, w): scenery and last finished frame; actions, tokens (B, T, ...) of
        the slots; trail (B, 3, A, 4): where actors were in the first frame of the session, in the
        last but one finished and in the last.
        """
        start, before, last = trail.unbind(1)
        frame = pictures.shape[-2] * CELL, pictures.shape[-1] * CELL
        followed = []
        for slot in range(actions.shape[1]):
            said = self.ask(glimpses(pictures, last), actions[:, slot], last, last - before)
            before, last = last, moved(said, last, start, frame)
            followed.append(last)
        return torch.stack(followed, 1)

    def ask(self, seen: Tensor, action: Tensor, places: Tensor, moves: Tensor) -> Tensor:
        """Say how actors go on, logits (B, A, L).

        seen (B, A, 7, h, w): a glimpse of each; action, a token (B, ...); places (B, A, 4), to
        which they came by `moves`, the same.
        """
        actors, device = places.shape[1], places.device
        looked = self.look(seen.flatten(0, 1)).unflatten(0, (-1, actors))
        parts = [looked, action[:, None].expand(-1, actors, -1)]
        parts.append(_is(places[..., DRAWING], torch.arange(self.drawings, device=device)))
        for axis, reach in enumerate(REACH_PX):
            parts.append(_is(moves[..., axis] + reach, torch.arange(MOVES[axis], device=device)))
        said: Tensor = self.say(self.think(torch.cat(parts, -1)))
        return said


def moved(said: Tensor, last: Tensor, start: Tensor, frame: tuple[int, int]) -> Tensor:
    """Move actors from `last` (B, A, 4) as is said (B, A, L), or back to the `start`, as they stood
    there, in a frame of so many rows and columns of pixels.

    Those that are nowhere stay so.
    """
    rows, columns, coming, drawings = split(said)
    # Walls hold an actor in the frame, but not one that is off by a pixel or two.
    top = last[..., 0] + rows.argmax(-1) - REACH_PX[0]
    left = last[..., 1] + columns.argmax(-1) - REACH_PX[1]
    height, width = frame
    held = top.clamp(0, height - 1), left.clamp(-CUT_PX, width - CastConfig.width + CUT_PX)
    came = _came(coming)
    on = torch.stack([*held, drawings.argmax(-1)], -1)
    at = torch.where(came[..., None] == GOES_ON, on, start[..., :3])
    there = (last[..., :2] > -CastConfig.SQUARE_PX).all(-1, keepdim=True)
    return torch.where(there, torch.cat([at, came[..., None]], -1), last)


def errors(said: Tensor, places: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy (...,) of all that is said, and whether the place is wrong, or how
    it was come to.

    said (..., L); places, before (..., 4): of this frame and the one before. Of an actor that is
    put back it does not count how it moves.
    """
    rows, columns, coming, drawings = split(said.float())
    came = places[..., COMING]
    back = (came != GOES_ON).float()
    moves = [
        (move + reach).clamp(0, 2 * reach)
        for move, reach in zip((places - before)[..., :2].unbind(-1), REACH_PX, strict=True)
    ]
    of_moves = sum(
        _cross_entropy(logits, move) for logits, move in zip((rows, columns), moves, strict=True)
    )
    asked = torch.stack([back, (came == ANEW).float()], -1)
    of_coming = F.binary_cross_entropy_with_logits(coming, asked, reduction="none")
    of_back, of_anew = of_coming.unbind(-1)
    of_drawing = _cross_entropy(drawings, places[..., DRAWING])
    moved_wrong = (rows.argmax(-1) != moves[0]) | (columns.argmax(-1) != moves[1])
    wrong = (_came(coming) != came) | (moved_wrong & (came == GOES_ON))
    return of_moves * (1 - back) + of_back + of_anew * back + of_drawing, wrong.float()


def _came(coming: Tensor) -> Tensor:
    """Return how actors come to their places (...), as is said (..., 2)."""
    back, anew = (coming > 0).long().unbind(-1)
    return back * (PUT_BACK + anew)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy (...) of logits (..., n)."""
    return F.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")


def split(said: Tensor) -> tuple[Tensor, ...]:
    """Take apart what is said (..., L): moves by rows and columns, coming, drawings."""
    drawings = said.shape[-1] - sum(MOVES) - COMING_LOGITS
    parts: tuple[Tensor, ...] = said.split((*MOVES, COMING_LOGITS, drawings), -1)
    return parts


def glimpses(pictures: Tensor, places: Tensor) -> Tensor:
    """Cut pictures (B, C, 16, h, w) out around places (B, A, 4); returns (B, A, C + 1, rows,
    columns).

    The last channel is 1 inside the picture; outside all are 0.
    """
    (top, bottom), (left, right) = GLIMPSE
    starts, size = (places[..., 0] + top, places[..., 1] + left), (bottom - top, right - left)
    index, inside = pixels_at(*starts, size, pictures.shape[-2:])
    pixels = pictures.flatten(2).transpose(1, 2)
    index = (
        index + torch.arange(len(index), device=index.device)[:, None, None, None] * pixels.shape[1]
    )
    shown = pixels.flatten(0, 1).index_select(0, index.flatten()).unflatten(0, index.shape)
    mask = inside[:, :, None].to(shown)
    return torch.cat([shown.movedim(-1, 2) * mask, mask], 2)


def _is(places: Tensor, side: Tensor) -> Tensor:
    """Return 1 where `places` (...) is the place, else 0: (..., len(side))."""
    return (places[..., None] == side).float()
