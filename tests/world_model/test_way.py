"""The ways of players through windows, whole and seen from crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from world_model.config import WorldConfig
from world_model.dit import TOKEN_CELLS
from world_model.latents import LatentSet
from world_model.painter import CELL
from world_model.way import Way, player_way


def test_a_way_leads_from_slot_to_slot_and_begins_at_the_frame_before(
    tiny: WorldConfig, numbered: Callable[[WorldConfig, NDArray[np.bool_]], LatentSet]
) -> None:
    data = numbered(tiny, np.random.default_rng(2).random((4, 14, 3)) < 0.4)
    places = np.random.default_rng(0).integers(0, 50, data.players.shape)
    restarts = np.random.default_rng(1).random(data.restarts.shape) < 0.5
    known = replace(data, players=places, restarts=restarts)
    way = player_way(known, np.array([1, 3]), np.array([4, 7]), torch.device("cpu"))
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
