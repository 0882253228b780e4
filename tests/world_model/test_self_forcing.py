"""The pool of self-played worlds: what is asked of them, who may go on, and what crops can know.

Latents are the number of their frame, so that every target can be traced to its moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.config import WorldConfig
from world_model.device import Compute
from world_model.dit import TOKEN_CELLS, RollingDiT
from world_model.footage import Footage
from world_model.rolling import RollingStep, RollOut
from world_model.self_forcing import Group, Moments

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
    def build(gate: float = FOREVER, crop_tokens: int | None = None) -> Group:
        step = RollingStep(stir(RollingDiT(tiny)))
        return Group(data, step, COMPUTE, choose, BATCH, crop_tokens, gate)

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
        assert torch.equal(group.out.window[:, 3], lesson.x0[:, 0].detach())
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
                  torch.randint(0, 9, (batch, count, cast.actors, 3)) % cast.drawings,
                  torch.randn(batch, count, 6),
                  torch.randn(batch, slots - 1, *size),
                  out.noise(count))  # fmt: skip
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
