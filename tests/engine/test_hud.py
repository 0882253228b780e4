"""The HUD over a window that no screen shows."""

from types import SimpleNamespace

import numpy as np
import pygame
import pytest
from numpy.typing import NDArray

from engine.fakes import FakeClock
from engine.hud import REFRESH_NS, NullHud, PygameHud, hud_lines
from engine.profiling.ticklog import TickLog
from engine.pygame_display import PygameDisplay

BUTTONS = ("left", "right", "jump")
NOTHING = np.zeros(3, np.bool_)
MS = 1_000_000


def busy_log() -> TickLog:
    log = TickLog(64)
    for tick in range(1, 65):
        log.add(began_ns=tick * 50 * MS, presented_ns=tick * 50 * MS + 30 * MS, event_ns=0)
    return log


class Setting:
    """A HUD, its window and its clock."""

    def __init__(self) -> None:
        self.window = PygameDisplay((384, 384), "test")
        self.window.surface.fill(0)
        self.clock = FakeClock(look_ns=0)
        self.log = busy_log()
        self.hud = PygameHud(
            self.window,
            buttons=BUTTONS,
            backend="fake",
            log=self.log,
            pacer=SimpleNamespace(missed=3),
            clock=self.clock,
        )

    def draw(
        self, action: NDArray[np.bool_] = NOTHING, *, paused: bool = False
    ) -> NDArray[np.uint8]:
        self.window.surface.fill(0)
        self.hud.draw(action, paused=paused)
        return pygame.surfarray.array3d(self.window.surface)


@pytest.fixture
def setting(no_screen: None) -> Setting:
    return Setting()


def test_says_speed_spread_and_lateness() -> None:
    assert hud_lines(busy_log(), 3, "onnxruntime") == [
        "20.0 FPS   onnxruntime",
        "tick p50 30.0 ms   p99 30.0 ms",
        "3 missed deadlines",
    ]


def test_before_the_second_frame_it_names_only_the_backend() -> None:
    assert hud_lines(TickLog(4), 0, "onnxruntime") == ["onnxruntime"]


def test_is_hidden_until_toggled(setting: Setting) -> None:
    assert not setting.draw().any()
    setting.hud.toggle()
    assert setting.draw().any()
    setting.hud.toggle()
    assert not setting.draw().any()


def test_text_is_rendered_anew_only_a_few_times_a_second(setting: Setting) -> None:
    setting.hud.toggle()
    before = setting.draw()
    setting.log.add(began_ns=0, presented_ns=10**12, event_ns=0)
    assert np.array_equal(setting.draw(), before)
    setting.clock.pass_ns(REFRESH_NS)
    assert not np.array_equal(setting.draw(), before)


def test_a_held_button_lights_up_at_once(setting: Setting) -> None:
    setting.hud.toggle()
    idle = setting.draw()
    assert not np.array_equal(setting.draw(np.array([False, True, False])), idle)
    assert np.array_equal(setting.draw(), idle)


def test_a_pause_is_said_even_when_hidden(setting: Setting) -> None:
    assert setting.draw(paused=True).any()


def test_the_null_hud_draws_nothing() -> None:
    hud = NullHud()
    hud.toggle()
    hud.draw(NOTHING, paused=True)
