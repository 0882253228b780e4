"""The ways of actors through windows, whole and seen from crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from world_model.cast import NOWHERE
from world_model.config import WorldConfig
from world_model.finding import GLIMPSE
from world_model.footage import Footage
from world_model.way import TOKEN_PX, Way, actors_way

GRID, SIZE = (5, 7), 3
SIDE = SIZE * TOKEN_PX
INNER = torch.tensor([[1, 2]])
"""A corner of a crop all of whose edges are open."""


def test_a_way_leads_from_slot_to_slot_and_begins_at_the_frame_before(
    tiny: WorldConfig, numbered: Callable[[WorldConfig, NDArray[np.bool_]], Footage]
) -> None:
    data = numbered(tiny, np.random.default_rng(2).random((4, 14, 3)) < 0.4)
    places = np.random.default_rng(0).integers(0, 50, data.places.shape)
    places[1, :, :, 2] = NOWHERE
    restarts = np.random.default_rng(1).random(data.restarts.shape) < 0.5
    known = replace(data, places=places, restarts=restarts)
    way = actors_way(known, np.array([1, 3]), np.array([4, 7]), torch.device("cpu"))
    for row, (episode, head) in enumerate(((1, 4), (3, 7))):
        assert way.places[row].tolist() == places[episode, head].tolist()
        before = [places[episode, head - 1, 0], *places[episode, head, :-1]]
        assert way.before[row].tolist() == np.stack(before).tolist()
        assert way.restarts[row, :, 0].tolist() == restarts[episode, head].tolist()
    assert not way.restarts[..., 1:].any(), "only the player restarts"
    assert way.seen[:, 0].tolist() == [[1, 1, 0], [1, 1, 1]], "nobody follows who is nowhere"
    assert (way.seen == way.seen[:, :1]).all()


def seen_at(place: tuple[int, int], corners: torch.Tensor) -> bool:
    """Tell whether a crop can follow an actor that is at this pixel of it."""
    shift = torch.cat([corners[0] * TOKEN_PX, torch.zeros(1, dtype=torch.long)])
    before = (torch.tensor([*place, 1]) + shift)[None, None, None]
    whole = Way(before + 1, before, torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    way = whole.cropped(corners, SIZE, GRID)
    assert way.before.tolist() == [[[[*place, 1]]]]
    assert way.places.tolist() == [[[[place[0] + 1, place[1] + 1, 2]]]]
    return bool(way.seen.item())


@pytest.mark.parametrize("axis", [0, 1])
def test_at_an_open_edge_an_actor_is_seen_where_its_whole_glimpse_is(axis: int) -> None:
    first, last = GLIMPSE[axis]

    def at(pixel: int) -> bool:
        place = (SIDE // 2 - 8, SIDE // 2 - 8)
        return seen_at((pixel, place[1]) if axis == 0 else (place[0], pixel), INNER)

    assert at(-first)
    assert not at(-first - 1)
    assert at(SIDE - last)
    assert not at(SIDE - last + 1)


@pytest.mark.parametrize(
    ("corner", "place", "seen"),
    [
        ((0, 2), (0, 16), True),  # at the frame's top
        ((1, 0), (16, -2), True),  # at its left
        ((2, 2), (SIDE - 7, 16), True),  # at its bottom, the middle just inside
        ((1, 4), (16, SIDE - 8), True),  # at its right
        ((0, 2), (0, 0), False),  # but at an open edge beside it
        ((2, 2), (SIDE, 16), False),  # below the frame
        ((0, 2), (-7, 16), False),  # above it
    ],
)
def test_at_the_frames_own_edge_an_actor_is_seen_where_its_middle_is(
    corner: tuple[int, int], place: tuple[int, int], seen: bool
) -> None:
    assert seen_at(place, torch.tensor([corner])) == seen


def test_who_is_not_to_be_followed_at_all_is_not_seen_from_a_crop_either() -> None:
    inside = torch.tensor([[[16 + TOKEN_PX, 16 + 2 * TOKEN_PX, 1]]])
    way = Way(inside, inside, torch.zeros(1, 1), torch.zeros(1, 1))
    assert not way.cropped(INNER, SIZE, GRID).seen.any()
    nowhere = torch.tensor([[NOWHERE]])
    way = Way(nowhere, nowhere, torch.zeros(1, 1), torch.ones(1, 1))
    assert not way.cropped(torch.tensor([[0, 0]]), 5, (5, 5)).seen.any()


def test_ways_are_cropped_each_at_its_own_corner() -> None:
    places = torch.full((2, 4, 3, 2, 3), 20)  # games, windows, slots, actors
    way = Way(places, places, torch.zeros(places.shape[:-1]), torch.ones(places.shape[:-1]))
    cropped = way.cropped(torch.tensor([[0, 0], [1, 1]]), SIZE, GRID)
    assert cropped.seen[0].all()
    assert not cropped.seen[1].any()
    assert cropped.places[1, 3, 2, 1].tolist() == [20 - TOKEN_PX, 20 - TOKEN_PX, 20]
