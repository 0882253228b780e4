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
from world_model.latents import LatentSet
from world_model.painter import CELL
from world_model.rolling import RollingStep, RollOut
from world_model.self_forcing import (
    EDGE,
    Group,
    Moments,
    Way,
    crop,
    moving_corners,
    open_edges,
    player_way,
)

EPISODES, TICKS, BATCH = 4, 14, 5
COMPUTE = Compute(torch.device("cpu"), torch.float32, "test")
FOREVER = 1e9


@pytest.fixture
def tiny(tiny: WorldConfig) -> WorldConfig:
    """A frame large enough to crop: 4x5 tokens."""
    return replace(tiny, frame_height=64, frame_width=80)


@pytest.fixture
def data(
    tiny: WorldConfig, numbered: Callable[[WorldConfig, NDArray[np.bool_]], LatentSet]
) -> LatentSet:
    held = np.repeat(np.random.default_rng(0).random((EPISODES, TICKS // 2, 3)) < 0.4, 2, 1)
    return numbered(tiny, held)


def choose(rng: np.random.Generator, length: int, count: int) -> Moments:
    return rng.integers(EPISODES, size=count), rng.integers(TICKS - length + 1, size=count)


@pytest.fixture
def make(
    tiny: WorldConfig, data: LatentSet, stir: Callable[[nn.Module], RollingDiT]
) -> Callable[..., Group]:
    def build(gate: float = FOREVER, crop_tokens: int | None = None) -> Group:
        step = RollingStep(stir(RollingDiT(tiny)))
        return Group(data, step, COMPUTE, choose, BATCH, crop_tokens, gate)

    return build


def numbers(latents: Tensor) -> list[int]:
    return [int(x) for x in latents[..., 0, 0, 0].flatten()]


def test_a_lesson_asks_for_the_branch_of_the_action_that_was_played(
    make: Callable[..., Group], data: LatentSet
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
        assert (lesson.way.seen == 1).all()


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
    assert not lesson.way.seen.any()


@torch.no_grad()
def test_what_is_adopted_goes_on_as_if_it_had_played_here(
    tiny: WorldConfig, stir: Callable[[nn.Module], RollingDiT]
) -> None:
    step, grid = RollingStep(stir(RollingDiT(tiny))), (3, 3)
    count, slots = tiny.window.cache_frames + 1, tiny.window.slots
    size = (tiny.codec.channels, *(TOKEN_CELLS * side for side in grid))

    def begun(batch: int) -> RollOut:
        corners = torch.randint(0, 2, (batch, 2))
        out = RollOut(step, batch, COMPUTE.device, corners, grid)
        cast = tiny.cast
        out.start(torch.rand(batch, cast.drawings, 4, cast.height, cast.width),
                  torch.randn(batch, *size), torch.randn(batch, count, *size),
                  torch.randint(0, 9, (batch, count, 3)),
                  torch.randn(batch, count, 6),
                  torch.randn(batch, slots - 1, *size),
                  torch.randn(count, batch, 1 + slots, *size))  # fmt: skip
        return out

    old, new = begun(3), begun(2)
    old.tick(torch.randn(3, 6), torch.randn(3, 1 + slots, *size))  # their rings now stand apart
    kept = old.window[1].clone()
    old.adopt(torch.tensor([0, 2]), new)
    assert torch.equal(old.window[1], kept)
    for _ in range(4):
        action, noise = torch.randn(3, 6), torch.randn(3, 1 + slots, *size)
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
    previous = torch.zeros(BATCH, 1, tiny.codec.channels, side, side)
    target = previous.repeat(1, tiny.window.slots, 1, 1, 1)
    target[:4, :, :, 0, 5] = 1.0  # the top row: the frame's edge for the first two worlds
    target[4, :, :, 5, 5] = 1.0
    keep, entering = group._judgeable(target, previous)
    assert keep[:, 0, 5].tolist() == [1, 1, 0, 0, 1]
    assert keep.sum() == BATCH * side**2 - 2, "all that stands still is judged"
    assert entering.tolist() == [False, False, True, True, False]


def test_crops_contain_something_that_moves_and_stay_in_the_frame() -> None:
    torch.manual_seed(0)
    rows, columns, size = 6, 8, 3
    before, after = torch.zeros(2, 200, 2, 4, rows * TOKEN_CELLS, columns * TOKEN_CELLS).unbind(0)
    row, col = torch.randint(rows, (200,)), torch.randint(columns, (200,))
    after[torch.arange(200), 0, :, row * TOKEN_CELLS, col * TOKEN_CELLS] = 1.0
    top, left = moving_corners(before, after, size).unbind(1)
    inside = (top <= row) & (row < top + size) & (left <= col) & (col < left + size)
    assert inside.float().mean() > 0.95
    assert ((top >= 0) & (top <= rows - size) & (left >= 0) & (left <= columns - size)).all()
    assert len({*zip(top.tolist(), left.tolist(), strict=True)}) > 10


def test_every_game_is_cropped_at_its_own_corner() -> None:
    side = 4 * TOKEN_CELLS
    cells = torch.arange(side**2).reshape(side, side).expand(2, 3, side, side)
    cut = crop(cells, torch.tensor([[0, 1], [2, 3]]), 1)
    for games, (row, column) in zip(cut, ((0, 1), (2, 3)), strict=True):
        first = row * TOKEN_CELLS * side + column * TOKEN_CELLS
        assert games[2, 0].tolist() == list(range(first, first + TOKEN_CELLS))
        assert games.shape == (3, TOKEN_CELLS, TOKEN_CELLS)


def test_a_way_leads_from_slot_to_slot_and_begins_at_the_frame_before(data: LatentSet) -> None:
    places = np.random.default_rng(0).integers(0, 50, data.players.shape)
    restarts = np.random.default_rng(1).random(data.restarts.shape) < 0.5
    known = replace(data, players=places, restarts=restarts)
    way = player_way(known, np.array([1, 3]), np.array([4, 7]), COMPUTE.device)
    for row, (episode, head) in enumerate(((1, 4), (3, 7))):
        assert way.places[row].tolist() == places[episode, head].tolist()
        before = [places[episode, head - 1, 0], *places[episode, head, :-1]]
        assert way.before[row].tolist() == np.stack(before).tolist()
        assert way.restarts[row].tolist() == restarts[episode, head].tolist()
    assert (way.seen == 1).all()


def test_a_crop_can_follow_whom_it_has_seen() -> None:
    corners, size = torch.tensor([[1, 2]]), 2
    px = TOKEN_CELLS * CELL
    inside, outside = [px + 5, 2 * px + 9, 1], [0, 0, 2]
    places = torch.tensor([[inside, outside, inside]])
    before = torch.tensor([[inside, inside, outside]])
    way = Way(places, before, torch.zeros(1, 3), torch.ones(1, 3)).cropped(corners, size)
    assert way.places[0, :2].tolist() == [[5, 9, 1], [-px, -2 * px, 2]]
    assert way.seen.tolist() == [[1, 1, 0]]


def test_edges_of_a_crop_are_open_but_where_the_frame_ends() -> None:
    corners = torch.tensor([[0, 0], [1, 2], [0, 1]])
    edges = open_edges(corners, 3, (4, 5))
    side = 3 * TOKEN_CELLS
    assert edges.shape == (3, side, side)
    # top, bottom, left, right
    told = [(e[0, 6], e[-1, 6], e[6, 0], e[6, -1]) for e in edges]
    assert [[bool(x) for x in row] for row in told] == [
        [False, True, False, True],
        [True, False, True, False],
        [False, True, True, True],
    ]
    assert edges[1, EDGE - 1, 6]
    assert not edges[1, EDGE, 6]
