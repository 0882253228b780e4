"""Actors as pictures: whose pixels are whose, and marks of where everybody is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.cast import GOES_ON, NOWHERE
from world_model.network.codec import CELL, LATENT_SCALE
from world_model.network.laying import MIDDLE, Laid, lay, mark

GRID = torch.Size((6, 9))
FRAME = (GRID[0] * CELL, GRID[1] * CELL)
HEIGHT, WIDTH = 5, 3


def in_pixels(cells: Tensor) -> Tensor:
    """See planes (..., 16, h, w) of one number a pixel as images (..., H, W)."""
    return F.pixel_shuffle(cells, CELL)[..., 0, :, :]


def laid(cast: Tensor, *places: tuple[int, ...]) -> Laid:
    """Lay a cast over one frame."""
    return lay(cast, torch.tensor([[places]]), GRID)


def test_a_pixel_is_covered_by_the_player_or_by_another() -> None:
    cast = torch.ones(1, 2, 4, HEIGHT, WIDTH)
    over = laid(cast, (4, 5, 0, 0), (6, 6, 1, 0), NOWHERE)
    player, others, _ = in_pixels(over.shapes[0, 0])
    expected = torch.zeros(2, *FRAME)
    expected[1, 6 : 6 + HEIGHT, 6 : 6 + WIDTH] = 1
    expected[0, 4 : 4 + HEIGHT, 5 : 5 + WIDTH] = 1
    expected[1] *= 1 - expected[0]
    assert torch.equal(torch.stack([player, others]), expected)
    assert torch.equal(in_pixels(over.opacity[0, 0]), expected.sum(0))


def test_of_two_in_the_same_place_one_is_laid() -> None:
    cast = torch.rand(1, 2, 4, HEIGHT, WIDTH).round()
    cast[:, :, :3] *= cast[:, :, 3:]
    player, other = (2, 3, 0, GOES_ON), (4, 6, 1, GOES_ON)
    alone, both = laid(cast, player, other), laid(cast, player, other, other)
    for one, two in zip(alone, both, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(("top", "left"), [(6, 5), (-2, 3), (21, -1), (9, 34), (40, 4), (-30, 5)])
def test_colours_are_those_of_the_drawing_as_far_as_it_is_in_the_frame(top: int, left: int) -> None:
    cast = torch.rand(1, 3, 4, HEIGHT, WIDTH)
    cast[:, :, 3] = 1
    picture = F.pixel_shuffle(laid(cast, (top, left, 2, 0)).picture[0, 0].flatten(0, 1), CELL)
    canvas = torch.zeros(3, *(side + 80 for side in FRAME))
    canvas[:, 40 + top :, 40 + left :][:, :HEIGHT, :WIDTH] = LATENT_SCALE * cast[0, 2, :3]
    assert torch.equal(picture, canvas[:, 40 : 40 + FRAME[0], 40 : 40 + FRAME[1]])


def test_the_player_has_a_box_whatever_it_looks_like_and_others_have_none() -> None:
    cast = torch.zeros(1, 1, 4, HEIGHT, WIDTH)
    there, gone = (
        laid(cast, place, (9, 9, 0, 0)).shapes[0, 0] for place in ((4, -1, 0, 0), NOWHERE)
    )
    expected = torch.zeros(3, *FRAME)
    expected[2, 4 : 4 + HEIGHT, : WIDTH - 1] = 1
    assert torch.equal(in_pixels(there), expected)
    assert not gone.any()


def test_pictures_are_laid_of_as_many_frames_as_are_asked_for() -> None:
    cast = torch.ones(1, 1, 4, HEIGHT, WIDTH)
    places = torch.tensor([[[(1, 2, 0, 0)], [(8, 9, 0, 0)]]])
    some, whole = lay(cast, places, GRID, 1), lay(cast, places, GRID)
    assert torch.equal(some.picture, whole.picture[:, :1])
    assert torch.equal(some.shapes, whole.shapes)


def test_the_player_and_the_others_are_marked_at_the_top_middle_of_their_places() -> None:
    ways = [
        [(4, 6), NOWHERE[:2]], [(0, -MIDDLE[1]), (8, 1)], [NOWHERE[:2], NOWHERE[:2]],
    ]  # fmt: skip
    places = torch.tensor([[[[*place, 1, GOES_ON] for place in frame] for frame in ways]])
    marks = mark(places, GRID)
    assert marks.shape == (1, 3, 2, CELL**2, *GRID)
    shown = [[in_pixels(plane).nonzero().tolist() for plane in frame] for frame in marks[0]]
    assert shown == [[[[4, 6 + MIDDLE[1]]], []], [[[0, 0]], [[8, 1 + MIDDLE[1]]]], [[], []]]
