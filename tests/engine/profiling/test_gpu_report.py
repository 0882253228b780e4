"""`rollplay bench --gpu-report`: what it says without a GPU, and what it measures on one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from engine.cli import cli
from engine.commands import gpu_report
from export import gpu, large
from export.loading import ON_GPU
from games.scene import WORLDS
from world_model.bundle import read_config
from world_model.network.dit import RollingDiT

SHIPPED = WORLDS / "platformer"


def run(out: Path) -> Result:
    return CliRunner().invoke(cli, ["bench", "--gpu-report", str(out)])


def test_without_a_gpu_it_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "has_driver", lambda: False)
    result = run(tmp_path / "out.json")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: no NVIDIA driver here: a GPU report is about an NVIDIA GPU"
    ]
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("works", [True, False])
def test_both_worlds_and_every_backend_of_a_gpu_are_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    asked: list[Path] = []

    def measured(directory: Path, backends: Any, **_: int) -> dict[str, Any]:
        asked.append(directory)
        return {name: {"fps": 9.0} if works else {"error": "no such card"} for name in backends}

    monkeypatch.setattr(gpu, "has_driver", lambda: True)
    monkeypatch.setattr(large, "write_random_bundle", lambda config, directory: None)
    monkeypatch.setattr(gpu_report, "measured", measured)
    result = run(tmp_path / "out.json")
    assert result.exit_code == (0 if works else 1)
    document = json.loads((tmp_path / "out.json").read_text())
    assert set(document["worlds"]) == {"platformer", large.NAME}
    assert all(set(ON_GPU) <= set(world) for world in document["worlds"].values())
    assert "gpu" in document["environment"]
    assert [path.name for path in asked] == ["platformer", large.NAME]
    if not works:
        assert "no backend works on this machine's GPU" in result.stderr


@pytest.mark.slow
def test_a_backend_has_speed_and_parity_or_a_reason() -> None:
    found = gpu_report.measured(SHIPPED, ["onnxruntime", "torch-cuda-graph"], ticks=20, rounds=1)
    assert found["onnxruntime"]["tick_ms"]["p50"] > 0
    assert found["onnxruntime"]["parity"]["failure"] is None
    if not torch.cuda.is_available():
        assert "torch-cuda-graph" in found["torch-cuda-graph"]["error"]


def test_the_large_world_has_a_hundred_million_weights() -> None:
    with torch.device("meta"):
        dit = RollingDiT(large.large(read_config(SHIPPED)))
    assert sum(param.numel() for param in dit.parameters()) == pytest.approx(100e6, rel=0.1)
    assert dit.config.frame_shape == (256, 256, 3)
