"""Following the player: what the cell it is in says counts, and what errors cost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from world_model.finding import MIDDLE, MOVES, REACH_PX, channels_for, errors, find, mark
from world_model.painter import CELL

HEIGHT, WIDTH, DRAWINGS = 6, 7, 4
SURE = 50.0


def said(at: tuple[int, int], move: tuple[int, int], drawing: int, *, restart: bool) -> Tensor:
    """Say (1, ..., h, w) in the cell of a player at pixel `at` how it moves; others say else."""
    logits = torch.zeros(channels_for(DRAWINGS))
    logits[REACH_PX[0] + move[0]] = SURE
    logits[MOVES[0] + REACH_PX[1] + move[1]] = SURE
    logits[sum(MOVES)] = SURE if restart else -SURE
    logits[sum(MOVES) + 1 + drawing] = SURE
    found = torch.randn(1, len(logits), HEIGHT, WIDTH) * SURE
    row, column = ((place + middle) // CELL for place, middle in zip(at, MIDDLE, strict=True))
    found[0, :, min(row, HEIGHT - 1), min(column, WIDTH - 1)] = logits
    return found


def test_a_player_moves_as_its_cell_says_slot_by_slot() -> None:
    previous, start = torch.tensor([[3, 5, 0]]), torch.tensor([[1, 2, 0]])
    slots = [
        said((3, 5), (-2, 3), 1, restart=False),
        said((1, 8), (11, -4), 3, restart=False),
        said((12, 4), (1, 1), 2, restart=True),
        said((1, 2), (-1, 0), 0, restart=False),
    ]
    places = find(torch.stack(slots, 1), previous, start)
    assert places.tolist() == [[[1, 8, 1], [12, 4, 3], [1, 2, 2], [0, 2, 0]]]


def test_a_player_that_falls_out_of_the_frame_is_still_in_its_last_row() -> None:
    bottom = CELL * HEIGHT - 1
    found = said((bottom, 4), (3, 0), 1, restart=False)
    places = find(found[:, None], torch.tensor([[bottom, 4, 0]]), torch.zeros(1, 3).long())
    assert places.tolist() == [[[bottom, 4, 1]]]


@pytest.mark.parametrize(("left", "move", "held"), [(-1, -4, -2), (18, 4, 28 - 8), (5, -4, 1)])
def test_walls_hold_a_player_in_the_frame(left: int, move: int, held: int) -> None:
    found = said((2, left), (-5, move), 1, restart=False)
    places = find(found[:, None], torch.tensor([[2, left, 0]]), torch.zeros(1, 3).long())
    assert places.tolist() == [[[0, held, 1]]]


@pytest.mark.parametrize(
    ("change", "cost", "wrong"),
    [((0, 0, 0), 0, 0), ((1, 0, 0), SURE, 1), ((0, -1, 0), SURE, 1), ((0, 0, 1), SURE, 0)],
)
def test_what_is_right_costs_nothing_and_what_is_wrong_much(
    change: tuple[int, int, int], cost: float, wrong: int
) -> None:
    before = torch.tensor([[9, 6, 0]])
    places = torch.tensor([[7, 8, 2]]) + torch.tensor([change])
    found = said((9, 6), (-2, 2), 2, restart=False)
    error, missed = errors(found, places, before, torch.zeros(1))
    assert error.item() == pytest.approx(cost, abs=1e-3)
    assert missed.item() == wrong


def test_how_a_player_moves_does_not_count_where_it_restarts() -> None:
    before, places = torch.tensor([[9, 6, 0]]), torch.tensor([[0, 1, 2]])
    found = said((9, 6), (5, 4), 2, restart=True)
    error, missed = errors(found, places, before, torch.ones(1))
    assert (error.item(), missed.item()) == (pytest.approx(0, abs=1e-3), 0)
    error, missed = errors(found, places, before, torch.zeros(1))
    assert error.item() > SURE
    assert missed.item() == 1


def test_marks_are_at_the_top_middle_of_places_and_none_is_outside() -> None:
    places = torch.tensor([[[4, 6, 0], [0, -MIDDLE[1], 0], [-1000, -1000, 0]]])
    marks = mark(places, torch.Size((HEIGHT, WIDTH)))
    assert marks.sum((2, 3, 4)).tolist() == [[1, 1, 0]]
    pixels = torch.nn.functional.pixel_shuffle(marks[0], CELL)[:, 0]
    assert pixels[0].nonzero().tolist() == [[4, 6 + MIDDLE[1]]]
    assert pixels[1].nonzero().tolist() == [[0, 0]]
