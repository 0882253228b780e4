"""The measures mean what they say: worlds that are perfect, or bad in one known way, tell."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from world_model.data import HELD_OUT_SEED
from world_model.errors import WorldError
from world_model.evaluation.evaluate import Evaluation, Plan, evaluate, held_out_courses
from world_model.evaluation.fakes import (
    BlurringWorld,
    FadingWorld,
    LateWorld,
    PerfectWorld,
    WearingWorld,
)
from world_model.evaluation.metrics import EVENT_TICKS, LOST_PX, MEANINGS, MOST_PSNR_DB, PARTED_PX
from world_model.evaluation.side_by_side import Trace, is_judged

ROOT = Path(__file__).resolve().parents[3]
COURSES = held_out_courses(3, seed=1)
KEYS = ("world", "seed", "levels", "ticks", *MEANINGS)


def measured(world: PerfectWorld, **plan: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"courses": COURSES, "long_levels": 1, "probes": 3, "seed": 1}
    return evaluate(world, Plan(**{**options, **plan})).document()


@pytest.fixture(scope="module")
def perfect() -> dict[str, Any]:
    return measured(PerfectWorld(COURSES), ticks=420, probes=24)


def test_a_perfect_world_scores_perfectly(perfect: dict[str, Any]) -> None:
    assert perfect["psnr_db"] == {"1": MOST_PSNR_DB, "16": MOST_PSNR_DB, "64": MOST_PSNR_DB}
    assert perfect["position_error_px"] == {"16": 0, "64": 0, "200": 0}
    assert perfect["presence"] == 1
    assert perfect["action_lag_ticks"] == {"p50": 0, "p95": 0, "probes": 24, "lost": 0}
    assert perfect["static_tiles"]["64"] == 1
    assert perfect["drift"] == 0
    assert perfect["action_accuracy"] == {"all": 1, "last": 1}
    assert list(perfect["frechet"]) == ["first", "last", "worst"]
    assert list(perfect["frechet"].values()) == pytest.approx([0] * 3, abs=1e-3)
    windows = perfect["ticks"] // perfect["windows"]["ticks"]
    assert perfect["windows"]["frechet"] == pytest.approx([0] * windows, abs=1e-3)
    assert perfect["windows"]["drift"] == [None] + [0] * (windows - 1)
    assert set(perfect["windows"]["action_accuracy"]) <= {1.0, None}
    assert perfect["events"]["all"] == 1
    assert perfect["events"]["counted"]["ticks"] == 420 + 2 * 200


def test_the_document_has_the_fixed_keys_and_null_for_what_was_not_reached(
    perfect: dict[str, Any],
) -> None:
    assert set(KEYS) <= set(perfect)
    assert (perfect["world"], perfect["seed"]) == ("perfect", 1)
    assert (perfect["levels"], perfect["ticks"]) == (3, 420)
    assert perfect["static_tiles"] == {"64": 1, "600": None, "6000": None}
    assert json.loads(json.dumps(perfect, allow_nan=False)) == perfect


def test_a_run_of_a_few_ticks_leaves_the_rest_null() -> None:
    brief = measured(PerfectWorld(COURSES), ticks=20)
    assert brief["psnr_db"] == {"1": MOST_PSNR_DB, "16": MOST_PSNR_DB, "64": None}
    assert brief["position_error_px"] == {"16": 0, "64": None, "200": None}
    assert brief["static_tiles"] == {"64": None, "600": None, "6000": None}
    assert brief["drift"] is None


@pytest.mark.parametrize("lag_ticks", [1, 3])
def test_a_world_that_answers_late_has_that_lag(lag_ticks: int) -> None:
    late = measured(LateWorld(COURSES, lag_ticks=lag_ticks), ticks=20, probes=24)
    assert late["action_lag_ticks"]["p50"] == lag_ticks
    assert late["action_lag_ticks"]["p95"] == lag_ticks
    assert late["action_lag_ticks"]["probes"] >= 16
    assert late["position_error_px"]["16"] > 1
    assert late["action_accuracy"]["all"] < 0.97


def test_a_hero_that_fades_out_is_missed_from_then_on() -> None:
    faded = measured(FadingWorld(COURSES, first=90, last=110), ticks=200)
    assert 0.4 < faded["presence"] < 0.6
    assert faded["position_error_px"] == {"16": 0, "64": 0, "200": LOST_PX}
    assert faded["static_tiles"]["64"] == 1


def test_tiles_that_wear_away_are_counted() -> None:
    worn = measured(WearingWorld(COURSES, first=30, share=0.25), ticks=64)
    assert worn["static_tiles"]["64"] == pytest.approx(0.75, abs=0.05)
    assert worn["position_error_px"]["64"] == 0


def test_a_world_that_slowly_blurs_drifts_and_the_sooner_the_more() -> None:
    slow, fast = (
        measured(BlurringWorld(COURSES, ticks=ticks), ticks=600, courses=COURSES[:1])
        for ticks in (2000, 600)
    )
    assert 0.01 < slow["drift"] < fast["drift"] < 0.6
    none, later, last = fast["windows"]["drift"]
    assert none is None, "nothing to compare with"
    assert 0 < later < last == fast["drift"]


def test_a_blurred_dream_is_strange_without_being_compared_frame_by_frame() -> None:
    blurred = measured(BlurringWorld(COURSES, ticks=420), ticks=420, courses=COURSES[:1])
    assert blurred["frechet"]["last"] > 2 * blurred["frechet"]["first"] > 0


def test_a_given_script_is_what_world_and_game_play() -> None:
    runs: list[np.ndarray[Any, Any]] = []

    class Listening(PerfectWorld):
        def step(self, action: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            runs.append(action.copy())
            return super().step(action)

    script = np.random.default_rng(0).random((30, 3)) < 0.5
    document = measured(Listening(COURSES), actions=script, ticks=6000, probes=0)
    assert document["ticks"] == 30
    assert np.array_equal(runs, np.concatenate([script] * len(COURSES)))
    assert document["action_lag_ticks"] == {"p50": None, "p95": None, "probes": 0, "lost": 0}


def test_same_seed_same_document_other_seed_other_levels() -> None:
    once, again = (measured(LateWorld(COURSES, lag_ticks=1), ticks=40) for _ in range(2))
    assert once == again
    names = [{course.name for course in held_out_courses(20, seed)} for seed in (0, 1)]
    assert not names[0] & names[1]
    assert all(int(name) >= HELD_OUT_SEED for name in names[0] | names[1])


def test_progress_hears_of_every_tick_of_the_world() -> None:
    class Heard:
        total = done = 0

        def begin(self, ticks: int) -> None:
            self.total = ticks

        def advance(self) -> None:
            self.done += 1

    heard = Heard()
    evaluate(PerfectWorld(COURSES), Plan(courses=COURSES, ticks=20, probes=3), heard)
    assert heard.total == heard.done > 3 * 20


def test_static_tiles_are_the_mean_over_the_second_before() -> None:
    trace = Trace.blank(COURSES[0], 6000)
    trace.right_share[580:600] = np.linspace(0, 1, 20)
    trace.right_share[5980:] = 0.25
    trace.right_share[44:64] = 1
    world = PerfectWorld(COURSES)
    document = Evaluation(world, Plan(courses=COURSES[:1]), [trace]).document()
    assert document["static_tiles"] == {"64": 1, "600": 0.5, "6000": 0.25}
    assert all(is_judged(tick) for at in (64, 600, 6000) for tick in range(at - 19, at + 1))


def test_a_world_of_another_game_is_refused() -> None:
    other = PerfectWorld(COURSES)
    other.buttons = ("up", "down", "fire")
    with pytest.raises(WorldError, match="only worlds of the platformer"):
        evaluate(other, Plan(courses=COURSES, ticks=1))
    small = PerfectWorld(COURSES)
    small.frame_shape = (64, 64, 3)
    with pytest.raises(WorldError, match="128x128"):
        evaluate(small, Plan(courses=COURSES, ticks=1))


def test_evaluating_loads_neither_torch_nor_what_draws() -> None:
    code = """
import sys
import world_model.evaluation.evaluate, world_model.evaluation.report
from world_model.evaluation.fakes import PerfectWorld
courses = world_model.evaluation.evaluate.held_out_courses(1, 0)
plan = world_model.evaluation.evaluate.Plan(courses=courses, ticks=2, probes=1)
document = world_model.evaluation.evaluate.evaluate(PerfectWorld(courses), plan).document()
world_model.evaluation.report.model_card(document)
print(sorted({"torch", "matplotlib", "PIL", "tqdm"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_events_count_while_dream_and_game_are_together() -> None:
    trace = Trace.blank(COURSES[0], 3 * EVENT_TICKS)
    trace.error_px[:] = 0
    assert len(trace.events[0]) == len(trace.events[1]) == 3 * EVENT_TICKS
    trace.error_px[EVENT_TICKS + 5 : EVENT_TICKS + 9] = PARTED_PX + 1  # and back again
    assert len(trace.events[0]) == 3 * EVENT_TICKS
    trace.error_px[2 * EVENT_TICKS :] = PARTED_PX + 1
    assert len(trace.events[0]) == 2 * EVENT_TICKS
