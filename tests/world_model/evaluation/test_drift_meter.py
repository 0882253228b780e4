"""The live drift meter, on the true game and on games gone wrong."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from world_model.data import places_of
from world_model.evaluation.drift_meter import STRETCH_TICKS, STRETCHES, DriftMeter, Reading
from world_model.evaluation.evaluate import held_out_courses
from world_model.evaluation.metrics import QUALITY_SCALE
from world_model.evaluation.side_by_side import TrueGame, play_like

WINDOW = STRETCH_TICKS * STRETCHES


class Watched:
    """A game that a meter watches, played by the scripted player."""

    def __init__(self) -> None:
        course = held_out_courses(1, 0)[0]
        self.game, self.play = TrueGame(course), play_like(course, 0)
        _, scenery, *_ = self.game.start(8)
        self.world = SimpleNamespace(places=np.zeros((1, 4), np.int64))
        self.meter = DriftMeter(self.world, course.level, scenery)

    def run(self, ticks: int, *, shift: int = 0, deaf: bool = False) -> Reading:
        """Play on, every pixel brighter by `shift`; or, if `deaf`, under other keys than those that
        the meter is told of."""
        for tick in range(ticks):
            held = self.play(self.game.state, tick)
            frame = self.game.step(held)
            self.world.places = places_of(self.game.levels, self.game.state)[0]
            self.meter.see(brighter(frame, shift), ~held if deaf else held)
        return self.meter.reading()


def brighter(frame: NDArray[np.uint8], shift: int) -> NDArray[np.uint8]:
    return np.minimum(frame.astype(np.int64) + shift, 255).astype(np.uint8)


def test_at_first_nothing_is_known() -> None:
    watched = Watched()
    assert watched.meter.reading() == (None, 0, 0)
    assert watched.run(3).quality is None


def test_the_true_game_is_sound() -> None:
    reading = Watched().run(WINDOW)
    assert reading.quality == 1
    assert reading.explained == reading.asked > 20


def test_pictures_that_fade_are_seen_and_forgotten_after_ten_seconds() -> None:
    watched = Watched()
    fading = watched.run(WINDOW // 2, shift=20).quality
    faded = watched.run(WINDOW // 2, shift=20).quality
    assert faded == pytest.approx(np.exp(-20 / QUALITY_SCALE), abs=0.02)
    assert fading == pytest.approx(faded, abs=0.02), "all that was seen so far"
    watched.run(WINDOW // 2)
    assert watched.meter.reading().quality == pytest.approx((1 + faded) / 2, abs=0.02)
    assert watched.run(WINDOW // 2).quality == 1


def test_keys_that_go_unheard_explain_few_moves() -> None:
    reading = Watched().run(WINDOW, deaf=True)
    assert reading.asked > 20
    assert reading.explained < reading.asked / 2


def test_a_restart_forgets_and_asks_nothing_across_it() -> None:
    watched = Watched()
    watched.run(WINDOW)
    watched.meter.restart()
    assert watched.meter.reading() == (None, 0, 0)
    watched.game.start(8)
    reading = watched.run(WINDOW)
    assert reading.explained == reading.asked > 20
