"""`rollplay ablate`, small and whole: trained, exported, played, compared, and not made twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from engine.cli import cli
from games.platformer.physics import BUTTONS
from world_model.config import WorldConfig
from world_model.data import collect
from world_model.evaluation.ablation import ROWS_FILE, Ablation, speeds
from world_model.evaluation.ablation_report import telling
from world_model.evaluation.evaluate import held_out_courses
from world_model.evaluation.fakes import PerfectWorld
from world_model.evaluation.variants import VARIANTS
from world_model.network.dit import RollingDiT
from world_model.training import stages
from world_model.training.checkpoint import load_checkpoint, save_checkpoint
from world_model.training.presets import PRESETS
from world_model.training.trained import load_dit

FEW = "frame-by-frame-3-passes"
QUICK = ("--preset", "mini", "--device", "cpu", "--threads", "1", "--levels", "1", "--ticks", "64")


@pytest.fixture(autouse=True)
def little_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("world_model.evaluation.evaluate.find_probes", lambda *_, **__: [])
    monkeypatch.setattr("engine.commands.ablate.SPEED_TICKS", 3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "play.npz"
    collect(4, 24, 0).save(path)
    return path


@pytest.fixture
def finder(tmp_path: Path) -> Path:
    """A run of a finder that has learned nothing."""
    size = PRESETS["mini"]
    config = WorldConfig("any", "platformer", BUTTONS, 20, dit=size.dit, codec=size.codec)
    weights = RollingDiT(config).finder.state_dict()
    state = {"task": "finder", "config": config.to_dict()}
    save_checkpoint(tmp_path / "finder", {"ema": weights}, state)
    return tmp_path / "finder"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["ablate", *map(str, arguments)])


@pytest.mark.slow
def test_two_variants_end_to_end_and_then_only_what_is_new(
    data: Path, finder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    common = (*QUICK, "--data", data, "--finder", finder, "--out", out, "--steps", "3")
    trained = []
    train = stages.train_variant

    def counted(variant, *given, **more):  # type: ignore[no-untyped-def]
        trained.append(variant.name)
        return train(variant, *given, **more)

    monkeypatch.setattr(stages, "train_variant", counted)
    result = run("--variants", FEW, *common)
    assert result.exit_code == 0, result.output
    result = run("--variants", f"{FEW},window-3-no-sink", *common)
    assert result.exit_code == 0, result.output
    assert trained == [FEW, "window-3-no-sink"], "each once"
    shown = run("--variants", "window-3-no-sink", *common)
    assert shown.stdout == result.stdout, "what is there of the same budget is shown, too"
    assert result.stdout == (out / "ablations.md").read_text() + "\n"
    for cell in (
        f"| `{FEW}` | one slot, three passes",
        "| `window-3-no-sink` |",
        "3 steps",
        "| 1 |",
    ):
        assert cell in result.stdout
    with Image.open(out / "ablations.png") as picture:
        assert picture.width > 1000
    rows = json.loads((out / ROWS_FILE).read_text())["rows"]
    assert [row["settings"]["variant"]["window"]["slots"] for row in rows] == [1, 3]
    assert all(row["speed"]["fps"] > 0 and row["steps"] == 3 for row in rows)
    bundles = sorted(out.glob("*/bundle/config.json"))
    windows = [json.loads(path.read_text())["window"] for path in bundles]
    assert [(w["slots"], w["sink_frames"]) for w in windows] == [(1, 1), (3, 0)]
    place = out / bundles[1].parents[1].name
    assert load_checkpoint(place)[1]["config"]["window"]["sink_frames"] == 0


@pytest.mark.slow
def test_of_a_distilled_variant_the_teacher_is_part_of_the_budget(
    data: Path, finder: Path, tmp_path: Path
) -> None:
    budget, size = stages.Budget(steps=8), VARIANTS["distilled"]
    run, steps, minutes = stages.train_variant(
        size, "mini", data, finder, tmp_path / "out", budget, device="cpu"
    )
    states = {path.name: load_checkpoint(path)[1] for path in run.parent.iterdir()}
    assert {name: (state["task"], state["step"]) for name, state in states.items()} == {
        "world": ("world", 4),
        "teacher": ("teacher", 2),
        "distill": ("distill", 2),
    }
    assert steps == 8
    assert minutes > 0
    config, dit = load_dit(run, finder)
    assert config.window == size.window
    student = load_checkpoint(run)[0]["final"]["student.readout.tell.weight"]
    assert torch.equal(dit.state_dict()["readout.tell.weight"], student)


def test_measures_that_are_the_same_in_all_variants_are_not_drawn() -> None:
    def row(name: str, fps: float) -> dict[str, Any]:
        return {
            "settings": {"variant": {"name": name}},
            "evaluation": {
                "static_tiles": {"64": 1.0},
                "windows": {"ticks": 20, "drift": []},
                "psnr_db": {"16": 40.0, "64": fps},
            },
            "speed": {"fps": fps},
        }

    titles = [column.title for column in telling([row("window-3", 40), row("window-4", 30)])]
    assert titles == ["FPS", "PSNR at 64, dB"]
    assert len(telling([row("window-3", 40)])) > 5, "of one variant alone, all"


def test_a_budget_squeezes_a_plan_and_has_parts() -> None:
    run = PRESETS["cpu"].world
    half = stages.Budget(steps=run.plan.steps).share(0.5)
    squeezed = half.run(run, seed=7)
    assert squeezed.plan.steps == run.plan.steps // 2
    assert squeezed.plan.warmup == run.plan.warmup // 2
    assert squeezed.roll_out.start == run.roll_out.start // 2
    assert squeezed.plan.seed == 7
    minutes = stages.Budget(minutes=6).share(0.25).run(run, seed=0)
    assert minutes.plan == replace(run.plan, minutes=1.5)
    assert minutes.roll_out == run.roll_out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either --steps or --minutes"),
        (("--steps", "1", "--minutes", "1"), "give either --steps or --minutes"),
        (("--steps", "1", "--variants", "window-3-no-sinc"), "did you mean window-3-no-sink?"),
        (("--steps", "1", "--data", "{root}/none.npz"), "make it with `rollplay collect`"),
        (("--steps", "1", "--finder", "{root}"), "`rollplay train` makes one"),
    ],
)
def test_bad_input_is_told_in_a_line_with_a_cure(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    filled = [part.format(root=tmp_path) for part in arguments]
    given = [] if "--data" in filled else ["--data", data]
    result = run(*QUICK, *given, "--out", tmp_path / "out", *filled)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_rows_that_are_none_of_ours_are_refused(data: Path, finder: Path, tmp_path: Path) -> None:
    (tmp_path / ROWS_FILE).write_text('{"rows": [{}]}')
    result = run(*QUICK, "--data", data, "--finder", finder, "--steps", "1", "--out", tmp_path)
    assert result.exit_code == 2
    assert "choose another --out" in result.stderr


def test_a_row_is_found_by_all_its_settings_and_training_by_its_own(tmp_path: Path) -> None:
    ablation = Ablation(tmp_path / "deep")
    settings = {"variant": {"name": "a"}, "steps": 3, "levels": 1}
    row = {"settings": settings, "evaluation": {}, "speed": {}}
    ablation.keep(row)
    again = Ablation(tmp_path / "deep")
    assert again.find(settings) == row
    assert again.find({**settings, "levels": 2}) is None
    places = {ablation.place({"variant": {"name": "a"}, "steps": steps}) for steps in (3, 4, 3)}
    assert {place.name[:2] for place in places} == {"a-"}
    assert len(places) == 2


def test_two_may_add_rows_to_one_directory(tmp_path: Path) -> None:
    one, other = Ablation(tmp_path), Ablation(tmp_path)
    rows = [
        {"settings": {"variant": {"name": name}, "steps": steps}, "evaluation": {}, "speed": {}}
        for name, steps in (("a", 3), ("b", 3), ("c", 4))
    ]
    for ablation, row in zip((one, other, one), rows, strict=True):
        ablation.keep(row)
    one.rows[0]["speed"] = {"fps": 1.0}
    one.save()
    again = Ablation(tmp_path)
    assert {row["settings"]["variant"]["name"] for row in again.rows} == {"a", "b", "c"}
    timed = [row["settings"]["variant"]["name"] for row in again.rows if row["speed"]]
    assert timed == ["a"]
    alike = [row["settings"]["variant"]["name"] for row in again.alike({"steps": 3})]
    assert sorted(alike) == ["a", "b"]


def test_worlds_are_timed_in_turn() -> None:
    course = held_out_courses(1, 0)[0]
    calls: list[str] = []

    class Named(PerfectWorld):
        def step(self, action):  # type: ignore[no-untyped-def]
            calls.append(self.name)
            return super().step(action)

    now = iter(range(10**6))
    worlds = {Path(name): Named([course]) for name in ("a", "b")}
    for path, world in worlds.items():
        world.name = path.name
    measured = speeds(worlds, course, 5, lambda: next(now) / 1000)
    assert calls[:4] == ["a", "b", "a", "b"]
    assert measured[Path("a")] == {"fps": 1000.0, "tick_p99_ms": 1.0}
