"""How frames become tokens: what their conditions and cells tell apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from world_model.cast import COMINGS, GOES_ON
from world_model.config import WorldConfig
from world_model.network.embedding import Embedder
from world_model.network.laying import Laid


@pytest.fixture
def embedder(tiny: WorldConfig, stir: Callable[[nn.Module], Embedder]) -> Embedder:
    return stir(Embedder(tiny))


@torch.no_grad()
def test_how_the_player_comes_to_its_place_conditions_a_frame(embedder: Embedder) -> None:
    ways = torch.tensor(COMINGS)
    actions = torch.zeros(len(ways), embedder.action.in_features)
    conditions = embedder.condition(torch.zeros(len(ways)), actions, ways)
    apart = torch.cdist(conditions, conditions)
    assert (apart > 1e-3).sum() == len(ways) * (len(ways) - 1)


@torch.no_grad()
def test_the_player_and_other_actors_are_marked_apart(
    embedder: Embedder, tiny: WorldConfig
) -> None:
    frames, behind = torch.randn(1, 1, *tiny.seen_shape), torch.zeros(1, 1, 1, 1)
    places = [[(4, 6), (9, 20), (17, 3)], [(5, 6), (9, 19), (17, 2)]]
    trails = torch.tensor([[[[[*place, 0, GOES_ON] for place in frame] for frame in places]]])
    seen, swapped, others = (
        embedder.past(frames, frames, trails[:, :, :, order], behind)
        for order in ([0, 1, 2], [1, 0, 2], [0, 2, 1])
    )
    assert (swapped - seen).abs().amax() > 1e-3
    torch.testing.assert_close(others, seen, msg="other actors are alike")
    turned = embedder.past(frames, frames, trails.flip(2), behind)
    assert (turned - seen).abs().amax() > 1e-3, "where they were earlier is another thing"


@torch.no_grad()
def test_what_the_player_covers_what_others_do_and_its_box_are_seen_apart(
    embedder: Embedder, tiny: WorldConfig
) -> None:
    seen = []
    for plane in range(3):
        shapes = torch.zeros(1, 1, 3, 16, *tiny.latent_shape[1:])
        shapes[:, :, plane, 0] = 1
        seen.append(embedder.going(Laid(torch.zeros(0), shapes)))
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert (seen[one] - seen[two]).abs().amax() > 1e-3


def test_the_tokens_of_a_crop_know_their_place_in_the_frame(embedder: Embedder) -> None:
    height, width = embedder.grid
    whole = embedder.place.reshape(height, width, -1)
    corners = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 2]])
    places = embedder.places(corners, (1, 1))
    for (row, col), place in zip(corners.tolist(), places, strict=True):
        assert torch.equal(place.flatten(), whole[row, col])
    wide = embedder.places(torch.tensor([[0, 1]]), (2, 2))
    assert torch.equal(wide[0, 0], whole[:, 1:].flatten(0, 1))
