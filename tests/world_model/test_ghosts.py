"""Ghosts: where they are laid, how long they stay, and that no plan gives them away.

Frames are plain: a bare level of zeros, and a player of ones that a cell of its own shows.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from world_model import ghosts
from world_model.actions import encode_actions
from world_model.codec import Codec
from world_model.footage import Footage
from world_model.ghosts import haunt

CLIPS, LENGTH, WINDOWS, SLOTS, TICKS = 64, 6, 4, 3, 60
SIDE, CELL = 8, 4


@pytest.fixture
def data(byte_codec: Codec) -> Footage:
    """One episode: at tick t the player is in row t // SIDE, column t % SIDE."""
    frames = torch.zeros(TICKS + SLOTS, 1, SIDE, SIDE, dtype=torch.uint8)
    places = np.arange(TICKS + SLOTS)
    frames[places, 0, places // SIDE, places % SIDE] = 1
    index = np.arange(TICKS + 1)[:, None] + np.arange(SLOTS)
    drawn = (CELL * (index // SIDE), CELL * (index % SIDE), np.zeros_like(index))
    return Footage(
        byte_codec,
        frames,
        index[None],
        encode_actions(np.zeros((1, TICKS + 1, 3), np.bool_)),
        np.zeros((0, 2), np.int64),
        torch.zeros(1, 1, SIDE, SIDE, dtype=torch.uint8),
        torch.zeros(1, 1, 4, CELL, CELL),
        np.stack(drawn, -1)[None, ..., None, :],
        np.zeros((1, *index.shape), np.bool_),
    )


@pytest.fixture
def times() -> np.ndarray:
    starts = np.random.default_rng(1).integers(1, TICKS - LENGTH, CLIPS)
    return starts[:, None] + np.arange(LENGTH)


def haunted(data: Footage, times: np.ndarray, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the clips as they were, the clips with ghosts, and their windows' sigmas."""
    zero = np.zeros((CLIPS, 1), np.int64)
    clean = data.gather(data.held[zero, np.pad(times, ((0, 0), (1, 0))), 0], torch.device("cpu"))
    after, sigmas = clean.clone(), torch.full((CLIPS, WINDOWS, SLOTS), 0.5)
    rng = np.random.default_rng(0)
    haunt(after, sigmas, data, np.zeros(CLIPS, np.int64), times, rng, share=share)
    return clean, after, sigmas


def test_a_ghost_lasts_to_the_clips_end_and_no_plan_gives_it_away(
    data: Footage, times: np.ndarray
) -> None:
    before, after, sigmas = haunted(data, times, 1.0)
    hit = sigmas[..., 0] == 1
    assert hit[:, -1].all(), "every clip"
    assert (hit[:, 1:] >= hit[:, :-1]).all(), "and on to its end"
    assert 0.3 < hit.float().mean() < 0.9
    assert (sigmas == torch.where(hit, 1.0, 0.5)[..., None]).all()
    touched = (after != before).flatten(2).any(-1)
    assert not touched[:, 0].any(), "the sink is true"
    assert torch.equal(touched[:, -WINDOWS:], hit)


def test_a_ghost_is_what_is_left_of_the_player_where_it_once_was(
    data: Footage, times: np.ndarray
) -> None:
    before, after, _ = haunted(data, times, 1.0)
    layers = (after - before)[:, -1, 0]
    seen = layers.sum((1, 2))
    assert ((seen > ghosts.SEEN[0] - 0.01) & (seen < ghosts.SEEN[1] + 0.01)).all()
    assert ((layers != 0).sum((1, 2)) == 1).all()
    ago = times[:, -WINDOWS] - layers.flatten(1).argmax(1).numpy()
    assert (ago >= 0).all()
    assert (ago < ghosts.TICKS).all()
    assert len(set(ago)) > 10


def test_other_clips_are_left_alone(data: Footage, times: np.ndarray) -> None:
    before, after, sigmas = haunted(data, times, 0.25)
    hit = (after != before).flatten(1).any(-1)
    assert 0.1 < hit.float().mean() < 0.4
    assert (sigmas[~hit] == 0.5).all()
