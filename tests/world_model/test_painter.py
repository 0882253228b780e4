"""The painter: pixels that are told to move, to come from the sink, or to stay, do just that.

With all 48 components latents are pixels turned in space, so that every copy must be exact.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.painter import CELL, CHANGE_SCALE, REACH_PX, SOURCES, Painter

CHANNELS = 3 * CELL**2
SURE = 60.0


@pytest.fixture
def components() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.linalg.qr(torch.randn(CHANNELS, CHANNELS, generator=generator)).Q


@pytest.fixture
def painter(components: Tensor) -> Painter:
    painter = Painter(CHANNELS)
    painter.use_components(components)
    return painter


def latents_of(image: Tensor, components: Tensor) -> Tensor:
    return F.conv2d(F.pixel_unshuffle(image, CELL), components[..., None, None])


def told(painter: Painter, size: int, *, rows: int = 0, columns: int = 0, slots: int = 1) -> Tensor:
    """Say that everything stays, and that copies, where asked for, come from so far away."""
    said = torch.zeros(1, slots, painter.channels, size, size)
    taps_y, _, sources, _ = said.split(painter.parts, 2)
    taps_y[:, :, REACH_PX[0] + rows] = SURE
    said[:, :, painter.parts[0] + REACH_PX[1] + columns] = SURE
    sources[:] = -SURE
    return said


def source(said: Tensor, painter: Painter, index: int) -> Tensor:
    """The logits (B, T, 16, h, w) of a source's pixels, as a view."""
    return said.split(painter.parts, 2)[2].unflatten(2, (SOURCES, CELL**2))[:, :, index]


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 0), (-8, 4), (8, -3), (5, 1), (-3, -4)])
def test_a_copy_moves_the_picture_by_whole_pixels(
    painter: Painter, components: Tensor, rows: int, columns: int
) -> None:
    image = torch.rand(1, 3, 48, 48)
    said = told(painter, 12, rows=rows, columns=columns)
    source(said, painter, 2)[:] = SURE
    previous = latents_of(image, components)
    painted = painter(said, previous, *torch.zeros(2, *previous.shape))[:, 0]
    expected = latents_of(torch.roll(image, (rows, columns), (2, 3)), components)
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(painted[inner], expected[inner], atol=1e-4, rtol=1e-4)


def test_single_pixels_of_a_cell_come_from_different_sources(
    painter: Painter, components: Tensor
) -> None:
    before, sink, scenery = torch.rand(3, 1, 3, 16, 16)
    said = told(painter, 4, columns=1)
    source(said, painter, 0)[:, :, 4, 2, 1] = SURE  # pixel (1, 0) of the cell in row 2, column 1
    source(said, painter, 1)[:, :, 5, 2, 1] = SURE
    source(said, painter, 2)[:, :, 6, 2, 1] = SURE
    painted = painter(said, *(latents_of(x, components) for x in (before, sink, scenery)))
    expected = before.clone()
    expected[..., 9, 4] = scenery[..., 9, 4]
    expected[..., 9, 5] = sink[..., 9, 5]
    expected[..., 9, 6] = before[..., 9, 5]
    wanted = latents_of(expected, components)
    torch.testing.assert_close(painted[:, 0], wanted, atol=1e-5, rtol=1e-4)


def test_every_slot_is_painted_from_the_one_before(painter: Painter, components: Tensor) -> None:
    image = torch.rand(1, 3, 64, 64)
    said = told(painter, 16, rows=3, slots=3)
    source(said, painter, 2)[:] = SURE
    previous = latents_of(image, components)
    painted = painter(said, previous, *torch.zeros(2, *previous.shape))
    for slot in range(3):
        expected = latents_of(torch.roll(image, 3 * (slot + 1), 2), components)
        inner = (..., slice(4, -4), slice(4, -4))
        torch.testing.assert_close(painted[:, slot][inner], expected[inner], atol=1e-4, rtol=1e-4)


def test_what_stays_is_kept_to_the_bit_and_changes_are_added(painter: Painter) -> None:
    previous, sink, scenery = torch.randn(3, 1, CHANNELS, 4, 4)
    said = told(painter, 4)
    assert torch.equal(painter(said, previous, sink, scenery)[:, 0], previous)
    said[:, :, -CHANNELS:] = 2.0
    torch.testing.assert_close(
        painter(said, previous, sink, scenery)[:, 0], previous + 2 * CHANGE_SCALE
    )


def test_components_are_part_of_the_weights(painter: Painter) -> None:
    other = Painter(CHANNELS)
    other.load_state_dict(painter.state_dict())
    assert torch.equal(other.row_shifts, painter.row_shifts)
    assert painter.bias().shape == (painter.channels,)
