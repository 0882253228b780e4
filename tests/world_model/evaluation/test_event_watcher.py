"""What the watcher sees in true frames is what the game says has happened."""

from __future__ import annotations

import numpy as np
import pytest

from games.platformer import physics
from games.platformer.render import HERO_LEFT_PX
from games.platformer.sprites import HERO_H, HERO_W
from world_model.evaluation.evaluate import held_out_courses
from world_model.evaluation.event_watcher import WATCHED, EventWatcher
from world_model.evaluation.metrics import EVENT_TICKS, event_agreement
from world_model.evaluation.side_by_side import TrueGame, play_like

TICKS = 4 * EVENT_TICKS


def test_events_are_seen_in_pictures_as_often_as_they_happen() -> None:
    pairs = []
    for number, course in enumerate(held_out_courses(8, seed=3)):
        game, watcher = TrueGame(course), EventWatcher(course.level, course.palette)
        game.start(5)
        player = play_like(course, number)
        seen, true = np.zeros((2, TICKS, len(WATCHED)), np.bool_)
        for tick in range(TICKS):
            action = player(game.state, tick + 1)
            _, events = physics.step(game.levels, game.state, action[None])
            happened = dict(zip(physics.EVENTS, events[0].tolist(), strict=True))
            restart = happened["death"] or happened["goal"]
            frame = game.step(action)
            x, y = game.player
            hidden = [(x - HERO_LEFT_PX, y, HERO_W, HERO_H)]
            seen[tick] = watcher.see(frame, (x, y), hidden)
            true[tick] = happened["coin"], happened["spring"], restart
        pairs.append((seen, true))
    assert (np.concatenate([true for _, true in pairs]).sum(0) > 3).all()
    agreed = dict(zip((*WATCHED, "all"), event_agreement(pairs), strict=True))
    assert agreed["spring"] > 0.9
    assert agreed["restart"] > 0.8, "those next to the start cannot be told from a step"
    assert agreed["coin"] > 0.95
    assert agreed["all"] > 0.9


def test_agreement_counts_by_window_and_kind() -> None:
    true = np.zeros((2 * EVENT_TICKS + 5, 2), np.bool_)
    true[[3, 9, EVENT_TICKS + 1], 0] = True
    late = np.roll(true, 4, 0)
    assert event_agreement([(late, true)]).tolist()[0] == 1
    assert np.isnan(event_agreement([(late, true)])[1]), "none of this kind"
    elsewhere = np.roll(true, EVENT_TICKS, 0)
    assert event_agreement([(elsewhere, true)])[0] == pytest.approx(2 * 1 / 6)
    extra = true.copy()
    extra[:7, 1] = True
    assert event_agreement([(extra, true)]).tolist() == [1, 0, pytest.approx(6 / 13)]
    assert event_agreement([(true, true), (extra, true)])[2] == pytest.approx(12 / 19)
