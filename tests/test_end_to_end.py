"""The whole way, in miniature: record, train the codec, train the world, export, play."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from engine.cli import cli
from engine.commands.parts import Parts
from export.loading import load_world
from games.scene import load_scene
from world_model.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow
TICKS = 50


@dataclass(frozen=True)
class Workshop:
    """A directory in which commands run, and what they said."""

    root: Path

    def run(self, *arguments: str | Path) -> Result:
        parts = Parts(
            load_scene=partial(load_scene, worlds=self.root / "worlds"),
            load_world=lambda name, threads: load_world(self.root / "worlds" / name, threads=1),
        )
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=parts)

    def make(self, *arguments: str | Path) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    @property
    def data(self) -> Path:
        return self.root / "play.npz"

    @property
    def bundle(self) -> Path:
        return self.root / "worlds" / "platformer"

    def train(self, stage: str, *more: str | Path) -> str:
        out = self.root / stage
        options = ["--preset", "mini", "--device", "cpu", "--data", self.data, "--out", out]
        return self.make("train", stage, *options, *more)

    def play(self, run: str, *more: str | Path) -> dict[str, object]:
        out = self.root / run
        self.make("play", "meadow", "--headless", "--seed", "3", "--out", out, *more)
        about: dict[str, object] = json.loads((out / "run.json").read_text())
        return about


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Everything made once: recording, codec, world and bundle."""
    shop = Workshop(tmp_path_factory.mktemp("workshop"))
    shop.make("collect", "--preset", "mini", "--out", shop.data)
    shop.train("codec")
    shop.train("world", "--codec", shop.root / "codec")
    said = shop.make("export", "--world", shop.root / "world", "--codec", shop.root / "codec",
                     "--out", shop.bundle, "--ticks", "20")  # fmt: skip
    assert "max abs error" in said
    return shop


@pytest.mark.parametrize("stage", ["codec", "world"])
def test_training_leaves_weights_a_loss_plot_and_pictures(workshop: Workshop, stage: str) -> None:
    directory = workshop.root / stage
    groups, state = load_checkpoint(directory)
    assert {"model", "ema", "final"} <= groups.keys()
    assert (state["task"], len(state["history"])) == (stage, state["step"])
    assert np.isfinite([values["loss"] for values in state["history"]]).all()
    pictures = sorted(directory.glob("samples_*.png"))
    assert len(pictures) == 2
    for path in (*pictures, directory / "losses.png"):
        with Image.open(path) as picture:
            assert min(picture.size) >= 128


def test_the_exported_world_plays_50_ticks_and_again_exactly(workshop: Workshop) -> None:
    first = workshop.play("first", "--ticks", str(TICKS))
    again = workshop.play("again", "--actions", workshop.root / "first" / "actions.txt")
    assert first["ticks"] == again["ticks"] == TICKS
    assert first["sha256"] == again["sha256"]
    frames = sorted((workshop.root / "first").glob("frame_*.png"))
    assert len(frames) == TICKS
    with Image.open(frames[-1]) as frame:
        assert frame.size == (128, 128)
    assert workshop.play("other", "--ticks", str(TICKS), "--seed", "4")["sha256"] != first["sha256"]


def test_a_run_goes_on_when_more_steps_are_asked_for(workshop: Workshop) -> None:
    longer = workshop.root / "longer"
    shutil.copytree(workshop.root / "codec", longer)
    before = load_checkpoint(longer)[1]
    workshop.train("codec", "--out", longer, "--steps", str(before["step"] + 2))
    after = load_checkpoint(longer)[1]
    assert after["step"] == before["step"] + 2
    assert after["history"][: before["step"]] == before["history"]


def test_a_world_can_begin_with_the_weights_of_a_bundle(workshop: Workshop) -> None:
    out = workshop.root / "tuned"
    bundle = ["--from", workshop.bundle, "--codec", workshop.bundle]
    workshop.train("world", *bundle, "--steps", "1", "--out", out)
    begun = load_checkpoint(out)[0]["model"]
    final = load_checkpoint(workshop.root / "world")[0]["final"]
    assert begun.keys() == final.keys()
    apart = max(float((begun[name] - final[name]).abs().max()) for name in final)
    assert apart < 0.05, "one step from where the other run ended"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "codec", "--data", "nowhere.npz"], "nowhere.npz: no such recording"),
        (["train", "world", "--data", "{data}", "--codec", "nowhere"], "nowhere: no checkpoint"),
        (["train", "world", "--data", "{data}", "--codec", "{root}/world"], "not a finished codec"),
        (["export", "--world", "{root}/codec", "--codec", "{root}/codec"], "not a world"),
        (["export", "--world", "nowhere", "--out", "{root}/none"], "nowhere: no checkpoint"),
        (["collect", "--seed", "1000000000", "--out", "{root}/held.npz"], "held out"),
        (["collect", "--preset", "large"], "'large' is not one of"),
    ],
)
def test_bad_input_is_told_in_a_line(
    workshop: Workshop, arguments: list[str], message: str
) -> None:
    filled = [part.format(data=workshop.data, root=workshop.root) for part in arguments]
    preset = [] if "export" in filled or "--preset" in filled else ["--preset", "mini"]
    out = [] if "--out" in filled else ["--out", str(workshop.root / "out")]
    result = workshop.run(*filled, *preset, *out)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
