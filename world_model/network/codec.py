"""The codec: 128x128 RGB to 32x32 cells of latents and back, frame by frame, losing nothing.

Latents are the 4x4 pixels of a cell turned in space: principal components of such patches, the
leading ones first. A sprite that moves then moves as plainly in latents as in pixels, distances are
those between pictures, and what a world copies from frame to frame is never blurred. The network
sees the leading components only. No temporal compression: it would cost input delay.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.config import CodecConfig

LATENT_SCALE = 0.5
"""Latent units per unit of pixel distance, pixels being in [-1, 1]: it decides how much the
window's noise hides. At this scale a leading latent's root mean square is about 0.5."""
CELL = CodecConfig.CELL_PX
VALUES = 3 * CELL**2
"""Numbers of a cell: RGB, rows, columns."""


class Codec(nn.Module):
    """A basis of cells, (48, 48), orthonormal rows, and what it turns pixels into."""

    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.eye(VALUES))

    def encode(self, frames: Tensor) -> Tensor:
        """Map frames (B, H, W, 3) uint8 to latents (B, 48, H/4, W/4) float32."""
        # Not bytes: TensorRT permutes none.
        return self.encode_cells(to_cells(frames.float()))

    def encode_cells(self, cells: Tensor) -> Tensor:
        """Map frames in cells (B, 48, h, w), of bytes, to latents."""
        return self.to_latents((cells.float() / 127.5 - 1) * LATENT_SCALE)

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (B, 48, h, w) to frames (B, H, W, 3) uint8."""
        unit = F.pixel_shuffle(self.to_pixels(latents) / LATENT_SCALE, CELL)
        return (unit.permute(0, 2, 3, 1) * 127.5 + 128.0).clamp(0.0, 255.0).to(torch.uint8)

    def to_pixels(self, latents: Tensor) -> Tensor:
        """Turn latents (B, 48, h, w) into the pixels of cells, at the scale of latents."""
        return F.conv2d(latents, self.basis.T[..., None, None])

    def to_latents(self, pixels: Tensor) -> Tensor:
        """Turn them back."""
        return F.conv2d(pixels, self.basis[..., None, None])

    @torch.no_grad()
    def fit(self, second_moments: Tensor) -> None:
        """Take for basis the eigenvectors of second moments (48, 48) of patches, leading first."""
        vectors = torch.linalg.eigh(second_moments.double()).eigenvectors.flip(1).T
        signs = vectors.sum(1, keepdim=True).sign()
        self.basis.copy_(vectors * torch.where(signs == 0, 1, signs))


def to_cells(frames: Tensor) -> Tensor:
    """See frames (B, H, W, 3) as cells (B, 48, H/4, W/4)."""
    return F.pixel_unshuffle(frames.permute(0, 3, 1, 2), CELL)
