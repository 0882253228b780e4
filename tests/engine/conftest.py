"""What the engine's tests share: windows that no screen shows."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let pygame open windows on SDL's dummy driver, and close them."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.font.quit()
    pygame.display.quit()
