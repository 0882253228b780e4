"""The scripted player of data collection: reproducible, and varied enough to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.generator import generate
from games.platformer.level import Levels
from games.platformer.policy import PlayLikePolicy

GAMES, TICKS = 48, 400


def record(seed: int, games: int, ticks: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Let the policy play; actions (ticks, games, 3) and events (ticks, games, 5)."""
    levels = Levels.stack([generate(i) for i in range(games)])
    policy = PlayLikePolicy(levels, np.random.default_rng(seed))
    state = physics.initial(levels)
    actions, events = [], []
    for _ in range(ticks):
        actions.append(policy.act(state))
        state, happened = physics.step(levels, state, actions[-1])
        events.append(happened)
    return np.stack(actions), np.stack(events)


@pytest.fixture(scope="module")
def played() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return record(0, GAMES, TICKS)


def test_the_same_seed_plays_the_same_and_another_differently() -> None:
    first, again, other = (record(seed, 4, 80)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_eighth_to_half_of_all_ticks_hold_nothing(
    played: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    assert 0.12 < (~played[0].any(-1)).mean() < 0.5


def test_every_button_and_most_combinations_are_held(
    played: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    actions = played[0]
    assert (actions.mean((0, 1)) > 0.15).all()
    combinations = actions @ np.array([1, 2, 4])
    shares = np.bincount(combinations.ravel(), minlength=8) / combinations.size
    assert (shares > 0.005).all(), shares


def test_buttons_are_held_for_a_while_yet_change_often(
    played: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    changed = (played[0][1:] != played[0][:-1]).any(-1)
    assert 0.1 < changed.mean() < 0.4
    per_game = changed.mean(0)
    assert (per_game > 0.03).all(), "nobody sleeps through an episode"


def test_play_meets_every_event(played: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> None:
    counts = dict(zip(physics.EVENTS, played[1].sum((0, 1)), strict=True))
    assert min(counts.values()) > 0, counts
    assert counts["coin"] > GAMES
    assert counts["landed"] > 5 * GAMES
