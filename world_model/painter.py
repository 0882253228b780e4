"""The painter: a frame's latents from the frame before it, by what the network says of every cell.

What moves is copied from nearby, what is uncovered is taken from the scenery, what starts anew from
the sink, the rest is changed. The player is laid over it: one of its drawings, in one place.
Copies keep colours and edges that the network need not know: it only says from where to where
(dynamic filters, after Finn et al., arXiv 1605.07157, and Niklaus et al., arXiv 1708.01692).
Knows pixels through the codec's components; they are linear, so shifting pixels is a convolution
of latents.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.codec import LATENT_SCALE
from world_model.config import CodecConfig

CELL = CodecConfig.CELL_PX
PIXELS = CELL**2
REACH_PX = (8, 4)
"""How far a copy may move in a tick: rows, columns."""
TAPS = tuple(2 * reach + 1 for reach in REACH_PX)
SOURCES = 3
"""Beside the previous frame itself: the scenery, the sink, and the previous frame moved."""
SOURCE_BIAS = -3.0
"""A network that knows nothing yet keeps the previous frame."""
CHANGE_SCALE = 0.1
"""About how much a frame's latents change from tick to tick (root mean square)."""


class Painter(nn.Module):
    """Paints every slot from the one before it, the head from the last finished frame.

    In training, `borrowed` is the mean share of pixels that the last frames painted took from the
    sink or from a copy.
    """

    borrowed: Tensor
    to_pixels: Tensor
    row_shifts: Tensor
    column_shifts: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.parts = (*TAPS, SOURCES * PIXELS, channels)
        identity = torch.eye(3 * PIXELS)[:channels]
        for name, value in zip(_BUFFERS, _kernels(identity), strict=True):
            self.register_buffer(name, value)

    @property
    def channels(self) -> int:
        """What the network says of a cell: where to copy from, which source, what to change."""
        return sum(self.parts)

    @torch.no_grad()
    def use_components(self, components: Tensor) -> None:
        """Take the codec's components (C, 48), orthonormal rows, to see latents as pixels."""
        for name, value in zip(_BUFFERS, _kernels(components), strict=True):
            getattr(self, name).copy_(value)

    def bias(self) -> Tensor:
        """Return the bias (channels,) with which a network starts that knows nothing yet."""
        rows, columns, sources, changes = self.parts
        return torch.cat([torch.zeros(rows + columns), torch.full((sources,), SOURCE_BIAS),
                          torch.zeros(changes)])  # fmt: skip

    def forward(
        self,
        said: Tensor,
        previous: Tensor,
        sink: Tensor,
        scenery: Tensor,
        cast: Tensor,
        players: Tensor,
    ) -> Tensor:
        """Paint slots (B, T, C, h, w) as `said` (B, T, channels, h, w).

        previous, sink, scenery (B, C, h, w): the last finished frame, the first of the session,
        and that one with nobody in it. cast (B, D, 4, H, W): drawings, RGB and opacity; players
        (B, T, 3): pixel rows and columns of their top left corners, and which drawing it is.
        """
        painted, borrowed = [], []
        fixed = self._pixels(scenery), self._pixels(sink)
        for slot, player in zip(said.unbind(1), players.unbind(1), strict=True):
            rows, columns, sources, change = slot.split(self.parts, 1)
            moved = self._moved(previous, self.row_shifts, rows)
            moved = self._moved(moved, self.column_shifts, columns)
            before = self._pixels(previous)
            others = torch.stack([*fixed, self._pixels(moved)], 1) - before[:, None]
            weights = _weights(sources)
            borrowed.append(weights[:, 1:].sum(1).mean())
            drawn = before + (others * weights).sum(1)
            picture, opacity = _laid(cast, player, drawn.shape[-2:])
            drawn = drawn + opacity * (picture - drawn)
            seen = F.conv2d((drawn - before).flatten(1, 2), self._from_pixels)
            previous = previous + seen.float() + CHANGE_SCALE * change.float()
            painted.append(previous)
        if self.training:
            self.borrowed = torch.stack(borrowed).mean()
        return torch.stack(painted, 1)

    def _moved(self, latents: Tensor, shifts: Tensor, logits: Tensor) -> Tensor:
        """Copy latents (B, C, h, w) along one axis: a weighted mean of all shifts, per cell."""
        reach = (shifts.shape[-2] // 2, shifts.shape[-1] // 2)
        shifted = F.conv2d(latents, shifts, padding=reach).unflatten(1, (logits.shape[1], -1))
        mean: Tensor = (shifted * logits.softmax(1).to(shifted.dtype)[:, :, None]).sum(1)
        return mean

    @property
    def _from_pixels(self) -> Tensor:
        return self.to_pixels.transpose(0, 1)[..., None, None]

    def _pixels(self, latents: Tensor) -> Tensor:
        """See latents (B, C, h, w) as the pixels of cells, (B, 3, 16, h, w)."""
        pixels: Tensor = F.conv2d(latents, self.to_pixels[..., None, None]).unflatten(1, (3, -1))
        return pixels


_BUFFERS = ("to_pixels", "row_shifts", "column_shifts")


def _weights(logits: Tensor) -> Tensor:
    """Share every pixel between its sources; returns (B, SOURCES, 1, 16, h, w).

    The previous frame has what the others leave: it is the source with logit 0. A softmax spelled
    out, as ONNX Runtime's is slow over any axis but the last.
    """
    chosen = logits.unflatten(1, (SOURCES, PIXELS))
    peak = chosen.amax(1, keepdim=True).clamp(min=0)
    shares = (chosen - peak).exp()
    shared: Tensor = shares / (shares.sum(1, keepdim=True) + (-peak).exp())
    return shared[:, :, None]


def _laid(cast: Tensor, player: Tensor, grid: torch.Size) -> tuple[Tensor, Tensor]:
    """Lay drawings of `cast` (B, D, 4, H, W) out as `player` (B, 3) says, on frames of h x w cells.

    Returns the picture (B, 3, 16, h, w) and its opacity (B, 1, 16, h, w). What is outside the frame
    is cut.
    """
    count, height, width = cast.shape[1], *cast.shape[-2:]
    top, left, drawing = (part[:, None] for part in player.unbind(1))
    chosen = _is(drawing, torch.arange(count, device=cast.device))
    sprite = (chosen @ cast.flatten(2)).unflatten(-1, cast.shape[2:])[:, 0]
    sides = (torch.arange(cells * CELL, device=cast.device) for cells in grid)
    rows, columns = (
        _is(start + torch.arange(size, device=cast.device), side)
        for start, size, side in zip((top, left), (height, width), sides, strict=True)
    )
    image = rows[:, None].transpose(2, 3) @ sprite @ columns[:, None]
    picture = F.pixel_unshuffle(image, CELL).unflatten(1, (4, PIXELS))
    return picture[:, :3] * LATENT_SCALE, picture[:, 3:]


def _is(places: Tensor, side: Tensor) -> Tensor:
    """Return (B, n, len(side)): 1 where `places` (B, n) is the place, else 0."""
    return (places[..., None] == side).float()


def _kernels(components: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return `to_pixels` (48, C) and the kernels that shift latents by rows and by columns."""
    to_pixels = components.T.contiguous()
    rows, columns = (_shift_kernel(components, axis, REACH_PX[axis]) for axis in (0, 1))
    return to_pixels, rows[..., None], columns[:, :, None]


def _shift_kernel(components: Tensor, axis: int, reach: int) -> Tensor:
    """Return the kernel (taps * C, C, cells) whose tap `reach` + d moves pixels by d."""
    channels, cells = len(components), -(-reach // CELL)
    places = torch.arange(3 * PIXELS).reshape(3, CELL, CELL)
    kernel = torch.zeros(2 * reach + 1, channels, channels, 2 * cells + 1)
    for tap, distance in enumerate(range(-reach, reach + 1)):
        for place in range(CELL):
            cell, source = divmod(place - distance, CELL)
            into = components[:, places.select(axis + 1, place).flatten()]
            out_of = components[:, places.select(axis + 1, source).flatten()]
            kernel[tap, :, :, cells + cell] += into @ out_of.T
    return kernel.flatten(0, 1)
