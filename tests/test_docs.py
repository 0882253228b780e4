"""The documentation: what it shows works, what it names exists."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import click
import pytest

from engine.cli import cli
from engine.commands.profile import SCENE, profile
from games.scene import load_scene

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
ROOMS = "engine|games|world_model|export|docs|tests"
IN_TEXT = re.compile(rf"`((?:{ROOMS})/[\w./]+\.(?:py|yaml|md))`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:[\w-]+ )*?rollplay ([^|\n]*)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    found = FENCED.findall(page.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def commands() -> list[str]:
    text = "\n".join(block for page in PAGES for block in blocks(page, ""))
    return sorted(set(COMMAND.findall(text)))


@pytest.fixture
def worlds(tmp_path: Path) -> Path:
    (tmp_path / "worlds" / "platformer").mkdir(parents=True)
    return tmp_path / "worlds"


def test_the_complete_scene_is_complete_and_short(worlds: Path, tmp_path: Path) -> None:
    text = blocks(DOCS / "scenes.md", "yaml")[0]
    path = tmp_path / "first_steps.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_scene(path, worlds=worlds).title == "First steps"
    assert len(text.splitlines()) < 20


@pytest.mark.parametrize("part", blocks(DOCS / "scenes.md", "yaml")[1:])
def test_every_other_example_fits_into_a_scene(worlds: Path, tmp_path: Path, part: str) -> None:
    scene = blocks(DOCS / "scenes.md", "yaml")[0]
    if part.startswith("palette:"):
        scene = re.sub("^theme: .*\n", "", scene, flags=re.MULTILINE)
    path = tmp_path / "scene.yaml"
    path.write_text(part + scene, encoding="utf-8")
    load_scene(path, worlds=worlds)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    gone = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_ours_that_is_named_exists(page: Path) -> None:
    named = set(IN_TEXT.findall(page.read_text(encoding="utf-8"))) - {"games/yours.yaml"}
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_is_one(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command: click.Command = cli
    words = shlex.split(line, comments=True)
    monkeypatch.chdir(tmp_path)
    for option, place in pairwise(words):
        if option == "--from":  # what a command shown before has left there
            Path(place).mkdir(parents=True)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] not in command.commands and command is profile:
            words.insert(0, SCENE)  # the subcommand that need not be named
        name, *words = words
        command = command.commands[name]
    if words and not {"--help", "--version"} & set(words):
        command.make_context("rollplay", words)


@pytest.mark.parametrize("name", ["cpu", "gpu", "mini"])
def test_the_table_of_presets_is_right(name: str) -> None:
    pytest.importorskip("torch")
    from world_model.training.presets import PRESETS

    preset = PRESETS[name]
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert f" {preset.episodes} levels, {preset.ticks} ticks each " in row
    assert f"| {preset.world.plan.steps} steps | {preset.finder.plan.steps} steps |" in row
