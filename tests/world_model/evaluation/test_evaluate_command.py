"""`rollplay evaluate`, with a perfect world in place of a trained one."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from engine.cli import cli
from engine.commands.parts import Parts
from games.platformer.generator import generate
from games.platformer.level import format_level
from world_model.errors import RollplayError, WorldError
from world_model.evaluation.evaluate import course_of, held_out_courses
from world_model.evaluation.fakes import PerfectWorld
from world_model.evaluation.metrics import MEANINGS
from world_model.evaluation.report import model_card, require_drawing

LEVEL = generate(11)
COURSES = (*held_out_courses(1, 0), course_of("hand", LEVEL))
QUICK = ("--levels", "1", "--ticks", "20")


@pytest.fixture
def parts() -> Parts:
    def load(name: str, threads: int | None) -> PerfectWorld:
        if name == "nowhere":
            raise WorldError("nowhere: no such world")
        return PerfectWorld(COURSES)

    return Parts(load_world=load)


@pytest.fixture(autouse=True)
def few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("world_model.evaluation.lag._TRIES", 1)
    monkeypatch.setattr("world_model.evaluation.lag.LAG_HORIZON", 2)


def run(parts: Parts, *arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)], obj=parts)


def test_the_last_line_with_json_is_the_document(parts: Parts) -> None:
    result = run(parts, "perfect", *QUICK, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout.splitlines()[-1])
    assert set(MEANINGS) < set(document)
    assert document["position_error_px"]["16"] == 0
    assert "python" in document["environment"]


def test_out_and_card_write_plot_sheet_and_cards(parts: Parts, tmp_path: Path) -> None:
    out, card = tmp_path / "deep" / "out", tmp_path / "docs" / "perfect.md"
    result = run(parts, "perfect", *QUICK, "--out", out, "--card", card)
    assert result.exit_code == 0, result.output
    pictures = ["plot.png", "sheet.png", "windows.png"]
    assert sorted(path.name for path in out.iterdir()) == ["card.json", *pictures]
    for name in pictures:
        with Image.open(out / name) as picture:
            assert picture.width > 500
    document = json.loads((out / "card.json").read_text())
    assert card.read_text() == model_card(document) == result.stdout.removesuffix("\n")


def test_a_hand_made_level_and_script_are_played(parts: Parts, tmp_path: Path) -> None:
    level, actions = tmp_path / "hand.txt", tmp_path / "run.txt"
    level.write_text(format_level(LEVEL) + "\n")
    actions.write_text("right x10\nright jump x7\n")
    result = run(parts, "perfect", "--level", level, "--actions", actions, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["levels"], document["ticks"]) == (1, 17)
    assert document["position_error_px"]["16"] == 0


def test_a_broken_level_is_told_by_line_and_column(parts: Parts, tmp_path: Path) -> None:
    level = tmp_path / "broken.txt"
    rows = format_level(LEVEL).splitlines()
    rows[2] = rows[2][:3] + "?" + rows[2][4:]
    level.write_text("\n".join(rows))
    result = run(parts, "perfect", "--level", level)
    assert result.exit_code == 2
    assert f"{level}:3:4: error: unknown map character '?'" in result.stderr
    absent = run(parts, "perfect", "--level", tmp_path / "absent.txt")
    assert absent.exit_code == 2
    assert "absent.txt:1:1: error: cannot read" in absent.stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [("", "no ticks"), ("right\n!reset left\n", "cannot be evaluated"), ("rihgt\n", "right")],
)
def test_a_script_that_cannot_be_measured_is_refused(
    parts: Parts, tmp_path: Path, script: str, message: str
) -> None:
    actions = tmp_path / "run.txt"
    actions.write_text(script)
    result = run(parts, "perfect", "--actions", actions, *QUICK)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_missing_world_is_told_in_one_line(parts: Parts) -> None:
    result = run(parts, "nowhere", *QUICK)
    assert (result.exit_code, result.stderr) == (2, "error: nowhere: no such world\n")


def test_without_the_libraries_that_draw_the_cure_is_named(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RollplayError, match=r"pip install 'rollplay\[train\]'"):
        require_drawing()
    result = run(parts, "perfect", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_without_a_bar_to_show_it_is_evaluated_all_the_same(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    result = run(parts, "perfect", *QUICK, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
