"""The commands, with a fake world and a clock that never waits."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from engine.cli import DEBUG_VARIABLE, cli, main
from engine.commands.parts import Parts
from engine.fakes import FakeWorld
from games.scene import SCENES, find_scenes
from world_model.errors import WorldError


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


def run(parts: Parts, *arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=parts)


def run_json(directory: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((directory / "run.json").read_text())
    return document


def test_the_version_is_one_line(parts: Parts) -> None:
    result = run(parts, "--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("rollplay ")


def test_headless_play_writes_a_run_that_replays_to_the_same_frames(
    parts: Parts, tmp_path: Path
) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    played = run(
        parts, "play", "meadow", "--headless", "--ticks", "30", "--seed", "4", "--out", first
    )
    assert played.exit_code == 0, played.output
    assert played.stdout == ""
    assert "30 ticks of meadow" in played.stderr
    replayed = run(parts, "play", "--headless", "--actions", first / "actions.txt", "--out", again)
    assert replayed.exit_code == 0, replayed.output
    assert len(list(again.glob("frame_*.png"))) == 30
    assert run_json(first)["sha256"] == run_json(again)["sha256"]
    assert run_json(first)["seed"] == 4


@pytest.mark.usefixtures("no_display")
def test_play_without_a_display_says_so_in_one_line_and_names_headless(parts: Parts) -> None:
    result = run(parts, "play", "meadow")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "--headless" in result.stderr


@pytest.mark.usefixtures("no_screen")
def test_play_in_a_window_follows_a_script_to_its_end(parts: Parts, tmp_path: Path) -> None:
    script = tmp_path / "run.txt"
    script.write_text("right x20\n")
    result = run(parts, "play", "meadow", "--actions", script, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert run_json(tmp_path / "out")["ticks"] == 20


@pytest.mark.usefixtures("no_screen")
def test_play_from_the_keyboard_ends_after_its_ticks(parts: Parts) -> None:
    result = run(parts, "play", "meadow", "--ticks", "5", "--scale", "2", "--fps", "30")
    assert result.exit_code == 0, result.output
    assert "5 ticks of meadow: 30.00 FPS" in result.stderr


def test_headless_play_that_would_not_end_is_refused(parts: Parts) -> None:
    result = run(parts, "play", "meadow", "--headless")
    assert result.exit_code == 2
    assert "--ticks" in result.stderr


def test_a_broken_actions_file_is_told_by_line(parts: Parts, tmp_path: Path) -> None:
    script = tmp_path / "run.txt"
    script.write_text("right\njmup\n")
    result = run(parts, "play", "--headless", "--actions", script)
    assert result.exit_code == 2
    assert f"{script}:2:1: error: unknown button 'jmup'" in result.stderr
    assert "did you mean: jump" in result.stderr


def test_an_unknown_scene_is_told_with_the_nearest_name(parts: Parts) -> None:
    result = run(parts, "play", "medow", "--headless", "--ticks", "1")
    assert result.exit_code == 2
    assert "meadow" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_broken_world_is_told_without_a_traceback(parts: Parts) -> None:
    def broken(name: str, threads: int | None) -> FakeWorld:
        raise WorldError("step.onnx is missing")

    result = run(Parts(parts.load_scene, broken, parts.clock), "profile", "meadow", "--headless")
    assert result.exit_code == 2
    assert result.stderr == "error: step.onnx is missing\n"


def test_a_full_or_forbidden_folder_is_a_run_time_failure(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(parts, "play", "--headless", "--ticks", "1", "--out", tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


class FailingWorld(FakeWorld):
    """Fails at the tenth tick after the warm-up, in many words, as a runtime library would."""

    def denoise(self, action: NDArray[np.bool_]) -> NDArray[np.float32]:
        if len(self.actions) == 9:
            raise RuntimeError("\nnode 7 failed:\nout of registers")
        return super().denoise(action)


def failing(parts: Parts) -> Parts:
    return replace(parts, load_world=lambda name, threads: FailingWorld())


def test_an_error_that_nobody_foresaw_is_one_line_and_loses_no_recording(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["play", "--headless", "--ticks", "99", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main(arguments, failing(parts))
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err == f"error: RuntimeError: node 7 failed: ({DEBUG_VARIABLE}=1 shows where)\n"
    assert said.out == ""
    assert run_json(tmp_path / "out")["ticks"] == 9


def test_whoever_debugs_gets_the_traceback(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(RuntimeError, match="node 7"):
        main(["play", "--headless", "--ticks", "99"], failing(parts))


@pytest.mark.usefixtures("no_display")
def test_profile_prints_one_json_document_and_notes_the_missing_display(parts: Parts) -> None:
    result = run(parts, "profile", "meadow", "--ticks", "40", "--json")
    assert result.exit_code == 0, result.output
    assert "without a window" in result.stderr
    document = json.loads(result.stdout)
    assert (document["scene"], document["world"], document["ticks"]) == ("meadow", "fake", 40)
    assert {"input", "denoise", "decode", "blit", "present", "wait"} <= set(document["stages_ms"])
    assert document["fps"] == pytest.approx(20, abs=0.1)


def test_profile_prints_a_table_for_people(parts: Parts) -> None:
    result = run(parts, "profile", "meadow", "--ticks", "10", "--headless", "--fps", "30")
    assert result.exit_code == 0, result.output
    assert "denoise" in result.stdout
    assert "30.0" in result.stdout


@pytest.mark.usefixtures("no_screen")
def test_profile_uses_the_window_where_there_is_one(parts: Parts) -> None:
    result = run(parts, "profile", "meadow", "--ticks", "10", "--hud", "full")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "HUD cost" in result.stdout


def test_scenes_lists_every_shipped_scene(parts: Parts) -> None:
    names = [path.stem for path in find_scenes()]
    table = run(parts, "scenes")
    assert table.exit_code == 0, table.output
    assert all(name in table.stdout for name in names)
    rows = json.loads(run(parts, "scenes", "--json").stdout)
    assert [row["name"] for row in rows] == names
    assert set(rows[0]) == {"name", "title", "world", "path"}


def test_check_tells_all_errors_of_all_files_and_which_are_fine(
    parts: Parts, tmp_path: Path
) -> None:
    good = find_scenes()[0]
    text = good.read_text(encoding="utf-8")
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(text.replace("title:", "tilte:"))
    second.write_text(text + "\nkeys: {jump: [p]}\nfps: 9000\n")
    result = run(parts, "check", first, good, second)
    assert result.exit_code == 2
    assert result.stdout == f"{good}: ok\n"
    assert f"{first}:" in result.stderr
    assert result.stderr.count(f"{second}:") >= 2


def test_check_passes_good_files(parts: Parts) -> None:
    assert run(parts, "check", *find_scenes()).exit_code == 0


def loaded_modules(*arguments: str) -> Sequence[str]:
    program = (
        "import sys\nfrom engine.cli import cli\n"
        f"try: cli({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stderr.split()


def test_help_loads_nothing_heavy() -> None:
    modules = loaded_modules("--help")
    assert not {"torch", "onnxruntime", "pygame", "numpy", "yaml"} & set(modules)


@pytest.mark.parametrize("arguments", [["scenes"], ["check", "meadow"]])
def test_listing_and_checking_load_neither_window_nor_network(arguments: list[str]) -> None:
    assert not {"torch", "onnxruntime", "pygame"} & set(loaded_modules(*arguments))


def test_recorded_frames_hold_what_the_world_drew(parts: Parts, tmp_path: Path) -> None:
    import pygame

    run(parts, "play", "--headless", "--ticks", "2", "--out", tmp_path / "out")
    surface = pygame.image.load(tmp_path / "out" / "frame_000001.png")
    assert (pygame.surfarray.array3d(surface) == 255).all(-1).sum() >= 64
    assert np.unique(pygame.surfarray.array3d(surface)).size > 2


@pytest.mark.parametrize("command", ["play", "profile"])
def test_a_scene_can_be_played_in_another_world(parts: Parts, command: str) -> None:
    loaded = []

    def load(name: str, options: object) -> FakeWorld:
        loaded.append(name)
        return FakeWorld()

    arguments = (command, "meadow", "--headless", "--ticks", "2")
    for more in ((), ("--world", "caverns")):
        assert run(replace(parts, load_world=load), *arguments, *more).exit_code == 0
    assert loaded == ["platformer", "caverns"]


def test_a_scenes_sink_reaches_the_world(parts: Parts, tmp_path: Path) -> None:
    world, scene = FakeWorld(), tmp_path / "anchored.yaml"
    text = (SCENES / "meadow.yaml").read_text(encoding="utf-8")
    scene.write_text(f"sink: refresh\n{text}", encoding="utf-8")
    steered = replace(parts, load_world=lambda name, options: world)
    assert run(steered, "play", str(scene), "--headless", "--ticks", "1").exit_code == 0
    assert world.sink == "refresh"
