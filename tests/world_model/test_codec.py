"""The codec: bytes in and out, bounded and normalised latents between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from world_model.codec import LATENT_BOUND, Codec, ResBlock, to_unit
from world_model.config import WorldConfig


@pytest.fixture
def codec(tiny: WorldConfig, stir: Callable[[nn.Module], Codec]) -> Codec:
    return stir(Codec(tiny.codec)).eval()


def frames(config: WorldConfig, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, *config.frame_shape), generator=generator, dtype=torch.uint8)


@torch.no_grad()
def test_a_token_stands_for_16x16_pixels(tiny: WorldConfig, codec: Codec) -> None:
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
def test_a_change_of_a_corner_stays_near_that_corner_in_space(codec: Codec) -> None:
    pixels = torch.zeros(1, 32, 160, 3, dtype=torch.uint8)
    changed = pixels.clone()
    changed[:, :16, :16] = 255
    moved = (codec.encode(changed) - codec.encode(pixels)).abs().amax((0, 1, 2))
    assert moved[0] > 1e-3
    assert moved[-3:].max() == 0


@torch.no_grad()
def test_latents_are_bounded_whatever_the_encoder_says(tiny: WorldConfig, codec: Codec) -> None:
    for param in codec.encoder.parameters():
        param.mul_(5)
    bounded = codec.bounded(to_unit(frames(tiny)))
    assert bounded.abs().max() <= LATENT_BOUND
    assert bounded.abs().max() > 0.9 * LATENT_BOUND


@torch.no_grad()
def test_normalisation_is_undone_by_the_decoder(tiny: WorldConfig, codec: Codec) -> None:
    batch = frames(tiny)
    raw, drawn = codec.encode(batch), codec.decode(codec.encode(batch))
    codec.mean.copy_(raw.mean((0, 2, 3))[:, None, None])
    codec.std.copy_(raw.std((0, 2, 3))[:, None, None])
    normal = codec.encode(batch)
    torch.testing.assert_close(normal.mean((0, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std((0, 2, 3)), torch.ones(5))
    assert (codec.decode(normal).int() - drawn.int()).abs().max() <= 1


class Given(nn.Module):
    """A decoder that draws these pixels (B, 3, H, W)."""

    def __init__(self, pixels: Tensor) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, _: Tensor) -> Tensor:
        return self.pixels


def test_every_byte_survives_the_way_to_unit_range_and_back(codec: Codec) -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    unit = to_unit(levels)
    assert (unit.min(), unit.max()) == (-1, 1)
    codec.decoder = Given(unit)
    assert torch.equal(codec.decode(torch.zeros(1, 5, 1, 1)), levels)


def test_colours_out_of_range_are_clamped_not_wrapped(codec: Codec) -> None:
    codec.decoder = Given(torch.tensor([-1.5, 0.0, 1.5]).reshape(1, 3, 1, 1))
    assert codec.decode(torch.zeros(1, 5, 1, 1)).flatten().tolist() == [0, 128, 255]


def test_a_fresh_residual_block_changes_nothing_but_the_bias() -> None:
    block, x = ResBlock(4), torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        change = block(x) - x
    torch.testing.assert_close(change, change[..., :1, :1].expand_as(change))
