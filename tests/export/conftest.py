"""What the export's tests share: one tiny bundle, written once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from export.onnx_export import write_bundle
from world_model.config import WorldConfig
from world_model.network.codec import VALUES
from world_model.network.dit import RollingDiT


@dataclass(frozen=True)
class Exported:
    """A bundle and the network that it was made of, weights already rounded."""

    directory: Path
    config: WorldConfig
    dit: RollingDiT


@pytest.fixture(scope="session")
def exported(tiny: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A world with random weights everywhere, exported."""
    dit = RollingDiT(tiny)
    generator = torch.Generator().manual_seed(3)
    _stir(dit, generator)
    patches = torch.randn(500, VALUES, generator=generator)
    dit.painter.codec.fit(patches.T @ patches)
    directory = tmp_path_factory.mktemp("worlds") / "tiny"
    write_bundle(tiny, dit, directory)
    return Exported(directory, tiny, dit)


@pytest.fixture
def bundle(exported: Exported, tmp_path: Path) -> Path:
    """A copy of the bundle, to damage."""
    return Path(shutil.copytree(exported.directory, tmp_path / "tiny"))


@torch.no_grad()
def _stir(module: nn.Module, generator: torch.Generator) -> None:
    for param in module.parameters():
        fan_in = param[0].numel() if param.ndim > 1 else 64
        param.copy_(torch.randn(param.shape, generator=generator) * 0.7 * fan_in**-0.5)
