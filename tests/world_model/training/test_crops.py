"""Crops: around what moves, inside the frame, and with edges over which something may come."""

from __future__ import annotations

import torch

from world_model.network.codec import CELL
from world_model.network.dit import TOKEN_CELLS
from world_model.training.crops import EDGE, crop, crop_places, moving_corners, open_edges


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


def test_places_are_seen_from_the_corner_of_their_games_crop() -> None:
    px = TOKEN_CELLS * CELL
    places = torch.tensor([[[7, 9, 2, 0], [40, 3, 1, 0]], [[7, 9, 2, 1], [-1, 60, 0, 0]]])
    seen = crop_places(places, torch.tensor([[0, 0], [1, 2]]))
    assert seen[0].tolist() == places[0].tolist()
    assert seen[1].tolist() == [[7 - px, 9 - 2 * px, 2, 1], [-1 - px, 60 - 2 * px, 0, 0]]
    several = crop_places(places[:, None, None], torch.tensor([[0, 0], [1, 2]]))
    assert torch.equal(several[:, 0, 0], seen)


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
