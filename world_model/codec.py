"""The codec: a per-frame autoencoder, 128x128 RGB to 32x32 cells of latents and back.

The encoder is linear: principal components of 4x4 pixel patches. A sprite that moves then moves
as plainly in latents as in pixels, distances are those between pictures, and the network that
dreams has no second, hidden drawing style to learn. No temporal compression: it would cost input
delay.

Latents are the leading components: what the network sees, predicts and is trained on. A finished
frame at play keeps its details, too, all of the rest: *whole* latents, which are pixels turned in
space, so that what is copied from frame to frame is never blurred. Where there are only latents, a
convolutional decoder guesses the details (edges, texture).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.config import CodecConfig

LATENT_SCALE = 0.5
"""Latent units per unit of pixel distance, pixels being in [-1, 1]: it decides how much the
window's noise hides. At this scale a latent's root mean square is about 0.5."""
CELL = CodecConfig.CELL_PX


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


class Refiner(nn.Module):
    """Draws what the components leave out, from the picture that they span."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        last = nn.Conv2d(config.width, 12, 3, padding=1)
        for param in last.parameters():
            nn.init.zeros_(param)
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, config.width, 3, padding=1),
            *(ResBlock(config.width) for _ in range(config.depth)),
            nn.ReLU(),
            last,
            nn.PixelShuffle(2),
        )

    def forward(self, spanned: Tensor) -> Tensor:
        """Map pixels (B, 3, H, W) to a change of these pixels."""
        change: Tensor = self.layers(spanned)
        return change


class Codec(nn.Module):
    """Frame autoencoder of what the network sees."""

    components: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("components", torch.eye(3 * CELL**2)[: config.channels])
        self.refiner = Refiner(config)

    def encode(self, frames: Tensor) -> Tensor:
        """Map frames (B, H, W, 3) uint8 to latents (B, C, H/4, W/4) float32."""
        return self.project(to_unit(frames)).float()

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (B, C, h, w) to frames (B, H, W, 3) uint8."""
        return to_frames(self.draw(latents))

    def project(self, unit: Tensor) -> Tensor:
        """Map frames (B, 3, H, W) in [-1, 1] to latents: each patch on the components."""
        patches = F.pixel_unshuffle(unit, CELL)
        return F.conv2d(patches, self.components[..., None, None] * LATENT_SCALE)

    def draw(self, latents: Tensor) -> Tensor:
        """Map latents to frames (B, 3, H, W) of about [-1, 1]."""
        weight = self.components.T[..., None, None] / LATENT_SCALE
        spanned = F.pixel_shuffle(F.conv2d(latents, weight), CELL)
        change: Tensor = self.refiner(spanned)
        return spanned + change

    @torch.no_grad()
    def fit_components(self, second_moments: Tensor) -> None:
        """Set the components to the leading eigenvectors of patches' second moments (48, 48)."""
        vectors = torch.linalg.eigh(second_moments.double()).eigenvectors.flip(1).T
        leading = vectors[: self.config.channels]
        signs = leading.sum(1, keepdim=True).sign()
        self.components.copy_(leading * torch.where(signs == 0, 1, signs))


class WholeCodec(nn.Module):
    """The codec at play, between frames and whole latents: loses nothing but rounding."""

    basis: Tensor

    def __init__(self, basis: Tensor) -> None:
        """Take a basis (48, 48), orthonormal rows, the codec's components first."""
        super().__init__()
        self.register_buffer("basis", basis)

    def encode(self, frames: Tensor) -> Tensor:
        """Map frames (B, H, W, 3) uint8 to whole latents (B, 48, H/4, W/4) float32."""
        patches = F.pixel_unshuffle(to_unit(frames), CELL)
        return F.conv2d(patches, self.basis[..., None, None] * LATENT_SCALE)

    def decode(self, latents: Tensor) -> Tensor:
        """Map whole latents (B, 48, h, w) to frames (B, H, W, 3) uint8."""
        weight = self.basis.T[..., None, None] / LATENT_SCALE
        return to_frames(F.pixel_shuffle(F.conv2d(latents, weight), CELL))


def to_unit(frames: Tensor) -> Tensor:
    """Map uint8 (B, H, W, 3) to float (B, 3, H, W) in [-1, 1]."""
    # In this order: TensorRT permutes no bytes.
    return frames.float().permute(0, 3, 1, 2) / 127.5 - 1.0


def to_frames(unit: Tensor) -> Tensor:
    """Map float (B, 3, H, W) of about [-1, 1] to uint8 (B, H, W, 3)."""
    return (unit.permute(0, 2, 3, 1) * 127.5 + 128.0).clamp(0.0, 255.0).to(torch.uint8)


def complete(components: Tensor) -> Tensor:
    """Return components (C, 48), orthonormal rows, and after them the rest of a basis: (48, 48)."""
    rest = torch.linalg.qr(components.T, mode="complete").Q[:, len(components) :]
    return torch.cat([components, rest.T])
