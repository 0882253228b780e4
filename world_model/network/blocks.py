"""The network's parts: residual convolutions on cells and tiles, transformer blocks on tokens.

Both are conditioned per frame, on its noise level and its action; neither knows what they mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.network.attention import Attend


class ConvBlock(nn.Module):
    """Two 3x3 convolutions added to their input, scaled and shifted in between by the condition.

    Starts as the identity.
    """

    def __init__(self, width: int, cond_width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(cond_width, 2 * width)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Map x (N, width, h, w) under cond (N, cond_width)."""
        scale, shift = self.modulation(cond)[..., None, None].chunk(2, 1)
        hidden = torch.addcmul(shift, self.conv1(F.relu(x)), 1 + scale)
        change: Tensor = self.conv2(F.relu(hidden))
        return x + change


class TokenBlock(nn.Module):
    """Pre-norm transformer block with AdaLN-Zero per frame (DiT, arXiv 2212.09748)."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-5)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, mlp_ratio * width)
        self.down = nn.Linear(mlp_ratio * width, width)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, cond: Tensor, attend: Attend, first: int = 0) -> Tensor:
        """Map tokens x (B, F, N, width) under cond (B, F, width); frames before the `first` one are
        only attended to, and come out no more."""
        modulation = self.modulation(cond).unsqueeze(-2)
        shift1, scale1 = modulation.chunk(6, -1)[:2]
        qkv = self.qkv(self.norm(x) * (1 + scale1) + shift1)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).unbind(-3)
        x = x[:, first:]
        gate1, shift2, scale2, gate2 = modulation[:, first:].chunk(6, -1)[2:]
        x = x + gate1 * self.out(attend(q[:, first:], k, v).flatten(-2))
        hidden = F.gelu(self.up(self.norm(x) * (1 + scale2) + shift2))
        change: Tensor = gate2 * self.down(hidden)
        return x + change
