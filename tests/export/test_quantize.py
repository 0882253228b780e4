"""Bundles in int8: the network's products and nothing else, and a report of what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from engine.cli import cli
from engine.commands import quantize as command
from export import verify
from export.binding import SCOPES
from export.loading import load_world
from export.quantize import quantize_bundle, widened
from world_model.errors import WorldError
from world_model.world import RollingWorld


def start_frames(exported: Any) -> np.ndarray:
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def play(exported: Any, world: RollingWorld, ticks: int = 6) -> np.ndarray:
    world.reset(start_frames(exported), seed=1)
    return np.stack([world.denoise(np.ones(3, np.bool_)).copy() for _ in range(ticks)])


@pytest.mark.parametrize("conv", [False, True])
def test_products_are_in_int8_and_play_nearly_the_same(
    exported: Any, tmp_path: Path, conv: bool
) -> None:
    out = tmp_path / "int8"
    quantize_bundle(exported.directory, out, (lambda w: play(exported, w)) if conv else None)
    step = onnx.load(out / "step.onnx")
    kinds = {node.op_type for node in step.graph.node}
    assert "MatMulInteger" in kinds
    assert ("QuantizeLinear" in kinds) == conv
    world = load_world(out)
    assert world.name == "int8"
    apart = np.abs(play(exported, world, 1) - play(exported, load_world(exported.directory), 1))
    assert 0 < apart.max() < 2
    assert apart.mean() < 0.1


def test_what_is_exact_stays_float32(exported: Any, tmp_path: Path) -> None:
    before = onnx.load(exported.directory / "step.onnx")
    quantize_bundle(exported.directory, tmp_path / "int8", lambda w: play(exported, w))
    after = {node.name for node in onnx.load(tmp_path / "int8" / "step.onnx").graph.node}
    exact = {
        node.name for node in before.graph.node
        if node.op_type in ("Conv", "MatMul", "Gemm")
        and any(island in _scopes(node) for island in ("finder", "painter", "embedder.sigma"))
    }  # fmt: skip
    assert exact
    assert exact <= after


def test_widening_changes_no_weight(exported: Any) -> None:
    path = exported.directory / "step.onnx"
    wide = widened(onnx.load(path))
    assert all(t.data_type != onnx.TensorProto.FLOAT16 for t in wide.graph.initializer)
    onnx.checker.check_model(wide)


def test_a_bundle_is_not_written_onto_itself(bundle: Path) -> None:
    with pytest.raises(WorldError, match="this is the bundle itself"):
        quantize_bundle(bundle, bundle)


@pytest.mark.parametrize(
    ("presence", "said"), [(1.0, "int8 does not pay here, it is not"), (0.9, "it plays worse: one")]
)
def test_the_report_says_whether_int8_pays(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, presence: float, said: str
) -> None:
    qualities = {
        bundle.name: {
            "psnr_db": {"64": 30.0}, "position_error_px": {"64": 0.0}, "presence": 1.0,
            "events": {"all": 0.9},
        }
    }  # fmt: skip
    qualities["int8"] = {**qualities[bundle.name], "presence": presence}
    monkeypatch.setattr(verify, "quality", lambda directory, *_: qualities[directory.name])
    monkeypatch.setattr(command, "_compare_speed", lambda *_: ([2.0, 2.0], (1.0, 0.99, 1.01)))
    out = str(bundle.parent / "int8")
    result = CliRunner().invoke(cli, ["export", "quantize", str(bundle), "--out", out])
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    assert "one player, of frames" in result.stdout
    result = CliRunner().invoke(cli, ["export", "quantize", str(bundle), "--out", out, "--json"])
    document = json.loads(result.stdout.splitlines()[-1])
    assert document["int8"]["quality"]["presence"] == presence
    assert document["ratio"]["interval"] == [0.99, 1.01]
    assert not document["faster"]


def _scopes(node: onnx.NodeProto) -> str:
    return "".join(entry.value for entry in node.metadata_props if entry.key == SCOPES)
