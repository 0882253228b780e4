"""The codec: bytes in and out, nothing lost; latents are the pixels of a cell turned in space."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from world_model.config import WorldConfig
from world_model.network.codec import CELL, LATENT_SCALE, VALUES, Codec, to_cells


@pytest.fixture
def codec() -> Codec:
    """One of a random basis."""
    generator = torch.Generator().manual_seed(1)
    patches = torch.randn(500, VALUES, generator=generator)
    codec = Codec()
    codec.fit(patches.T @ patches)
    return codec


def frames(config: WorldConfig, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, *config.frame_shape), generator=generator, dtype=torch.uint8)


def test_a_cell_stands_for_4x4_pixels(tiny: WorldConfig, codec: Codec) -> None:
    batch = frames(tiny)
    latents = codec.encode(batch)
    assert (latents.shape, latents.dtype) == ((2, *tiny.latent_shape), torch.float32)
    cells = to_cells(batch)
    assert (cells.shape, cells.dtype) == (latents.shape, torch.uint8)
    patch = batch[1, 2 * CELL : 3 * CELL, 5 * CELL : 6 * CELL].permute(2, 0, 1)
    assert torch.equal(cells[1, :, 2, 5], patch.flatten()), "RGB, rows, columns"


def test_frames_in_cells_have_the_same_latents(tiny: WorldConfig, codec: Codec) -> None:
    batch = frames(tiny)
    assert torch.equal(codec.encode_cells(to_cells(batch)), codec.encode(batch))


def test_every_frame_is_coded_alone(tiny: WorldConfig, codec: Codec) -> None:
    batch = frames(tiny)
    together = codec.encode(batch)
    torch.testing.assert_close(codec.encode(batch[1:]), together[1:])
    torch.testing.assert_close(codec.encode(batch.flip(0)), together.flip(0))


def test_pixels_change_their_own_cell_alone(tiny: WorldConfig, codec: Codec) -> None:
    before = frames(tiny, 1)
    after = before.clone()
    after[:, CELL : 2 * CELL, :CELL] = 255 - after[:, CELL : 2 * CELL, :CELL]
    moved = (codec.encode(after) - codec.encode(before)).abs().amax((0, 1))
    assert moved[1, 0] > 1e-3
    moved[1, 0] = 0
    assert moved.max() == 0


def test_nothing_of_a_frame_is_lost(tiny: WorldConfig, codec: Codec) -> None:
    batch = frames(tiny)
    assert torch.equal(codec.decode(codec.encode(batch)), batch)


def test_every_byte_survives(codec: Codec) -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    assert torch.equal(codec.decode(codec.encode(levels)), levels)


def test_a_fresh_codecs_latents_are_pixels_at_their_scale() -> None:
    frame = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(1, CELL, CELL, 3)
    latents = Codec().encode(frame)[0, :, 0, 0].unflatten(0, (3, -1))
    expected = torch.tensor([-1.0, -0.6, 1.0]) * LATENT_SCALE
    torch.testing.assert_close(latents, expected[:, None].expand_as(latents))


def test_colours_out_of_range_are_clamped_not_wrapped() -> None:
    pixels = torch.tensor([-1.5, 0.0, 1.5]) * LATENT_SCALE
    latents = pixels.repeat_interleave(CELL**2).reshape(1, VALUES, 1, 1)
    assert Codec().decode(latents)[0, 0, 0].tolist() == [0, 128, 255]


def test_latents_are_turned_into_pixels_and_back(tiny: WorldConfig, codec: Codec) -> None:
    latents = torch.randn(2, *tiny.latent_shape)
    pixels = codec.to_pixels(latents)
    assert not torch.allclose(pixels, latents)
    torch.testing.assert_close(codec.to_latents(pixels), latents)


def test_distances_between_latents_are_those_between_pictures(
    tiny: WorldConfig, codec: Codec
) -> None:
    one, other = (frame / 127.5 - 1 for frame in frames(tiny))
    latents = codec.encode(frames(tiny))
    apart = (latents[0] - latents[1]).norm()
    torch.testing.assert_close(apart, LATENT_SCALE * (one - other).norm())


def test_a_basis_is_orthonormal_and_begins_with_what_varies_most() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(500, VALUES, generator=generator)
    patches[:, 7] *= 9
    patches[:, 40] *= 5
    codec = Codec()
    codec.fit(patches.T @ patches)
    torch.testing.assert_close(codec.basis @ codec.basis.T, torch.eye(VALUES))
    assert codec.basis.abs().argmax(1)[:2].tolist() == [7, 40]


def test_leading_latents_keep_more_than_any_others() -> None:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(500, VALUES, generator=generator) * torch.linspace(5, 0.1, VALUES)
    patches = mixed @ torch.linalg.qr(torch.randn(VALUES, VALUES, generator=generator)).Q
    codec = Codec()
    codec.fit(patches.T @ patches)
    kept = codec.to_latents(patches[..., None, None]).square().mean((0, 2, 3))
    assert (kept[1:] <= kept[:-1] * 1.001).all()


def test_what_points_either_way_points_to_the_brighter_side() -> None:
    patches = torch.randn(500, VALUES, generator=torch.Generator().manual_seed(0))
    codec = Codec()
    codec.fit(patches.T @ patches)
    assert (codec.basis.sum(1) >= 0).all()


def test_the_basis_is_part_of_the_weights(codec: Codec) -> None:
    other = Codec()
    other.load_state_dict(codec.state_dict())
    assert torch.equal(other.basis, codec.basis)
