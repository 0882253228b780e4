"""Inverse dynamics: true moves are explained by the buttons held, others by others."""

from __future__ import annotations

import numpy as np
import pytest

from world_model.evaluation.evaluate import held_out_courses
from world_model.evaluation.inverse_dynamics import ActionJudge
from world_model.evaluation.side_by_side import TrueGame, play_like

LEFT, RIGHT, NOTHING = (np.array(held, np.bool_) for held in ((1, 0, 0), (0, 1, 0), (0, 0, 0)))
COURSES = held_out_courses(4, seed=5)


@pytest.mark.parametrize("number", range(len(COURSES)))
def test_all_true_moves_are_explained_and_those_of_other_keys_often_not(number: int) -> None:
    course, rng = COURSES[number], np.random.default_rng(0)
    game, player = TrueGame(course), play_like(course, number)
    game.start(6)
    held, guessed = ActionJudge(course.level), ActionJudge(course.level)
    answers: list[list[bool]] = [[], []]
    for tick in range(200):
        action = player(game.state, tick)
        game.step(action)
        for judge, buttons, kept in (
            (held, action, answers[0]),
            (guessed, rng.random(3) < 0.5, answers[1]),
        ):
            answer = judge.see(game.player, buttons)
            if answer is not None:
                kept.append(answer)
    assert len(answers[0]) > 100
    assert all(answers[0])
    assert np.mean(answers[1]) < 0.7


def test_a_player_that_slides_without_a_key_is_not_explained() -> None:
    course = COURSES[0]
    game, judge = TrueGame(course), ActionJudge(course.level)
    game.start(6)
    x, y = game.player
    for _ in range(2):
        assert judge.see((x, y), NOTHING) is None, "it takes two places to know a speed"
    assert judge.see((x, y), NOTHING) is True
    assert judge.see((x + 1, y), NOTHING) is False


def test_one_that_was_not_found_cannot_be_asked() -> None:
    course = COURSES[0]
    game, judge = TrueGame(course), ActionJudge(course.level)
    game.start(6)
    for place in (game.player, game.player, None, game.player, game.player):
        assert judge.see(place, RIGHT) is None


def test_whoever_an_enemy_may_have_sent_back_is_not_asked() -> None:
    course = COURSES[1]
    game, judge = TrueGame(course), ActionJudge(course.level)
    game.start(6)
    start = game.player
    for _ in range(2):
        judge.see((start[0] + 40, start[1]), NOTHING)
    assert judge.see(start, LEFT) is None
