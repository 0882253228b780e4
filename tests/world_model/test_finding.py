"""Finding the player: one pixel of all, the drawing of its cell, and what errors cost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from world_model.finding import ANCHOR, errors, find, mark
from world_model.painter import CELL, PIXELS

HEIGHT, WIDTH, DRAWINGS = 3, 5, 4
SURE = 50.0


def pointing(places: list[tuple[int, int, int]]) -> Tensor:
    """Say (1, T, 16 + D, h, w) that the anchor is at pixel (row, column), and which drawing it is;
    the other cells think of another."""
    found = torch.zeros(1, len(places), PIXELS + DRAWINGS, HEIGHT, WIDTH)
    for slot, (row, column, drawing) in enumerate(places):
        cell = row // CELL, column // CELL
        found[0, slot, row % CELL * CELL + column % CELL, *cell] = SURE
        found[0, slot, PIXELS + (drawing + 1) % DRAWINGS] = SURE
        found[0, slot, PIXELS + drawing, *cell] = 2 * SURE
    return found


def test_the_likeliest_pixel_is_the_place_and_its_cell_knows_the_drawing() -> None:
    places = [(0, 0, 1), (7, 13, 3), (11, 19, 0)]
    expected = [[row - ANCHOR[0], column - ANCHOR[1], drawing] for row, column, drawing in places]
    assert find(pointing(places)).tolist() == [expected]


def test_marks_are_where_find_would_find_them_and_none_outside() -> None:
    players = torch.tensor([[[4, 6, 0], [0, -ANCHOR[1], 0], [-1000, -1000, 0]]])
    marks = mark(players, torch.Size((HEIGHT, WIDTH)))
    assert marks.sum((2, 3, 4)).tolist() == [[1, 1, 0]]
    found = torch.cat([SURE * marks, torch.zeros(1, 3, DRAWINGS, HEIGHT, WIDTH)], 2)
    assert torch.equal(find(found)[:, :2], players[:, :2])


def test_what_is_found_costs_nothing_and_what_is_missed_much() -> None:
    found = pointing([(4, 9, 2), (4, 9, 2), (4, 9, 2)])
    players = find(found)
    players[0, 1, 0] += 1
    players[0, 2, 2] = 1
    place, drawing, wrong = errors(found, players)
    assert place[0].tolist() == pytest.approx([0, SURE, 0], abs=1e-3)
    assert drawing[0].tolist() == pytest.approx([0, 0, 2 * SURE], abs=1e-3)
    assert wrong[0].tolist() == [0, 1, 0]


@pytest.mark.parametrize("where", [(-1, 3), (HEIGHT * CELL, 3), (2, -ANCHOR[1] - 1), (2, 40)])
def test_a_player_that_a_crop_does_not_show_is_to_be_found_nowhere(where: tuple[int, int]) -> None:
    nowhere = torch.full((1, 1, PIXELS + DRAWINGS, HEIGHT, WIDTH), -SURE)
    players = torch.tensor([[[*where, 1]]])
    place, drawing, wrong = errors(nowhere, players)
    assert place.item() == pytest.approx(0, abs=1e-3)
    assert (drawing.item(), wrong.item()) == (0, 0)
    place, drawing, wrong = errors(pointing([(4, 9, 2)]), players)
    assert place.item() == pytest.approx(SURE, abs=1e-3)
    assert (drawing.item(), wrong.item()) == (0, 1)
