"""`rollplay profile` and `rollplay profile compare`, on a fake world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli import cli
from engine.commands.parts import Parts


def run(parts: Parts, *arguments: str | Path) -> Result:
    words = ["profile", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(cli, words, obj=parts)


def measured(parts: Parts, path: Path, ticks: int = 80) -> Path:
    result = run(parts, "meadow", "--headless", "--ticks", str(ticks), "--json")
    assert result.exit_code == 0, result.output
    path.write_text(result.stdout)
    return path


def slowed(path: Path, factor: float, out: Path) -> Path:
    document = json.loads(path.read_text())
    for name, values in document["series_ms"].items():
        document["series_ms"][name] = [factor * value for value in values]
    out.write_text(json.dumps(document))
    return out


def test_all_outputs_are_written(parts: Parts, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    names = {"--jsonl": "t.jsonl", "--trace": "t.json", "--plot": "t.png", "--html": "t.html"}
    options = [word for name, file in names.items() for word in (name, tmp_path / file)]
    result = run(parts, "meadow", "--headless", "--ticks", "20", *options)
    assert result.exit_code == 0, result.output
    for file in names.values():
        assert (tmp_path / file).stat().st_size > 500
        assert f"{file}: written" in result.stderr
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 20


def test_seconds_are_ticks_at_the_scenes_rate(parts: Parts) -> None:
    result = run(parts, "meadow", "--headless", "--seconds", "2", "--json")
    assert json.loads(result.stdout)["ticks"] == 40
    both = run(parts, "meadow", "--seconds", "2", "--ticks", "3")
    assert both.exit_code == 2
    assert "not both" in both.stderr


def test_without_a_scene_the_first_one_is_measured(parts: Parts) -> None:
    result = run(parts, "--headless", "--ticks", "5", "--json")
    document = json.loads(result.stdout)
    assert document["scene"] == "meadow"
    assert len(document["environment"]["scene_sha256"]) == 12


def test_a_run_compared_with_itself_shows_no_difference(parts: Parts, tmp_path: Path) -> None:
    path = measured(parts, tmp_path / "a.json")
    result = run(parts, "compare", path, path, "--fail-if-slower", "5%")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("no difference shown") == 5


def test_a_slower_run_fails_beyond_the_margin_only(parts: Parts, tmp_path: Path) -> None:
    path = measured(parts, tmp_path / "a.json")
    slow = slowed(path, 1.1, tmp_path / "b.json")
    assert run(parts, "compare", path, slow).exit_code == 0
    assert run(parts, "compare", path, slow, "--fail-if-slower", "20").exit_code == 0
    failed = run(parts, "compare", path, slow, "--fail-if-slower", "5%", "--json")
    assert failed.exit_code == 1
    assert "slower by more than 5 %: tick p50" in failed.stderr
    assert json.loads(failed.stdout)["tick p50"]["ratio"] == pytest.approx(1.1)


def test_what_cannot_be_compared_is_named(parts: Parts, tmp_path: Path) -> None:
    path = measured(parts, tmp_path / "a.json")
    missing = run(parts, "compare", path, tmp_path / "nowhere.json")
    assert missing.exit_code == 2
    assert "nowhere.json" in missing.stderr
    short = run(parts, "compare", path, measured(parts, tmp_path / "b.json", ticks=10))
    assert short.exit_code == 2
    assert "too few" in short.stderr
    wrong = run(parts, "compare", path, path, "--fail-if-slower", "much")
    assert wrong.exit_code == 2
    assert "not a percentage" in wrong.stderr
