"""The pool of self-played worlds: what is asked of them, who may go on, and what crops can know.

Latents are the number of their frame, so that every target can be traced to its moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.cast import COMINGS, NOWHERE
from world_model.config import WorldConfig
from world_model.network.dit import TOKEN_CELLS, RollingDiT
from world_model.network.rolling import FrameByFrame, RollingStep, RollOut
from world_model.training.device import Compute
from world_model.training.footage import Footage
from world_model.training.self_forcing import Group, Lesson, Moments

EPISODES, TICKS, BATCH = 4, 14, 5
COMPUTE = Compute(torch.device("cpu"), torch.float32, "test")
FOREVER = 1e9


@pytest.fixture
def tiny(tiny: WorldConfig) -> WorldConfig:
    """A frame large enough to crop: 4x5 tokens."""
    return replace(tiny, frame_height=64, frame_width=80)


@pytest.fixture
def data(
    tiny: WorldConfig, numbered: Callable[[WorldConfig, NDArray[np.bool_]], Footage]
) -> Footage:
    held = np.repeat(np.random.default_rng(0).random((EPISODES, TICKS // 2, 3)) < 0.4, 2, 1)
    return numbered(tiny, held)


def choose(rng: np.random.Generator, length: int, count: int) -> Moments:
    return rng.integers(EPISODES, size=count), rng.integers(TICKS - length + 1, size=count)


@pytest.fixture
def make(
    tiny: WorldConfig, data: Footage, stir: Callable[[nn.Module], RollingDiT]
) -> Callable[..., Group]:
    def build(gate: float = FOREVER, crop_tokens: int | None = None, **more: Any) -> Group:
        step = RollingStep(stir(RollingDiT(tiny)))
        own_keys = more.get("kind") is FrameByFrame
        footage = data.recorded_futures(own_keys=True) if own_keys else data
        return Group(footage, step, COMPUTE, choose, BATCH, crop_tokens, gate, **more)

    return build


def numbers(latents: Tensor) -> list[int]:
    return [int(x) for x in latents[..., 0, 0, 0].flatten()]


def test_a_lesson_asks_for_the_branch_of_the_action_that_was_played(
    make: Callable[..., Group], data: Footage
) -> None:
    group, rng = make(), np.random.default_rng(0)
    for _ in range(4):
        lesson = group.advance(rng)
        now = group.now - 1
        assert numbers(lesson.target) == data.held[group.episodes, now].flatten().tolist()
        assert numbers(lesson.previous) == data.held[group.episodes, now - 1, 0].tolist()
        assert group.out is not None
        action = torch.from_numpy(data.actions[group.episodes, now])
        assert torch.equal(group.out.previous_action, action)
        assert lesson.x0.requires_grad
        assert (lesson.keep == 1).all()


def test_a_world_that_tracks_goes_on_to_the_end_of_its_episode_on_its_own_output(
    make: Callable[..., Group],
) -> None:
    group, rng = make(), np.random.default_rng(0)
    lesson = group.advance(rng)
    for _ in range(TICKS):
        assert group.out is not None
        assert torch.equal(group.out.previous, lesson.x0[:, 0].detach())
        episodes, now, done = group.episodes.copy(), group.now.copy(), group.done.copy()
        np.testing.assert_array_equal(done, now > TICKS)
        lesson = group.advance(rng)
        np.testing.assert_array_equal(group.episodes[~done], episodes[~done])
        np.testing.assert_array_equal(group.now[~done], now[~done] + 1)


def test_worlds_that_have_left_the_truth_start_anew_and_teach_nothing(
    make: Callable[..., Group],
) -> None:
    group = make(gate=0.0)
    lesson = group.advance(np.random.default_rng(0))
    assert group.done.all()
    assert not lesson.keep.any()


@torch.no_grad()
def test_what_is_adopted_goes_on_as_if_it_had_played_here(
    tiny: WorldConfig, stir: Callable[[nn.Module], RollingDiT]
) -> None:
    step, grid = RollingStep(stir(RollingDiT(tiny))), (3, 3)
    count, slots = tiny.window.cache_frames + 1, tiny.window.slots
    sides = [TOKEN_CELLS * side for side in grid]
    size = tiny.latent_shape[0], *sides

    def begun(batch: int) -> RollOut:
        corners = torch.randint(0, 2, (batch, 2))
        out = RollOut(step, batch, COMPUTE.device, corners, grid)
        cast = tiny.cast
        out.start(torch.rand(batch, cast.drawings, 4, cast.height, cast.width),
                  torch.randn(batch, *size), torch.randn(batch, count, *size),
                  torch.randint(0, 9, (batch, count, cast.actors, len(NOWHERE))) % len(COMINGS),
                  torch.randn(batch, count, 6),
                  torch.randn(batch, slots - 1, *size),
                  out.noise())  # fmt: skip
        return out

    old, new = begun(3), begun(2)
    old.tick(torch.randn(3, 6), old.noise())  # their rings now stand apart
    kept = old.window[1].clone()
    old.adopt(torch.tensor([0, 2]), new)
    assert torch.equal(old.window[1], kept)
    for _ in range(4):
        action, noise = torch.randn(3, 6), old.noise()
        here = old.tick(action, noise).head[[0, 2]]
        torch.testing.assert_close(here, new.tick(action[[0, 2]], noise[[0, 2]]).head)


def test_what_comes_into_a_crop_from_outside_is_not_judged(
    make: Callable[..., Group], tiny: WorldConfig
) -> None:
    group = make(crop_tokens=3)
    group.advance(np.random.default_rng(0))
    assert group.out is not None
    group.out.corners = torch.tensor([[0, 0], [0, 1], [1, 1], [1, 2], [1, 2]])
    side = 3 * TOKEN_CELLS
    previous = torch.zeros(BATCH, 1, tiny.latent_shape[0], side, side)
    target = previous.repeat(1, tiny.window.slots, 1, 1, 1)
    target[:4, :, :, 0, 5] = 1.0  # the top row: the frame's edge for the first two worlds
    target[4, :, :, 5, 5] = 1.0
    keep, entering = group._judgeable(target, previous)
    assert keep[:, 0, 5].tolist() == [1, 1, 0, 0, 1]
    assert keep.sum() == BATCH * side**2 - 2, "all that stands still is judged"
    assert entering.tolist() == [False, False, True, True, False]


def test_with_a_stride_of_its_length_no_two_graded_windows_overlap(
    make: Callable[..., Group],
) -> None:
    group, rng = make(stride=3), np.random.default_rng(0)
    group.choose = lambda rng, _, count: (rng.integers(EPISODES, size=count), np.zeros(count, int))
    heads = []
    for _ in range(3):
        lesson = group.advance(rng)
        assert lesson.x0.requires_grad
        heads.append((group.episodes.copy(), group.now.copy() - 1))
    for (episodes, now), (later_episodes, later) in pairwise(heads):
        went_on = (later > now) & (later_episodes == episodes)
        assert went_on.any()
        assert (later[went_on] - now[went_on] >= 3).all()


def test_worlds_begin_at_any_place_of_a_stride(
    make: Callable[..., Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[int] = []
    window = Group._window

    def counted(self: Group, rng: np.random.Generator) -> Lesson:
        played[-1] += 1
        return window(self, rng)

    monkeypatch.setattr(Group, "_window", counted)
    for seed in range(12):
        played.append(0)
        make(stride=3).advance(np.random.default_rng(seed))
    assert set(played) == {3, 4, 5}


def test_what_is_not_graded_has_no_gradient_and_plays_the_same(make: Callable[..., Group]) -> None:
    lessons = []
    for graded in (True, False):
        torch.manual_seed(0)
        lessons.append(make().advance(np.random.default_rng(0), graded=graded))
    assert torch.equal(lessons[0].x0, lessons[1].x0)
    assert [lesson.x0.requires_grad for lesson in lessons] == [True, False]


@pytest.mark.parametrize("kind", [RollOut, FrameByFrame])
def test_a_moment_is_what_the_window_was_drawn_from(
    make: Callable[..., Group], data: Footage, tiny: WorldConfig, kind: type[RollOut]
) -> None:
    group, rng = make(kind=kind), np.random.default_rng(0)
    ticks = kind.ticks_a_window(tiny.window)
    group.advance(rng)
    dreamt, before = group.dreamt, group.now.copy()
    lesson = group.advance(rng)
    moment, stayed = lesson.moment, group.now == before + ticks
    assert stayed.any()
    assert torch.equal(moment.clean[stayed, 1:], dreamt[stayed])
    now = group.now - ticks
    count = dreamt.shape[1]
    for row, (episode, head) in enumerate(zip(group.episodes, now, strict=True)):
        times = [0, *range(head - count, head)]
        past = torch.from_numpy(data.actions[episode, times])
        assert torch.equal(moment.clean_actions[row], past)
        own = head + np.arange(tiny.window.slots) * (kind is FrameByFrame)
        assert torch.equal(moment.keys[row], torch.from_numpy(data.actions[episode, own]))
    assert torch.equal(group.dreamt[:, -ticks:], lesson.x0[:, :ticks].detach())


@torch.no_grad()
def test_worlds_drawn_frame_by_frame_end_before_their_episode_does(
    make: Callable[..., Group], data: Footage, tiny: WorldConfig
) -> None:
    group, rng = make(kind=FrameByFrame), np.random.default_rng(0)
    for _ in range(2 * TICKS):
        lesson = group.advance(rng)
        heads = group.now - tiny.window.slots
        assert (group.now - 1 <= TICKS).all()
        times = heads[:, None] + np.arange(tiny.window.slots)
        expected = data.held[group.episodes[:, None], times, 0].flatten().tolist()
        assert numbers(lesson.target) == expected
