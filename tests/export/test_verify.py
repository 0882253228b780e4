"""`rollplay export verify`: backends that compute alike pass, those that do not are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from engine.cli import cli
from export import parity, verify
from export.parity import REDUCED_PSNR_DB, TOLERANCE, Parity, roll_out_parity
from world_model.errors import WorldError

EQUAL = Parity("onnxruntime", 8, 1e-5, 0, 99.0, None)
GOOD = {"psnr_db": {"64": 30.0}, "position_error_px": {"64": 0.0}, "presence": 1.0}


@pytest.fixture(autouse=True)
def start(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start on noise: the tiny world's frames are smaller than any level's."""
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    monkeypatch.setattr(parity, "opening_of", lambda _seed, _count: frames)


def test_onnx_runtime_plays_what_torch_does(exported: Any) -> None:
    ticks: list[None] = []
    found = roll_out_parity(exported.directory, 8, done=lambda: ticks.append(None))
    assert found.max_latent_error < TOLERANCE
    assert found.psnr_db > REDUCED_PSNR_DB
    assert found.failure is None
    assert len(ticks) == found.ticks == 8


def test_frames_that_differ_are_counted_from_the_first(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = parity.load_world

    def load_blind(directory: Path, *, backend: str) -> Any:
        world = load(directory, backend=backend)
        monkeypatch.setattr(world, "decode", lambda latents: np.zeros(world.frame_shape, np.uint8))
        return world

    monkeypatch.setattr(parity, "load_world", load_blind)
    found = roll_out_parity(exported.directory, 4)
    assert found.first_apart == 1
    assert found.max_pixel_error > 100
    assert found.psnr_db < 20


@pytest.mark.parametrize(
    ("wrong", "failure"),
    [
        ({"max_latent_error": 1.0}, "latents within 0.01"),
        ({"max_latent_error": float("nan")}, "latents within 0.01"),
        ({"backend": "openvino-bf16", "max_latent_error": 1.0}, None),
        ({"backend": "openvino-bf16", "psnr_db": 30.0}, "PSNR at least 40 dB"),
    ],
)
def test_fewer_bits_are_held_to_the_picture(wrong: dict[str, Any], failure: str | None) -> None:
    assert EQUAL.failure is None
    found = replace(EQUAL, **wrong).failure
    assert found == failure or (found is not None and failure is not None and failure in found)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"psnr_db": {"64": 28.0}}, "PSNR 28.0 dB, not 30.0"),
        ({"position_error_px": {"64": 2.5}}, "position error 2.5 px, not 0.0"),
        ({"presence": 0.9}, "one player in 90.0% of frames, not 100.0%"),
    ],
)
def test_play_that_is_worse_than_the_references_fails(
    change: dict[str, Any], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    qualities = {"torch": GOOD, "onnxruntime": {**GOOD, **change}}
    monkeypatch.setattr(verify, "quality", lambda _directory, backend, _levels: qualities[backend])
    monkeypatch.setattr(verify, "roll_out_parity", lambda *_args, **_options: EQUAL)
    told: list[str] = []
    (verdict,) = verify.verify(Path(), ["onnxruntime"], ticks=8, levels=1, done=told.append)
    assert verdict.failures == ([] if reason is None else [f"plays worse: {reason}"])
    assert told == ["torch", "onnxruntime"]


def test_a_backend_that_cannot_be_had_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> Parity:
        raise WorldError("openvino: needs pip install 'rollplay[openvino]'")

    monkeypatch.setattr(verify, "roll_out_parity", refuse)
    (verdict,) = verify.verify(Path(), ["openvino"], ticks=8, levels=0)
    assert verdict.error is not None
    assert "rollplay[openvino]" in verdict.error
    assert not verdict.failures


def test_the_command_prints_every_backend_and_fails_for_one_that_differs(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["export", "verify", str(exported.directory), "--levels", "0", "--ticks", "4",
                 "--backends", "onnxruntime,torch"]  # fmt: skip
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout.splitlines()[-1])
    assert document["torch"]["parity"]["max_latent_error"] < 1e-5
    assert document["onnxruntime"]["failures"] == []
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1
    assert "not to be played on: onnxruntime, torch" in result.stderr
    assert "parity is worse than wanted" in result.stdout
