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

from world_model.config import SOURCES
from world_model.network.codec import Codec
from world_model.network.laying import PIXELS, Laid

SOURCE_BIAS = -3.0
"""A network that knows nothing yet keeps the previous frame."""
SHARPNESS = 8.0
"""At play, logits count so many times: of a choice that is all but sure, nothing else is left. Of
99 % of a pixel, a trace of what was there before would stay for ever."""
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
        bare, start = self.pixels(scenery), self.pixels(sink)
        return torch.stack([bare, start + first.opacity * (bare - start)], 1)

    def forward(
        self,
        said: Tensor,
        previous: Tensor,
        pixels: Tensor,
        sources: Tensor,
        laid: Laid,
        left: Tensor,
    ) -> Tensor:
        """Paint slots (B, T, 48, h, w) as `said` (B, T, channels, h, w), with actors `laid` over.

        previous (B, 48, h, w): the last finished frame, and its pixels (B, 3, 16, h, w); sources,
        see there; `left` (B, T, 16, h, w): the pixels that actors covered in the frame before a
        slot. None of them is kept.
        """
        shares = _shares(said if self.training else SHARPNESS * said, left)
        if self.training:
            self.borrowed = shares.sum(2).mean()
        opacity = laid.opacity[:, :, None]
        shares = shares * (1 - opacity)[:, :, None]
        lost = opacity + shares.sum(2)
        given = laid.picture + (shares * sources[:, None]).sum(2)
        # Pixels change by `steps`, and latents by no more: what is kept is kept to the bit.
        steps = []
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
        shown = torch.unflatten(self.pixels(frames.flatten(0, 1)), 0, frames.shape[:2])
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

    def pixels(self, latents: Tensor) -> Tensor:
        """See latents (B, 48, h, w) as the pixels of cells, (B, 3, 16, h, w)."""
        return torch.unflatten(self.codec.to_pixels(latents), 1, (3, PIXELS))


def _shares(logits: Tensor, left: Tensor) -> Tensor:
    """Share every pixel between its sources; returns (B, T, SOURCES, 1, 16, h, w).

    The previous frame has what the others leave: it is the source with logit 0, or, where an actor
    has `left`, with next to no share. A softmax spelled out, as ONNX Runtime's is slow over any
    axis but the last.
    """
    chosen = logits.unflatten(2, (SOURCES, 1, PIXELS))
    kept = -NEVER * left[:, :, None, None]
    peak = torch.maximum(chosen.amax(2, keepdim=True), kept)
    shares = (chosen - peak).exp()
    shared: Tensor = shares / (shares.sum(2, keepdim=True) + (kept - peak).exp())
    return shared
