"""The whole way, in miniature: record, train a world and its finder, export, play."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from engine.cli import cli
from engine.commands.parts import Parts
from export.loading import load_world
from games.scene import load_scene
from world_model.training.checkpoint import load_checkpoint, save_checkpoint

pytestmark = pytest.mark.slow
TICKS = 50
MINI = ("--preset", "mini", "--device", "cpu")


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

    @property
    def trained(self) -> Path:
        return self.root / "world"

    @property
    def finder(self) -> Path:
        return self.root / "finder"

    def train(self, out: Path, *more: str | Path) -> str:
        return self.make("train", "world", *MINI, "--data", self.data, "--out", out, *more)

    def train_finder(self, out: Path, *more: str | Path) -> str:
        return self.make("train", "finder", *MINI, "--out", out, *more)

    def play(self, run: str, *more: str | Path) -> dict[str, object]:
        out = self.root / run
        self.make("play", "meadow", "--headless", "--seed", "3", "--out", out, *more)
        about: dict[str, object] = json.loads((out / "run.json").read_text())
        return about


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Everything made once: recording, world, finder and bundle."""
    shop = Workshop(tmp_path_factory.mktemp("workshop"))
    shop.make("collect", "--preset", "mini", "--out", shop.data)
    shop.train(shop.trained)
    shop.train_finder(shop.finder)
    runs = "--world", shop.trained, "--finder", shop.finder
    said = shop.make("export", *runs, "--out", shop.bundle, "--ticks", "20")
    assert "max abs error" in said
    return shop


@pytest.mark.parametrize("task", ["world", "finder"])
def test_training_leaves_weights_a_loss_plot_and_pictures(workshop: Workshop, task: str) -> None:
    run = workshop.root / task
    groups, state = load_checkpoint(run)
    assert {"model", "ema", "final"} <= groups.keys()
    assert (state["task"], len(state["history"])) == (task, state["step"])
    assert np.isfinite([values["loss"] for values in state["history"]]).all()
    pictures = sorted(run.glob("samples_*.png"))
    assert len(pictures) == 2
    for path in (*pictures, run / "losses.png"):
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


def test_a_run_goes_on_when_more_steps_are_asked_for(workshop: Workshop) -> None:
    longer = workshop.root / "longer"
    shutil.copytree(workshop.trained, longer)
    before = load_checkpoint(longer)[1]
    workshop.train(longer, "--steps", str(before["step"] + 2))
    after = load_checkpoint(longer)[1]
    assert after["step"] == before["step"] + 2
    assert after["history"][: before["step"]] == before["history"]


def test_a_world_can_begin_with_the_weights_of_a_bundle(workshop: Workshop) -> None:
    out = workshop.root / "tuned"
    workshop.train(out, "--from", workshop.bundle, "--steps", "1")
    begun = load_checkpoint(out)[0]["model"]
    final = load_checkpoint(workshop.trained)[0]["final"]
    assert begun.keys() == final.keys()
    drawn = [name for name in final if not name.startswith("finder.")]
    apart = max(float((begun[name] - final[name]).abs().max()) for name in drawn)
    assert apart < 0.05, "one step from where the other run ended"


def test_a_world_of_one_slot_plays_any_scene(workshop: Workshop) -> None:
    out = workshop.root / "one_slot"
    workshop.train(out, "--slots", "1", "--steps", "1")
    assert load_checkpoint(out)[1]["config"]["window"]["slots"] == 1
    runs, bundle = ("--world", out, "--finder", workshop.finder), workshop.root / "worlds" / "swift"
    workshop.make("export", *runs, "--name", "swift", "--out", bundle, "--ticks", "4")
    assert workshop.play("swift", "--ticks", "3", "--world", "swift")["world"] == "swift"


def test_a_finder_can_begin_with_the_weights_of_a_bundle(workshop: Workshop) -> None:
    out = workshop.root / "tuned_finder"
    workshop.train_finder(out, "--from", workshop.bundle, "--steps", "1")
    begun = load_checkpoint(out)[0]["model"]
    final = load_checkpoint(workshop.finder)[0]["final"]
    apart = max(float((begun[name] - final[name]).abs().max()) for name in final)
    assert apart < 0.05


def test_a_teacher_is_distilled_into_a_world_that_plays(workshop: Workshop) -> None:
    root, begun = workshop.root, ("--data", workshop.data, "--from", workshop.bundle)
    workshop.make("train", "teacher", *MINI, *begun, "--out", root / "teacher")
    taught = *begun, "--teacher", root / "teacher", "--out", root / "distilled"
    workshop.make("train", "distill", *MINI, *taught)
    groups, state = load_checkpoint(root / "distilled")
    assert state["task"] == "distill"
    learned = {name for values in state["history"] for name in values}
    assert {"critic_mse", "matching", "head_mse"} <= learned, "both have learned"
    student = groups["final"]["student.readout.tell.weight"]
    before = load_checkpoint(workshop.trained)[0]["final"]["readout.tell.weight"]
    assert not torch.equal(student, before)
    runs = "--world", root / "distilled", "--finder", workshop.bundle
    said = workshop.make("export", *runs, "--out", root / "worlds" / "polished", "--ticks", "4")
    assert "max abs error" in said


def test_a_teacher_of_other_latents_is_refused(workshop: Workshop) -> None:
    root, data = workshop.root, ("--data", workshop.data)
    other = root / "other_teacher"
    workshop.make("train", "teacher", *MINI, *data, "--steps", "2", "--out", other)
    groups, state = load_checkpoint(other)
    groups["final"]["painter.codec.basis"] = groups["final"]["painter.codec.basis"].flip(0)
    save_checkpoint(other, groups, state)
    taught = *data, "--from", workshop.bundle, "--teacher", other, "--out", root / "refused"
    result = workshop.run("train", "distill", *MINI, *taught)
    assert result.exit_code == 2, result.output
    assert "`rollplay train teacher --from" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "world", "--data", "nowhere.npz"], "nowhere.npz: no such recording"),
        (
            ["train", "world", "--data", "{data}", "--from", "{root}/finder"],
            "holds a finder, not a",
        ),
        (["train", "world", "--data", "{data}", "--from", "nowhere"], "'nowhere' does not exist"),
        (["export", "--world", "nowhere", "--out", "{root}/none"], "nowhere: no checkpoint"),
        (
            ["export", "--world", "{root}/finder", "--finder", "{root}/finder"],
            "holds a finder, not a world",
        ),
        (["train", "finder", "--from", "{root}/world"], "cannot be read"),
        (
            [
                "train",
                "distill",
                "--data",
                "{data}",
                "--from",
                "{root}/worlds/platformer",
                "--teacher",
                "{root}/world",
            ],
            "holds a world, not a teacher",
        ),
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
