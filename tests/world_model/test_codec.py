"""The codec: bytes in and out; latents are plain projections of patches, refined when drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from world_model.codec import CELL, LATENT_SCALE, Codec, ResBlock, WholeCodec, complete, to_unit
from world_model.config import CodecConfig, WorldConfig

SIZE = 3 * CELL**2


@pytest.fixture
def codec(tiny: WorldConfig, stir: Callable[[nn.Module], Codec]) -> Codec:
    return stir(Codec(tiny.codec)).eval()


def frames(config: WorldConfig, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, *config.frame_shape), generator=generator, dtype=torch.uint8)


@torch.no_grad()
def test_a_cell_stands_for_4x4_pixels(tiny: WorldConfig, codec: Codec) -> None:
    latents = codec.encode(frames(tiny))
    assert (latents.shape, latents.dtype) == ((2, *tiny.latent_shape), torch.float32)
    drawn = codec.decode(latents)
    assert (drawn.shape, drawn.dtype) == ((2, *tiny.frame_shape), torch.uint8)


@torch.no_grad()
def test_every_frame_is_coded_alone(tiny: WorldConfig, codec: Codec) -> None:
    batch = frames(tiny)
    together = codec.encode(batch)
    torch.testing.assert_close(codec.encode(batch[1:]), together[1:])
    torch.testing.assert_close(codec.encode(batch.flip(0)), together.flip(0))


@torch.no_grad()
def test_pixels_change_their_own_cell_alone(tiny: WorldConfig, codec: Codec) -> None:
    before = frames(tiny, 1)
    after = before.clone()
    after[:, CELL : 2 * CELL, :CELL] = 255 - after[:, CELL : 2 * CELL, :CELL]
    moved = (codec.encode(after) - codec.encode(before)).abs().amax((0, 1))
    assert moved[1, 0] > 1e-3
    moved[1, 0] = 0
    assert moved.max() == 0


@torch.no_grad()
def test_components_are_orthonormal_and_keep_what_varies_most() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(500, SIZE, generator=generator)
    patches[:, 7] *= 9
    patches[:, 40] *= 5
    codec = Codec(CodecConfig(2, 8, 1))
    codec.fit_components(patches.T @ patches)
    torch.testing.assert_close(codec.components @ codec.components.T, torch.eye(2))
    assert codec.components.abs().argmax(1).tolist() == [7, 40]


@torch.no_grad()
def test_with_every_component_a_fresh_codec_is_the_identity(tiny: WorldConfig) -> None:
    torch.manual_seed(0)
    codec = Codec(CodecConfig(SIZE, 8, 1))
    codec.components.copy_(torch.linalg.qr(torch.randn(SIZE, SIZE)).Q)
    batch = frames(tiny)
    drawn = codec.decode(codec.encode(batch))
    assert (drawn.int() - batch.int()).abs().max() <= 1


@torch.no_grad()
def test_distances_between_latents_are_those_between_pictures(tiny: WorldConfig) -> None:
    codec = Codec(CodecConfig(SIZE, 8, 1))
    one, other = frames(tiny)
    apart = (codec.encode(one[None]) - codec.encode(other[None])).norm()
    expected = LATENT_SCALE * (to_unit(one[None]) - to_unit(other[None])).norm()
    torch.testing.assert_close(apart, expected)


def drawing(codec: Codec, pixels: Tensor) -> Codec:
    """Make a codec draw these pixels (B, 3, H, W)."""
    codec.draw = lambda latents: pixels  # type: ignore[method-assign]
    return codec


def test_every_byte_survives_the_way_to_unit_range_and_back(codec: Codec) -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    unit = to_unit(levels)
    assert (unit.min(), unit.max()) == (-1, 1)
    assert torch.equal(drawing(codec, unit).decode(torch.zeros(1)), levels)


def test_colours_out_of_range_are_clamped_not_wrapped(codec: Codec) -> None:
    pixels = torch.tensor([-1.5, 0.0, 1.5]).reshape(1, 3, 1, 1)
    assert drawing(codec, pixels).decode(torch.zeros(1)).flatten().tolist() == [0, 128, 255]


def test_a_fresh_residual_block_changes_nothing_but_the_bias() -> None:
    block, x = ResBlock(4), torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        change = block(x) - x
    torch.testing.assert_close(change, change[..., :1, :1].expand_as(change))


def test_at_play_nothing_of_a_frame_is_lost(tiny: WorldConfig) -> None:
    seen = Codec(tiny.codec)
    seen.components.copy_(torch.linalg.qr(torch.randn(SIZE, SIZE)).Q[: len(seen.components)])
    codec, batch = WholeCodec(complete(seen.components)), frames(tiny)
    whole = codec.encode(batch)
    assert whole.shape == (len(batch), *tiny.whole_shape)
    torch.testing.assert_close(whole[:, : tiny.codec.channels], seen.encode(batch))
    assert torch.equal(codec.decode(whole), batch)
