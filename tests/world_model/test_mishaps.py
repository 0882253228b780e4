"""Mishaps: what of a clip they touch, and what the network is told should come of them.

Frames are plain: a bare level of zeros, and a player of ones that a cell of its own shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from world_model import mishaps
from world_model.actions import encode_actions
from world_model.latents import LatentSet
from world_model.mishaps import FADED, GHOST, LOST, Lesson, befall

CLIPS, LENGTH, WINDOWS, SLOTS, TICKS = 64, 6, 4, 3, 20
SIDE = 4


class Always:
    """A generator whose kinds are all the same."""

    def __init__(self, kind: int, seed: int = 0) -> None:
        self._rng, self._kind = np.random.default_rng(seed), kind

    def __getattr__(self, name: str) -> object:
        return getattr(self._rng, name)

    def choice(self, _kinds: int, *, size: int, p: object) -> np.ndarray:
        return np.full(size, self._kind)


@pytest.fixture
def data() -> LatentSet:
    """One episode: at tick t the player is in row t // SIDE, column t % SIDE of a torus."""
    frames = torch.zeros(TICKS + SLOTS, 1, SIDE, SIDE)
    places = np.arange(TICKS + SLOTS) % SIDE**2
    for number, place in enumerate(places):
        frames[number, 0, place // SIDE, place % SIDE] = 1.0
    top, left = 4 * (places[: TICKS + 1] // SIDE), 4 * (places[: TICKS + 1] % SIDE)
    return LatentSet(
        frames,
        np.arange(TICKS + 1)[None, :, None] + np.arange(SLOTS),
        encode_actions(np.zeros((1, TICKS + 1, 3), np.bool_)),
        np.zeros((0, 2), np.int64),
        torch.zeros(1, 1, SIDE, SIDE),
        np.stack([top, top + 4, left, left + 4], -1)[None],
    )


@pytest.fixture
def times() -> np.ndarray:
    starts = np.random.default_rng(1).integers(1, TICKS - LENGTH, CLIPS)
    return starts[:, None] + np.arange(LENGTH)


def lesson_of(data: LatentSet, times: np.ndarray) -> Lesson:
    padded = np.pad(times, ((0, 0), (1, 0)))
    heads = times[:, -WINDOWS:] + 1
    zero = np.zeros((CLIPS, 1), np.int64)
    return Lesson(
        data.gather(data.held[zero, padded, 0], torch.device("cpu")),
        data.gather(data.held[zero, heads - 1, 1:], torch.device("cpu")),
        data.gather(data.held[zero, heads], torch.device("cpu")),
        torch.full((CLIPS, WINDOWS, SLOTS), 0.5),
    )


def happen(data: LatentSet, times: np.ndarray, kind: int) -> tuple[Lesson, Lesson, Tensor]:
    """Let one kind of mishap befall every clip; also returns which windows follow it."""
    before, after = lesson_of(data, times), lesson_of(data, times)
    episodes = np.zeros(CLIPS, np.int64)
    befall(after, data, episodes, times, Always(kind), share=1.0, whole=True)  # type: ignore[arg-type]
    planless = after.sigmas[..., 0] == 1
    replanned = (after.plan != before.plan).flatten(2).any(-1)
    return before, after, replanned if kind == LOST else planless


def player(frames: Tensor, data: LatentSet, times: np.ndarray) -> Tensor:
    """How much of the player is where it truly is, (B, F)."""
    mask = torch.from_numpy(data.player_cells(np.zeros_like(times), times))
    return (frames[:, :, 0] * mask).sum((2, 3))


@pytest.mark.parametrize("kind", [FADED, GHOST, LOST])
def test_a_mishap_lasts_to_the_clips_end_and_no_plan_gives_it_away(
    data: LatentSet, times: np.ndarray, kind: int
) -> None:
    before, after, hit = happen(data, times, kind)
    assert hit[:, -1].all(), "every clip"
    assert (hit[:, 1:] >= hit[:, :-1]).all(), "and on to its end"
    assert 0.3 < hit.float().mean() < 0.9
    if kind == LOST:
        now = after.clean[:, -WINDOWS:, None].expand_as(after.plan)
        assert torch.equal(after.plan[hit], now[hit])
        assert (after.sigmas == 0.5).all(), "or having no plan would be the sign of a loss"
    else:
        assert (after.sigmas == torch.where(hit, 1.0, 0.5)[..., None]).all()
    touched = (after.clean != before.clean).any(-1).any(-1).any(-1)
    assert not touched[:, 0].any(), "the sink is true"
    assert not touched[:, 1:-WINDOWS].any()
    if kind != GHOST:
        assert torch.equal(touched[:, -WINDOWS:], hit)


def test_a_faded_player_is_to_come_back_whole(data: LatentSet, times: np.ndarray) -> None:
    before, after, hit = happen(data, times, FADED)
    left = player(after.clean[:, -WINDOWS:], data, times[:, -WINDOWS:])[hit]
    assert ((left > 0.25) & (left < 0.95)).all()
    assert torch.equal(after.target, before.target)
    assert (after.judged == 1).all()


def test_a_ghost_is_faint_where_the_player_once_was_and_is_to_go(
    data: LatentSet, times: np.ndarray
) -> None:
    before, after, _ = happen(data, times, GHOST)
    ghosts = (after.clean - before.clean)[:, 1:].sum((2, 3, 4))
    assert ((ghosts[:, -1] > 0.05) & (ghosts[:, -1] < 0.65)).all()
    assert torch.equal(after.target, before.target)


def test_a_lost_player_is_to_start_anew_and_nobody_knows_what_follows(
    data: LatentSet, times: np.ndarray
) -> None:
    before, after, hit = happen(data, times, LOST)
    assert after.clean[:, -1].amax() <= mishaps.LEFT_OF_LOST, "hardly anybody is there"
    start = before.clean[:, :1].expand(-1, WINDOWS, -1, -1, -1)
    assert torch.equal(after.target[:, :, 0][hit], start[hit])
    assert torch.equal(after.target[:, :, 0][~hit], before.target[:, :, 0][~hit])
    assert torch.equal(after.target[:, :, 1:], before.target[:, :, 1:])
    assert (after.judged[..., 0] == 1).all()
    assert torch.equal(after.judged[..., 1:] == 0, hit[..., None].expand(-1, -1, SLOTS - 1))


def test_in_crops_no_player_is_lost(data: LatentSet, times: np.ndarray) -> None:
    lesson = lesson_of(data, times)
    episodes = np.zeros(CLIPS, np.int64)
    befall(lesson, data, episodes, times, np.random.default_rng(0), share=1.0, whole=False)
    assert (lesson.judged == 1).all()
    assert (player(lesson.clean[:, 1:], data, times) > 0.2).all()


def test_most_clips_are_left_alone(data: LatentSet, times: np.ndarray) -> None:
    before, after = lesson_of(data, times), lesson_of(data, times)
    episodes = np.zeros(CLIPS, np.int64)
    befall(after, data, episodes, times, np.random.default_rng(0), share=0.25, whole=True)
    hit = (after.clean != before.clean).flatten(1).any(-1)
    assert 0.1 < hit.float().mean() < 0.4
    assert torch.equal(after.clean[~hit], before.clean[~hit])
    untouched = replace(data, players=data.players + 10**6)
    assert not untouched.player_cells(np.zeros(1, np.int64), np.zeros(1, np.int64)).any()
    assert mishaps.GHOST_TICKS > LENGTH
