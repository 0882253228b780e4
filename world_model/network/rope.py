"""Rotary positions over (time, row, column), relative to the window's head.

Keys are cached raw and rotated at use, so a session can run for ever. Always float32.
Source: RoFormer (arXiv 2104.09864), split over three axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BASE = 30.0


class AxialRope(nn.Module):
    """Cosines and sines of the tokens of frames at given times; a quarter of the pairs is time."""

    time_freqs: Tensor
    space_angles: Tensor

    def __init__(self, head_dim: int, height: int, width: int) -> None:
        super().__init__()
        pairs = head_dim // 2
        time, row = pairs // 4, (pairs - pairs // 4) // 2
        col = pairs - time - row
        rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        space = [rows.reshape(-1, 1) * _freqs(row), cols.reshape(-1, 1) * _freqs(col)]
        self.register_buffer("time_freqs", _freqs(time), persistent=False)
        angles = torch.cat(space, -1).reshape(height, width, -1)
        self.register_buffer("space_angles", angles, persistent=False)

    def forward(self, times: Tensor, grid: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
        """Map frame times (F,) to cos and sin, each (F, N, 1, head_dim / 2).

        `grid` is the height and width of a crop; where it lies does not matter, as only
        differences of positions count.
        """
        height, width = grid or self.space_angles.shape[:2]
        space = self.space_angles[:height, :width].flatten(0, 1)
        frames, tokens = times.shape[0], space.shape[0]
        time = (times.float()[:, None] * self.time_freqs)[:, None, :].expand(frames, tokens, -1)
        angles = torch.cat([time, space.expand(frames, -1, -1)], -1)
        return angles.cos()[:, :, None], angles.sin()[:, :, None]


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate x (..., F, N, H, head_dim) by a table of `AxialRope`."""
    cos, sin = table
    first, second = x.float().chunk(2, -1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
    return turned.to(x.dtype)


def _freqs(count: int) -> Tensor:
    return BASE ** -(torch.arange(count) / count)
