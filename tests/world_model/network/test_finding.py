"""Following actors: what they see, how what is said of them moves them, and what errors cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.cast import ANEW, COMINGS, CUT_PX, GOES_ON, NOWHERE, PUT_BACK
from world_model.config import CastConfig
from world_model.network.codec import CELL
from world_model.network.finding import (
    COMING_LOGITS,
    GLIMPSE,
    GLIMPSE_CHANNELS,
    MOVES,
    REACH_PX,
    Finder,
    errors,
    glimpses,
    moved,
    split,
)

DRAWINGS, TOKEN = 4, 5
FRAME = (40, 56)
GRID = (FRAME[0] // CELL, FRAME[1] // CELL)
SURE = 50.0
LOGITS = sum(MOVES) + COMING_LOGITS + DRAWINGS


def said(move: tuple[int, int], drawing: int, coming: int = GOES_ON) -> Tensor:
    """Say (L,) how an actor moves and looks."""
    logits = torch.zeros(LOGITS)
    logits[REACH_PX[0] + move[0]] = SURE
    logits[MOVES[0] + REACH_PX[1] + move[1]] = SURE
    logits[sum(MOVES)] = SURE if coming != GOES_ON else -SURE
    logits[sum(MOVES) + 1] = SURE if coming == ANEW else -SURE
    logits[sum(MOVES) + COMING_LOGITS + drawing] = SURE
    return logits


def test_every_actor_moves_as_is_said_of_it_or_back_to_its_start() -> None:
    last = torch.tensor([[[3, 5, 0, ANEW], [20, 30, 1, 0], [20, 9, 2, 0], [20, 9, 2, 0]]])
    start = torch.tensor([[[1, 2, 0, 0], [7, 7, 1, 0], [8, 8, 1, 0], [9, 9, 1, 0]]])
    told = [said((-2, 3), 1), said((12, -4), 3), said((1, 1), 2, PUT_BACK), said((1, 1), 2, ANEW)]
    places = moved(torch.stack(told)[None], last, start, FRAME)
    assert places.tolist() == [
        [[1, 8, 1, GOES_ON], [32, 26, 3, GOES_ON], [8, 8, 1, PUT_BACK], [9, 9, 1, ANEW]]
    ]


@pytest.mark.parametrize("coming", COMINGS)
def test_an_actor_that_is_nowhere_stays_nowhere(coming: int) -> None:
    last = torch.tensor([[[*NOWHERE]]])
    told = said((3, 3), 2, coming)[None, None]
    assert torch.equal(moved(told, last, torch.tensor([[[4, 4, 0, 0]]]), FRAME), last)


def test_everything_starts_anew_only_with_an_actor_that_is_put_back() -> None:
    told = said((1, 0), 1)
    told[sum(MOVES) + 1] = SURE
    last = torch.tensor([[[3, 5, 0, 0]]])
    assert moved(told[None, None], last, last, FRAME).tolist() == [[[4, 5, 1, GOES_ON]]]


@pytest.mark.parametrize(
    ("place", "move", "held"),
    [
        ((2, -1), (-5, -4), (0, -CUT_PX)),
        ((2, 46), (0, 4), (2, FRAME[1] - CastConfig.width + CUT_PX)),
        ((38, 5), (9, -4), (FRAME[0] - 1, 1)),
    ],
)
def test_walls_hold_an_actor_in_the_frame_and_pits_in_its_last_row(
    place: tuple[int, int], move: tuple[int, int], held: tuple[int, int]
) -> None:
    last = torch.tensor([[[*place, 0, GOES_ON]]])
    places = moved(said(move, 1)[None, None], last, torch.zeros_like(last), FRAME)
    assert places.tolist() == [[[*held, 1, GOES_ON]]]


@pytest.mark.parametrize(
    "place", [(14, 20), (0, 0), (3, -2), (39, 46), (-9, 20), (60, 20), (*NOWHERE[:2],)]
)
def test_a_glimpse_is_the_pixels_around_a_place_and_blank_outside(place: tuple[int, int]) -> None:
    pictures = torch.rand(2, 6, CELL**2, *GRID)
    places = torch.tensor([[[14, 20, 0, 0], [*place, 3, 0]], [[*place, 1, 0], [5, 5, 0, 0]]])
    seen = glimpses(pictures, places)
    height, width = (last - first for first, last in GLIMPSE)
    assert seen.shape == (2, 2, GLIMPSE_CHANNELS, height, width)
    shown = F.pixel_shuffle(pictures.flatten(1, 2), CELL).permute(0, 2, 3, 1)
    for picture, glimpse in ((shown[0], seen[0, 1]), (shown[1], seen[1, 0])):
        expected = torch.zeros(GLIMPSE_CHANNELS, height, width)
        for row, column in np.ndindex(height, width):
            y, x = place[0] + GLIMPSE[0][0] + row, place[1] + GLIMPSE[1][0] + column
            if 0 <= y < FRAME[0] and 0 <= x < FRAME[1]:
                expected[:, row, column] = torch.tensor([*picture[y, x].tolist(), 1.0])
        assert torch.equal(glimpse, expected)


@pytest.fixture
def finder(stir: Callable[[nn.Module], Finder]) -> Finder:
    return stir(Finder(TOKEN, DRAWINGS)).eval()


def inputs(slots: int = 3, actors: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """What a finder is given: pictures, actions and the trail of two worlds."""
    generator = torch.Generator().manual_seed(5)
    shapes = (2, 6, CELL**2, *GRID), (2, slots, TOKEN)
    pictures, actions = (torch.randn(shape, generator=generator) for shape in shapes)
    trail = torch.randint(8, 20, (2, 3, actors, len(NOWHERE)), generator=generator)
    trail[..., 2] %= DRAWINGS
    trail[..., 3] %= len(COMINGS)
    return pictures, actions, trail


@torch.no_grad()
def test_actors_are_followed_slot_by_slot(finder: Finder) -> None:
    pictures, actions, trail = inputs()
    places = finder(pictures, actions, trail)
    assert places.shape == (2, 3, 2, len(NOWHERE))
    start, before, last = trail.unbind(1)
    for slot in range(3):
        said = finder.ask(glimpses(pictures, last), actions[:, slot], last, last - before)
        assert said.shape == (2, 2, LOGITS)
        before, last = last, places[:, slot]
        assert torch.equal(last, moved(said, before, start, FRAME))


@torch.no_grad()
def test_an_actor_that_is_nowhere_changes_nothing_for_others(finder: Finder) -> None:
    pictures, actions, trail = inputs()
    trail[:, :, 1] = torch.tensor(NOWHERE)
    places = finder(pictures, actions, trail)
    assert torch.equal(places[:, :, 1], trail[:, 2:, 1].expand(-1, 3, -1)), "nowhere, it stays so"
    assert torch.equal(places[:, :, :1], finder(pictures, actions, trail[:, :, :1]))


@torch.no_grad()
def test_what_is_said_is_the_same_wherever_it_happens(finder: Finder) -> None:
    pictures, actions, _ = inputs(slots=1)
    last = torch.tensor([14, 16, 1, GOES_ON]).expand(2, 2, -1)
    moves, aside = torch.ones_like(last), torch.tensor([0, 2 * CELL, 0, 0])

    def say(pictures: Tensor, last: Tensor) -> Tensor:
        return finder.ask(glimpses(pictures, last), actions[:, 0], last, moves)

    told = say(pictures, last)
    torch.testing.assert_close(say(pictures.roll(2, -1), last + aside), told)
    assert (say(pictures, last + aside) - told).abs().max() > 1e-2


def test_gradients_reach_every_weight_and_the_action(finder: Finder) -> None:
    pictures, actions, trail = inputs()
    action = actions[:, 0].requires_grad_()
    last = trail[:, 2]
    finder.ask(glimpses(pictures, last), action, last, last - trail[:, 1]).square().sum().backward()
    for name, param in finder.named_parameters():
        assert param.grad is not None, name
        assert param.grad.abs().amax() > 0, name
    assert action.grad is not None
    assert action.grad.abs().amax() > 0


@pytest.mark.parametrize(
    ("change", "cost", "wrong"),
    [
        ((0, 0, 0, 0), 0, 0),
        ((1, 0, 0, 0), SURE, 1),
        ((0, -1, 0, 0), SURE, 1),
        ((0, 0, 1, 0), SURE, 0),
    ],
)
def test_what_is_right_costs_nothing_and_what_is_wrong_much(
    change: tuple[int, int, int, int], cost: float, wrong: int
) -> None:
    before = torch.tensor([[9, 6, 0, 0]])
    places = torch.tensor([[7, 8, 2, 0]]) + torch.tensor([change])
    error, missed = errors(said((-2, 2), 2)[None], places, before)
    assert error.item() == pytest.approx(cost, abs=1e-3)
    assert missed.item() == wrong


@pytest.mark.parametrize(
    ("coming", "costs"),
    [
        (GOES_ON, {PUT_BACK: SURE, ANEW: 2 * SURE}),
        (PUT_BACK, {GOES_ON: 3 * SURE, ANEW: SURE}),
        (ANEW, {GOES_ON: 3 * SURE, PUT_BACK: SURE}),
    ],
)
def test_how_an_actor_moves_does_not_count_where_it_is_put_back(
    coming: int, costs: dict[int, float]
) -> None:
    before, told = torch.tensor([[9, 6, 0, 0]]), said((5, 4), 2, coming)[None]
    costs[coming] = 0.0
    for came, cost in costs.items():
        # It goes on otherwise than is said of it.
        places = torch.tensor([[10, 5, 2, came]])
        if came == coming == GOES_ON:
            places[..., :2] = before[..., :2] + torch.tensor([5, 4])
        error, missed = errors(told, places, before)
        assert error.item() == pytest.approx(cost, abs=1e-3), (coming, came)
        assert missed.item() == float(came != coming)


def test_every_actor_has_errors_of_its_own() -> None:
    before = torch.tensor([[9, 6, 0, 0], [9, 6, 0, 0]])
    places = torch.tensor([[10, 6, 1, 0], [9, 7, 1, 0]])
    told = torch.stack([said((1, 0), 1), said((1, 0), 1)])
    error, missed = errors(told, places, before)
    assert error.tolist() == pytest.approx([0, 2 * SURE], abs=1e-3)
    assert missed.tolist() == [0, 1]


def test_what_is_said_comes_apart_into_moves_coming_and_drawings() -> None:
    rows, columns, coming, drawings = split(said((-3, 2), 1, PUT_BACK))
    assert (rows.argmax() - REACH_PX[0], columns.argmax() - REACH_PX[1]) == (-3, 2)
    assert coming.tolist() == [SURE, -SURE]
    assert (drawings.argmax().item(), len(drawings)) == (1, DRAWINGS)
