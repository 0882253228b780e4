"""The codec: a per-frame convolutional autoencoder, 128x128 RGB to 8x8 tokens and back.

No temporal compression: it would cost input delay. Latents leave `encode` normalised to zero
mean and unit variance per channel, so that the window's noise levels mean the same everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.config import CodecConfig

LATENT_BOUND = 4.0


class ResBlock(nn.Module):
    """Two 3x3 convolutions added to their input; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + change


class Codec(nn.Module):
    """Frame autoencoder; `encode` and `decode` are exported as one graph each."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        e0, e1, e2 = config.encoder_widths
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, e0, 3, padding=1),
            ResBlock(e0),
            nn.Conv2d(e0, e1, 3, stride=2, padding=1),
            ResBlock(e1),
            nn.Conv2d(e1, e2, 3, stride=2, padding=1),
            ResBlock(e2),
            nn.ReLU(),
            nn.Conv2d(e2, config.channels, 1),
        )
        d0, d1, d2, d3 = config.decoder_widths
        self.decoder = nn.Sequential(
            nn.Conv2d(config.channels, d0, 3, padding=1),
            ResBlock(d0),
            ResBlock(d0),
            *_upsample(d0, d1),
            ResBlock(d1),
            *_upsample(d1, d2),
            ResBlock(d2),
            *_upsample(d2, d3),
            ResBlock(d3),
            nn.ReLU(),
            nn.Conv2d(d3, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )
        self.register_buffer("mean", torch.zeros(config.channels, 1, 1))
        self.register_buffer("std", torch.ones(config.channels, 1, 1))

    def encode(self, frames: Tensor) -> Tensor:
        """Map frames (B, H, W, 3) uint8 to normalised latents (B, C, H/16, W/16) float32."""
        return (self.bounded(to_unit(frames)).float() - self.mean) / self.std

    def decode(self, latents: Tensor) -> Tensor:
        """Map normalised latents (B, C, h, w) to frames (B, H, W, 3) uint8."""
        pixels: Tensor = self.decoder(latents * self.std + self.mean)
        levels = (pixels.permute(0, 2, 3, 1) * 127.5 + 128.0).clamp(0.0, 255.0)
        return levels.to(torch.uint8)

    def bounded(self, unit: Tensor) -> Tensor:
        """Map frames (B, 3, H, W) in [-1, 1] to latents in (-LATENT_BOUND, LATENT_BOUND)."""
        free: Tensor = self.encoder(unit)
        return torch.tanh(free / LATENT_BOUND) * LATENT_BOUND


def to_unit(frames: Tensor) -> Tensor:
    """Map uint8 (B, H, W, 3) to float (B, 3, H, W) in [-1, 1]."""
    return frames.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _upsample(width_in: int, width_out: int) -> list[nn.Module]:
    return [nn.Conv2d(width_in, width_out * 4, 1), nn.PixelShuffle(2)]
