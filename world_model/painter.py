"""The painter: a frame's latents from the frame before it, by what the network says of every pixel.

What moves is copied from the pixel beside it, what is uncovered is taken from the scenery, what
starts anew from the sink, the rest is changed. The player is laid over it: one of its drawings, in
one place. Copies keep colours and edges that the network need not know: it only says from where
(dynamic filters, after Finn et al., arXiv 1605.07157, and Niklaus et al., arXiv 1708.01692).
Knows pixels through the codec's components; they are linear, so a convolution of latents shows
their pixels, moved or not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.codec import LATENT_SCALE, complete
from world_model.config import CodecConfig

CELL = CodecConfig.CELL_PX
PIXELS = CELL**2
MOVES_PX = (-1, 1)
"""By how many columns a copy moves in a tick: nothing but the player is faster."""
SOURCES = 2 + len(MOVES_PX)
"""Beside the previous frame itself: the scenery, the sink, and the previous frame moved."""
SOURCE_BIAS = -3.0
"""A network that knows nothing yet keeps the previous frame."""
CHANGE_SCALE = 0.1
"""About how much a frame's latents change from tick to tick (root mean square)."""


class Painter(nn.Module):
    """Paints every slot from the one before it, the head from the last finished frame.

    It paints latents from latents, and whole latents, details and all, from whole ones; there,
    what is copied is not changed.
    In training, `borrowed` is the mean share of pixels that the last frames painted took from the
    sink or from a copy.
    """

    borrowed: Tensor
    to_pixels: Tensor
    to_sources: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.parts = (SOURCES * PIXELS, channels)
        for name, value in zip(_BUFFERS, _kernels(torch.eye(3 * PIXELS)), strict=True):
            self.register_buffer(name, value)

    @property
    def channels(self) -> int:
        """What the network says of a cell: which source each pixel has, what to change."""
        return sum(self.parts)

    @torch.no_grad()
    def use_components(self, components: Tensor) -> None:
        """Take the codec's components (C, 48), orthonormal rows, to see latents as pixels."""
        for name, value in zip(_BUFFERS, _kernels(complete(components)), strict=True):
            getattr(self, name).copy_(value)

    @property
    def basis(self) -> Tensor:
        """The codec's components, and after them the details, (48, 48)."""
        return self.to_pixels[..., 0, 0].T

    def bias(self) -> Tensor:
        """Return the bias (channels,) with which a network starts that knows nothing yet."""
        sources, changes = self.parts
        return torch.cat([torch.full((sources,), SOURCE_BIAS), torch.zeros(changes)])

    def forward(
        self,
        said: Tensor,
        previous: Tensor,
        sink: Tensor,
        scenery: Tensor,
        cast: Tensor,
        players: Tensor,
    ) -> Tensor:
        """Paint slots (B, T, C or 48, h, w) as `said` (B, T, channels, h, w).

        previous, sink, scenery (B, C or 48, h, w): the last finished frame, the first of the
        session, and that one with nobody in it. cast (B, D, 4, H, W): drawings, RGB and opacity;
        players (B, T, 3): pixel rows and columns of their top left corners, and which drawing it
        is.
        """
        sources, changes = said.split(self.parts, 2)
        shares = _shares(sources)
        if self.training:
            self.borrowed = shares[:, :, 1:].sum(2).mean()
        picture, opacity = _laid(cast, players, previous.shape[-2:])
        shares = shares * (1 - opacity)
        lost = opacity + shares.sum(2, keepdim=True)
        of_fixed, of_moved = shares.split((2, len(MOVES_PX)), 2)
        # Only the previous frame has to be waited for, slot by slot.
        fixed = torch.cat([self._pixels(frame, self.to_pixels) for frame in (scenery, sink)], 1)
        given = torch.cat([opacity * picture, of_fixed * fixed[:, None]], 2)
        channels = previous.shape[1]
        given = self._latents(given.flatten(0, 1), channels).unflatten(0, said.shape[:2])
        changes = CHANGE_SCALE * changes.float()
        details = channels - changes.shape[2]
        if details:
            # The network has learned to repair what copying blurs in latents: here nothing is.
            copied = of_moved.sum(2).mean(3)
            changes = F.pad(changes * (1 - copied).square(), (0, 0, 0, 0, 0, details))
        given = given + changes
        weights = torch.cat([-lost, of_moved], 2)
        painted = []
        for slot in range(said.shape[1]):
            pixels = self._pixels(previous, self.to_sources)
            moved = self._latents(pixels * weights[:, slot], channels)
            previous = previous + given[:, slot] + moved
            painted.append(previous)
        return torch.stack(painted, 1)

    def _pixels(self, latents: Tensor, kernel: Tensor) -> Tensor:
        """See latents (B, C or 48, h, w) as the pixels of cells, (B, n, 3, 16, h, w)."""
        pixels = F.conv2d(
            latents, kernel[:, : latents.shape[1]], padding=(0, kernel.shape[-1] // 2)
        )
        return torch.unflatten(pixels, 1, (-1, 3, PIXELS))

    def _latents(self, pixels: Tensor, channels: int) -> Tensor:
        """Add up pictures (B, n, 3, 16, h, w); returns their latents in float32."""
        kernel = self.to_pixels[:, :channels].transpose(0, 1).repeat(1, pixels.shape[1], 1, 1)
        return F.conv2d(pixels.flatten(1, 3), kernel).float()


_BUFFERS = ("to_pixels", "to_sources")


def _shares(logits: Tensor) -> Tensor:
    """Share every pixel between its sources; returns (B, T, SOURCES, 1, 16, h, w).

    The previous frame has what the others leave: it is the source with logit 0. A softmax spelled
    out, as ONNX Runtime's is slow over any axis but the last.
    """
    chosen = logits.unflatten(2, (SOURCES, 1, PIXELS))
    peak = chosen.amax(2, keepdim=True).clamp(min=0)
    shares = (chosen - peak).exp()
    shared: Tensor = shares / (shares.sum(2, keepdim=True) + (-peak).exp())
    return shared


def _laid(cast: Tensor, players: Tensor, grid: torch.Size) -> tuple[Tensor, Tensor]:
    """Lay drawings of `cast` (B, D, 4, H, W) out as `players` (B, T, 3) say, on h x w cells.

    Returns the pictures (B, T, 1, 3, 16, h, w) and their opacity (B, T, 1, 1, 16, h, w). What is
    outside the frame is cut.
    """
    top, left, drawing = players.unbind(2)
    shown = _is(drawing, torch.arange(cast.shape[1], device=cast.device))
    sprites = torch.unflatten(shown @ cast.flatten(2), -1, cast.shape[2:])[:, :, :, None, None]
    rows = _placed(top, cast.shape[-2], grid[0]).transpose(-1, -2)
    columns = _placed(left, cast.shape[-1], grid[1])
    laid = rows[:, :, None, :, None] @ (sprites @ columns[:, :, None, None])
    picture, opacity = laid.flatten(3, 4).split((3, 1), 2)
    return picture[:, :, None] * LATENT_SCALE, opacity[:, :, None]


def _placed(starts: Tensor, size: int, cells: int) -> Tensor:
    """Return (B, T, 4, size, cells): 1 where pixel n from `starts` (B, T) is that pixel of that
    cell, else 0."""
    each = starts[..., None] + torch.arange(size, device=starts.device)
    return _is(each[..., None, :], pixels_of(cells, starts.device)[:, None])


def _is(places: Tensor, side: Tensor) -> Tensor:
    """Return 1 where `places` (..., n) is the place, else 0: (..., n, len(side))."""
    return (places[..., None] == side).float()


def pixels_of(cells: int, device: torch.device) -> Tensor:
    """Return which pixels of a frame's side lie in its cells, (4, cells)."""
    return torch.arange(cells * CELL, device=device).reshape(cells, CELL).T


def _kernels(components: Tensor) -> tuple[Tensor, Tensor]:
    """Return kernels that show whole latents as pixels (48, 48, 1, 1), and as all that a copy can
    come from (n * 48, 48, 1, 3): as they are, and moved by each of `MOVES_PX`."""
    places = torch.arange(3 * PIXELS).reshape(3, CELL, CELL)
    moved = torch.zeros(1 + len(MOVES_PX), 3, CELL, CELL, len(components), 3)
    for copy, distance in enumerate((0, *MOVES_PX)):
        for column in range(CELL):
            cell, source = divmod(column - distance, CELL)
            moved[copy, :, :, column, :, 1 + cell] = components.T[places[:, :, source]]
    return components.T[..., None, None].contiguous(), moved.flatten(0, 3).unsqueeze(2)
