"""What the engine's tests share: windows that no screen shows, and parts of fakes."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame

from engine.commands.parts import Parts
from engine.fakes import FakeClock, FakeWorld
from games.scene import find_scenes, load_scene


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pygame open windows on SDL's dummy driver, and close them."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.font.quit()
    pygame.display.quit()


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Real scenes on a fake world, in fake time."""
    for path in find_scenes():
        world = path.read_text(encoding="utf-8").split("world: ", 1)[1].split("\n", 1)[0]
        (tmp_path / "worlds" / world).mkdir(parents=True, exist_ok=True)
    clock = FakeClock()
    return Parts(
        load_scene=partial(load_scene, worlds=tmp_path / "worlds"),
        load_world=lambda name, threads: FakeWorld(clock),
        clock=clock,
    )
