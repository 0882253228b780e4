"""The painter: pixels that are told to move, to come from the sink, or to stay, do just that, and
the player is laid over them.

With all 48 components latents are pixels turned in space, so that every copy must be exact.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.codec import LATENT_SCALE
from world_model.painter import CELL, CHANGE_SCALE, MOVES_PX, SOURCES, Painter

CHANNELS = 3 * CELL**2
HEIGHT, WIDTH = 5, 3
SURE = 60.0
FEW = 20


@pytest.fixture
def components() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.linalg.qr(torch.randn(CHANNELS, CHANNELS, generator=generator)).Q


@pytest.fixture
def painter(components: Tensor) -> Painter:
    painter = Painter(CHANNELS)
    painter.use_components(components)
    return painter


@pytest.fixture
def leading(components: Tensor) -> Painter:
    """One of a codec that keeps only the leading components."""
    painter = Painter(FEW)
    painter.use_components(components[:FEW])
    return painter


def latents_of(image: Tensor, components: Tensor) -> Tensor:
    return F.conv2d(F.pixel_unshuffle(image, CELL), components[..., None, None])


def nobody(slots: int = 1) -> tuple[Tensor, Tensor]:
    """A cast that hides nothing, and where it stands."""
    return torch.zeros(1, 2, 4, HEIGHT, WIDTH), torch.zeros(1, slots, 3, dtype=torch.long)


def told(painter: Painter, size: int, *, slots: int = 1) -> Tensor:
    """Say that everything stays."""
    said = torch.zeros(1, slots, painter.channels, size, size)
    said.split(painter.parts, 2)[0][:] = -SURE
    return said


def source(said: Tensor, painter: Painter, index: int) -> Tensor:
    """The logits (B, T, 16, h, w) of a source's pixels, as a view."""
    return said.split(painter.parts, 2)[0].unflatten(2, (SOURCES, CELL**2))[:, :, index]


@pytest.mark.parametrize("move", range(len(MOVES_PX)))
def test_a_copy_moves_the_picture_by_a_pixel(
    painter: Painter, components: Tensor, move: int
) -> None:
    image = torch.rand(1, 3, 48, 48)
    said = told(painter, 12)
    source(said, painter, 2 + move)[:] = SURE
    previous = latents_of(image, components)
    painted = painter(said, previous, *torch.zeros(2, *previous.shape), *nobody())[:, 0]
    expected = latents_of(torch.roll(image, MOVES_PX[move], 3), components)
    torch.testing.assert_close(painted[..., 1:-1], expected[..., 1:-1], atol=1e-4, rtol=1e-4)


def test_single_pixels_of_a_cell_come_from_different_sources(
    painter: Painter, components: Tensor
) -> None:
    before, sink, scenery = torch.rand(3, 1, 3, 16, 16)
    said = told(painter, 4)
    source(said, painter, 0)[:, :, 4, 2, 1] = SURE  # pixel (1, 0) of the cell in row 2, column 1
    source(said, painter, 1)[:, :, 5, 2, 1] = SURE
    source(said, painter, 3)[:, :, 6, 2, 1] = SURE
    painted = painter(
        said, *(latents_of(x, components) for x in (before, sink, scenery)), *nobody()
    )
    expected = before.clone()
    expected[..., 9, 4] = scenery[..., 9, 4]
    expected[..., 9, 5] = sink[..., 9, 5]
    expected[..., 9, 6] = before[..., 9, 5]
    wanted = latents_of(expected, components)
    torch.testing.assert_close(painted[:, 0], wanted, atol=1e-5, rtol=1e-4)


def test_every_slot_is_painted_from_the_one_before(painter: Painter, components: Tensor) -> None:
    image = torch.rand(1, 3, 64, 64)
    said = told(painter, 16, slots=3)
    source(said, painter, 3)[:] = SURE
    previous = latents_of(image, components)
    painted = painter(said, previous, *torch.zeros(2, *previous.shape), *nobody(3))
    for slot in range(3):
        expected = latents_of(torch.roll(image, slot + 1, 3), components)
        torch.testing.assert_close(
            painted[:, slot, ..., 1:-1], expected[..., 1:-1], atol=1e-4, rtol=1e-4
        )


def test_what_stays_is_kept_to_the_bit_and_changes_are_added(painter: Painter) -> None:
    previous, sink, scenery = torch.randn(3, 1, CHANNELS, 4, 4)
    said = told(painter, 4)
    assert torch.equal(painter(said, previous, sink, scenery, *nobody())[:, 0], previous)
    said[:, :, -CHANNELS:] = 2.0
    painted = painter(said, previous, sink, scenery, *nobody())[:, 0]
    torch.testing.assert_close(painted, previous + 2 * CHANGE_SCALE)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (6, 5), (-2, 3), (13, -1), (9, 15), (30, 4)])
def test_a_drawing_is_laid_where_the_player_is_and_cut_at_the_edges(
    painter: Painter, components: Tensor, top: int, left: int
) -> None:
    image, cast = torch.rand(1, 3, 16, 16), torch.rand(1, 2, 4, HEIGHT, WIDTH)
    cast[:, :, 3] = (cast[:, :, 3] > 0.4).float()
    cast[:, :, :3] *= cast[:, :, 3:]
    previous = latents_of(image, components)
    players = torch.tensor([[[top, left, 1]]])
    painted = painter(told(painter, 4), previous, previous, previous, cast, players)[:, 0]
    expected = image.clone()
    for row, column in np.ndindex(HEIGHT, WIDTH):
        y, x = top + row, left + column
        if 0 <= y < 16 and 0 <= x < 16 and cast[0, 1, 3, row, column]:
            expected[0, :, y, x] = cast[0, 1, :3, row, column] * LATENT_SCALE
    torch.testing.assert_close(painted, latents_of(expected, components), atol=1e-5, rtol=1e-4)


def test_every_slot_has_its_player_at_its_own_place(painter: Painter, components: Tensor) -> None:
    scenery = latents_of(torch.rand(1, 3, 16, 16), components)
    cast = torch.ones(1, 1, 4, HEIGHT, WIDTH)
    said = told(painter, 4, slots=2)
    source(said, painter, 0)[:] = SURE  # the scenery, so that the player leaves nothing behind
    places = torch.tensor([[[0, 0, 0], [8, 8, 0]]])
    painted = painter(said, scenery, scenery, scenery, cast, places)
    differs = (painted - scenery[:, None]).abs().amax(2) > 1e-3
    assert differs[0, 0].nonzero().tolist() == [[0, 0], [1, 0]]
    assert differs[0, 1].nonzero().tolist() == [[2, 2], [3, 2]]


def test_components_are_part_of_the_weights(painter: Painter) -> None:
    other = Painter(CHANNELS)
    other.load_state_dict(painter.state_dict())
    assert torch.equal(other.to_sources, painter.to_sources)
    assert painter.bias().shape == (painter.channels,)


def test_whole_latents_can_be_copied_for_ever_and_mere_latents_blur(
    leading: Painter, components: Tensor
) -> None:
    image = torch.rand(1, 3, 48, 48)
    whole = latents_of(image, leading.basis)
    torch.testing.assert_close(whole[:, :FEW], latents_of(image, components[:FEW]))
    said = told(leading, 12, slots=8)
    source(said, leading, 3)[:] = SURE
    blank = torch.zeros_like(whole)
    painted = leading(said, whole, blank, blank, *nobody(8))[:, -1]
    expected = latents_of(torch.roll(image, 8, 3), leading.basis)
    inner = (..., slice(2, None))
    torch.testing.assert_close(painted[inner], expected[inner], atol=1e-4, rtol=1e-4)
    blurred = leading(said, whole[:, :FEW], *blank.split(FEW, 1)[:2], *nobody(8))[:, -1]
    assert (blurred - expected[:, :FEW])[inner].abs().mean() > 0.1


def test_changes_leave_details_alone(leading: Painter) -> None:
    whole = torch.randn(1, CHANNELS, 4, 4)
    said = told(leading, 4)
    said[:, :, -FEW:] = 2.0
    painted = leading(said, whole, whole, whole, *nobody())[:, 0]
    torch.testing.assert_close(painted[:, :FEW], whole[:, :FEW] + 2 * CHANGE_SCALE)
    assert torch.equal(painted[:, FEW:], whole[:, FEW:])


def test_what_is_copied_of_whole_latents_is_not_changed(leading: Painter) -> None:
    whole = torch.randn(1, CHANNELS, 4, 4)
    said = told(leading, 4)
    source(said, leading, 2)[:] = SURE
    copied = leading(said, whole, whole, whole, *nobody())
    said[:, :, -FEW:] = 2.0
    assert torch.equal(leading(said, whole, whole, whole, *nobody()), copied)
