"""A world of 100 million weights and frames of 256x256, all at random: what a GPU is measured with.

It shows nothing worth seeing; what it costs is what a trained one of its size would.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from export.onnx_export import write_bundle
from world_model.config import DiTConfig, WorldConfig
from world_model.network.dit import RollingDiT

NAME: Final = "random-100m"
SPREAD: Final = 0.7
"""Standard deviation of what a layer makes of unit variance: activations neither die nor burst."""


def large(config: WorldConfig) -> WorldConfig:
    """Return a world's config at that size."""
    dit = DiTConfig(width=640, depth=13, heads=10, tile_width=256, cell_width=96)
    return replace(config, name=NAME, frame_height=256, frame_width=256, dit=dit)


@torch.no_grad()
def write_random_bundle(config: WorldConfig, directory: Path) -> None:
    """Write a bundle of these sizes; the same one every time."""
    dit, generator = RollingDiT(config), torch.Generator().manual_seed(0)
    for param in dit.parameters():
        fan_in = param[0].numel() if param.ndim > 1 else 64
        param.copy_(torch.randn(param.shape, generator=generator) * SPREAD * fan_in**-0.5)
    write_bundle(config, dit, directory)
