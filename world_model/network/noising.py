"""Noise on latents: x_sigma = (1 - sigma) x0 + sigma eps, on what the network sees of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def noised(x0: Tensor, sigma: Tensor, channels: int) -> Tensor:
    """Noise so many leading channels of latents (..., C, h, w) to levels `sigma` (...)."""
    level = sigma[..., None, None, None]
    noise = torch.randn_like(x0[..., :channels, :, :])
    return (1 - level) * x0 + level * F.pad(noise, (0, 0, 0, 0, 0, x0.shape[-3] - channels))
