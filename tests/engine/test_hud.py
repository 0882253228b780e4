"""The HUD over a window that no screen shows."""

from types import SimpleNamespace

import numpy as np
import pygame
import pytest
from numpy.typing import NDArray

from engine.commands.options import HUD_MODES
from engine.fakes import FakeClock, FakeWorld
from engine.hud import REFRESH_NS, Mode, NullHud, PygameHud, detail_lines, speed_line
from engine.profiling.spans import STAGES, StageSpans
from engine.profiling.ticklog import TickLog
from engine.pygame_display import PygameDisplay
from world_model.evaluation.drift_meter import Reading

BUTTONS = ("left", "right", "jump")
NOTHING = np.zeros(3, np.bool_)
MS = 1_000_000


SOUND = Reading(1.0, 40, 40)


class FakeMeter:
    """Reads the same, and keeps what it was shown."""

    def __init__(self) -> None:
        self.restarts = 0
        self.seen: list[list[bool]] = []

    def restart(self) -> None:
        self.restarts += 1

    def see(self, frame: NDArray[np.uint8], held: NDArray[np.bool_]) -> None:
        self.seen.append(held.tolist())

    def reading(self) -> Reading:
        return SOUND


def busy_log() -> TickLog:
    log = TickLog(64)
    for tick in range(1, 65):
        log.add(work_ns=30 * MS, presented_ns=tick * 50 * MS + 30 * MS, event_ns=0)
    return log


class Setting:
    """A HUD, its window and its clock."""

    def __init__(self) -> None:
        self.window = PygameDisplay((384, 384), "test")
        self.window.surface.fill(0)
        self.clock = FakeClock(look_ns=0)
        self.log, self.meter = busy_log(), FakeMeter()
        self.spans = StageSpans(8, self.clock)
        self.hud = PygameHud(
            self.window,
            buttons=BUTTONS,
            world=FakeWorld(),
            meter=self.meter,
            log=self.log,
            spans=self.spans,
            pacer=SimpleNamespace(missed=3, period_ms=50.0),
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


def test_one_line_says_speed_spread_and_lateness() -> None:
    line = speed_line(busy_log(), 3)
    assert line == "20.0 FPS  1% low 20.0  tick 30.0 / 30.0 ms  3 missed"
    assert speed_line(TickLog(4), 0) == "..."


def test_details_name_the_way_of_a_key_the_backend_the_cache_and_the_drift() -> None:
    log = busy_log()
    assert detail_lines(log, FakeWorld(), SOUND) == [
        "fake, cache 1 of 3 frames",
        "10 s: quality 100.0%, keys 40 of 40",
    ]
    assert detail_lines(log, FakeWorld(), Reading(None, 0, 0))[-1] == "10 s: ..."
    fallen_back = FakeWorld()
    fallen_back.note = "tensorrt cannot play fake (no NVIDIA GPU here)"
    assert detail_lines(log, fallen_back, SOUND)[1] == fallen_back.note
    log.add(work_ns=30 * MS, presented_ns=9_000 * MS, event_ns=8_979 * MS)
    assert detail_lines(log, FakeWorld(), SOUND)[0] == "key to present 21.0 ms"


def test_every_press_shows_more_and_the_last_one_nothing(setting: Setting) -> None:
    assert not setting.draw().any()
    lit = []
    for mode in (Mode.LINE, Mode.GRAPH, Mode.FULL):
        setting.hud.toggle()
        assert setting.hud.mode is mode
        lit.append(int(setting.draw().any(-1).sum()))
    assert lit == sorted(set(lit)), "each shows more than the one before"
    setting.hud.toggle()
    assert not setting.draw().any()


def test_only_the_full_hud_has_the_drift_measured_and_each_change_of_mode_begins_anew(
    setting: Setting,
) -> None:
    jump = np.array([False, False, True])
    for mode in Mode:
        assert setting.hud.mode is mode
        setting.hud.see(np.zeros((4, 4, 3), np.uint8), jump)
        setting.hud.toggle()
    assert setting.meter.seen == [[False, False, True]]
    assert setting.meter.restarts == len(Mode)


def test_the_graph_grows_with_every_frame(setting: Setting) -> None:
    setting.hud.toggle()
    setting.hud.toggle()
    before = setting.draw()
    setting.log.add(work_ns=30 * MS, presented_ns=66 * 50 * MS, event_ns=0)
    assert not np.array_equal(setting.draw(), before)


def test_the_full_hud_shows_where_the_time_goes(setting: Setting) -> None:
    for _ in range(3):
        setting.hud.toggle()
    before = setting.draw()
    setting.spans.begin()
    for stage in STAGES:
        setting.clock.pass_ns(3 * MS)
        setting.spans.mark(stage)
    setting.spans.end()
    setting.clock.pass_ns(REFRESH_NS)
    after = setting.draw()
    assert after.any(-1).sum() > before.any(-1).sum()


def test_text_is_rendered_anew_only_a_few_times_a_second(setting: Setting) -> None:
    setting.hud.toggle()
    before = setting.draw()
    setting.log.add(work_ns=30 * MS, presented_ns=10**12, event_ns=0)
    assert np.array_equal(setting.draw(), before)
    setting.clock.pass_ns(REFRESH_NS)
    assert not np.array_equal(setting.draw(), before)


def test_a_held_button_lights_up_at_once(setting: Setting) -> None:
    setting.hud.toggle()
    idle = setting.draw()
    assert not np.array_equal(setting.draw(np.array([False, True, False])), idle)
    assert np.array_equal(setting.draw(), idle)


def test_modes_are_those_that_the_command_line_offers() -> None:
    assert [mode.name.lower() for mode in Mode] == list(HUD_MODES)


def test_a_pause_is_said_even_when_hidden(setting: Setting) -> None:
    assert setting.draw(paused=True).any()


def test_the_null_hud_draws_nothing() -> None:
    hud = NullHud()
    hud.toggle()
    hud.see(np.zeros((4, 4, 3), np.uint8), NOTHING)
    hud.draw(NOTHING, paused=True)
