"""The painter: a frame's latents from the frame before it, by what the network says of every pixel.

A pixel is kept, or taken from the scenery (what is uncovered) or from the sink (what starts anew).
Actors are laid over it: each one of its drawings, in one place. Copies keep colours and edges that
the network need not know: it only says from where (after Finn et al., arXiv 1605.07157). It can
change no pixel by itself, so what stands still stays for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from world_model.network.codec import CELL, LATENT_SCALE, Codec

PIXELS = CELL**2
SOURCES = 2
"""Beside the previous frame itself: the scenery and the sink."""
SOURCE_BIAS = -3.0
"""A network that knows nothing yet keeps the previous frame."""
SHARPNESS = 8.0
"""At play, logits count so many times: of a choice that is all but sure, nothing else is left. Of
99 % of a pixel, a trace of what was there before would stay for ever."""
_RANKS = 4096
"""More than there are rows of pixels, drawings or actors."""
NEVER = 1e4
"""Minus the logit of what is not to be chosen."""
NEAR = 0.008
"""Pixels are alike that differ by less, at the scale of latents: two grey levels."""


class Choice(NamedTuple):
    """How pixels were chosen: logits (B, T, SOURCES, 16, h, w), from the pixels of the `sources`
    (B, SOURCES, 3, 16, h, w); and opacity (B, T, 16, h, w) of what is laid over them."""

    logits: Tensor
    sources: Tensor
    opacity: Tensor


class Laid(NamedTuple):
    """Actors laid out over frames: their `picture` (B, T, 3, 16, h, w), 0 where nobody is, and
    how much of every pixel the `player` and the `others` cover, (B, T, 16, h, w)."""

    picture: Tensor
    player: Tensor
    others: Tensor

    @property
    def opacity(self) -> Tensor:
        """How much of every pixel anybody covers."""
        return self.player + self.others

    def frames(self, which: slice) -> Laid:
        """Leave out the other frames."""
        return Laid(*(part[:, which] for part in self))


class Painter(nn.Module):
    """Paints every slot from the one before it, the head from the last finished frame.

    In training, `borrowed` is the mean share of pixels that the last frames painted took from the
    scenery or the sink, and `choice` how they were chosen.
    """

    borrowed: Tensor
    choice: Choice
    channels = SOURCES * PIXELS
    """What the network says of a cell: which source each pixel has."""

    def __init__(self) -> None:
        super().__init__()
        self.codec = Codec()

    def sources(self, scenery: Tensor, sink: Tensor, first: Laid) -> Tensor:
        """Return the pixels (B, SOURCES, 3, 16, h, w) that can be taken into any slot.

        scenery, sink (B, 48, h, w): the level with nobody and nothing in it, and the first frame of
        the session; what its actors cover, `first` (T = 1), is taken from the scenery.
        """
        bare, start = self._pixels(scenery), self._pixels(sink)
        return torch.stack([bare, start + first.opacity * (bare - start)], 1)

    def forward(
        self,
        said: Tensor,
        previous: Tensor,
        sources: Tensor,
        laid: Laid,
        left: Tensor | None = None,
    ) -> Tensor:
        """Paint slots (B, T, 48, h, w) as `said` (B, T, channels, h, w), with actors `laid` over.

        previous (B, 48, h, w): the last finished frame; sources, see there; `left` (B, T, 16, h,
        w): how much of every pixel actors covered in the frame before a slot. None of it is kept.
        """
        shares = _shares(said if self.training else SHARPNESS * said, left)
        if self.training:
            self.borrowed = shares.sum(2).mean()
        opacity = laid.opacity[:, :, None]
        shares = shares * (1 - opacity)[:, :, None]
        lost = opacity + shares.sum(2)
        given = laid.picture + (shares * sources[:, None]).sum(2)
        # Pixels change by `steps`, and latents by no more: what is kept is kept to the bit.
        pixels, steps = self._pixels(previous), []
        if self.training:
            logits = said.float().unflatten(2, (SOURCES, PIXELS))
            self.choice = Choice(logits, sources, opacity[:, :, 0])
        for slot in range(said.shape[1]):
            steps.append(given[:, slot] - lost[:, slot] * pixels)
            pixels = pixels + steps[-1]
        turned = self.codec.to_latents(torch.stack(steps, 1).flatten(2, 3).flatten(0, 1))
        painted = []
        for step in torch.unflatten(turned, 0, said.shape[:2]).unbind(1):
            previous = previous + step.float()
            painted.append(previous)
        return torch.stack(painted, 1)

    def surprise(self, target: Tensor, previous: Tensor, anew: Tensor) -> Tensor:
        """Return -log of the share that those sources got that show what the frames painted last
        were to show, (B, T, 16, h, w); 0 where all do, or none.

        target (B, T, 48, h, w); previous (B, 48, h, w), the frame before it. Every slot's previous
        frame is the target before it. Where everything starts `anew` (B, T), only the sink will do
        if it shows what it is to show: it is the start, and coins that come back are too few to
        teach that.
        """
        logits, sources, opacity = self.choice
        frames = torch.cat([previous[:, None], target], 1)
        shown = torch.unflatten(self._pixels(frames.flatten(0, 1)), 0, frames.shape[:2])
        before, pixels = shown[:, :-1], shown[:, 1:]
        taken = sources[:, None].expand(-1, target.shape[1], *[-1] * 5)
        offered = torch.cat([before[:, :, None], taken], 2)
        right = (offered - pixels[:, :, None]).abs().amax(3) < NEAR
        sink_only = right[:, :, -1:] & anew[:, :, None, None, None, None]
        right = torch.cat([right[:, :, :-1] & ~sink_only, right[:, :, -1:]], 2)
        shares = torch.cat([torch.zeros_like(logits[:, :, :1]), logits], 2).log_softmax(2)
        surprise = -shares.masked_fill(~right, -1e4).logsumexp(2)
        telling = right.any(2) & ~right.all(2) & (opacity == 0)
        return torch.where(telling, surprise, 0.0)

    def _pixels(self, latents: Tensor) -> Tensor:
        """See latents (B, 48, h, w) as the pixels of cells, (B, 3, 16, h, w)."""
        return torch.unflatten(self.codec.to_pixels(latents), 1, (3, PIXELS))


def _shares(logits: Tensor, left: Tensor | None) -> Tensor:
    """Share every pixel between its sources; returns (B, T, SOURCES, 1, 16, h, w).

    The previous frame has what the others leave: it is the source with logit 0, or, where an actor
    has `left`, with next to no share. A softmax spelled out, as ONNX Runtime's is slow over any
    axis but the last.
    """
    chosen = logits.unflatten(2, (SOURCES, 1, PIXELS))
    kept = chosen.new_zeros(()) if left is None else -NEVER * left[:, :, None, None]
    peak = torch.maximum(chosen.amax(2, keepdim=True), kept)
    shares = (chosen - peak).exp()
    shared: Tensor = shares / (shares.sum(2, keepdim=True) + (kept - peak).exp())
    return shared


def lay(cast: Tensor, places: Tensor, grid: torch.Size) -> Laid:
    """Lay drawings of `cast` (B, D, 4, H, W), RGB and opacity, out as `places` (B, T, A, 4) say, on
    h x w cells; see `finding`.

    What is outside the frame is cut. The first actor covers the others, of these one further right
    those to the left of it; what is covered is cut out of drawings while they are small, so that
    all are laid at once.
    """
    top, left, drawing, _ = places.unbind(3)
    height, width = cast.shape[-2:]
    cast = torch.cat([cast[:, :, :3] * LATENT_SCALE, cast[:, :, 3:]], 2)
    shown = _is(drawing, torch.arange(cast.shape[1], device=cast.device))
    sprites = torch.unflatten(shown @ cast.flatten(2)[:, None], -1, cast.shape[2:])
    covered = _covered(sprites[:, :, :, 3], top, left, _over(places))
    sprites = sprites * (1 - covered)[:, :, :, None]
    others = (torch.arange(top.shape[2], device=cast.device) > 0).float()[:, None, None, None]
    sprites = torch.cat([sprites, others * sprites[:, :, :, 3:]], 3)
    rows = _placed(top, height, grid[0]).movedim(3, 2).flatten(3, 4).transpose(-1, -2)
    columns = _placed(left, width, grid[1]).movedim(3, 2)
    laid = sprites.movedim(3, 2)[:, :, :, None] @ columns[:, :, None]
    laid = rows[:, :, None, :, None] @ laid.flatten(4, 5)[:, :, :, None]
    picture, opacity, of_others = laid.flatten(3, 4).split((3, 1, 1), 2)
    others = of_others[:, :, 0]
    return Laid(picture, opacity[:, :, 0] - others, others)


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
    """Return how far every pixel of drawings (B, T, A, H, W) at `top`, `left` (B, T, A) is covered
    by other actors, those `over` them (B, T, A, A)."""
    height, width = opacity.shape[-2:]
    rows, columns = (
        _is(_span(starts, size)[:, :, :, None], _span(starts, size)[:, :, None, :, None])
        for starts, size in ((top, height), (left, width))
    )
    there = rows @ opacity[:, :, None] @ columns.transpose(-1, -2)
    return (over[..., None, None] * there).amax(3)


def _placed(starts: Tensor, size: int, cells: int) -> Tensor:
    """Return (..., 4, size, cells): 1 where pixel n from `starts` (...) is that pixel of that cell,
    else 0."""
    return _is(_span(starts, size)[..., None, :], pixels_of(cells, starts.device)[:, None])


def _span(starts: Tensor, size: int) -> Tensor:
    """Return the pixels (..., size) from `starts` (...) on."""
    return starts[..., None] + torch.arange(size, device=starts.device)


def _is(places: Tensor, side: Tensor) -> Tensor:
    """Return 1 where `places` (..., n) is the place, else 0: (..., n, len(side))."""
    return (places[..., None] == side).float()


def pixels_of(cells: int, device: torch.device) -> Tensor:
    """Return which pixels of a frame's side lie in its cells, (4, cells)."""
    return torch.arange(cells * CELL, device=device).reshape(cells, CELL).T
