"""A recording's own codec: what is in its frames, and above all what lives in them, comes first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from world_model.data import Recording, collect, replay
from world_model.network.codec import CELL, VALUES, Codec, to_cells
from world_model.training.components import ALIVE_WEIGHT, BATCH, fit_codec, second_moments


@pytest.fixture(scope="module")
def recording() -> Recording:
    return collect(8, 12, seed=70)


def test_the_same_recording_gives_the_same_codec(recording: Recording) -> None:
    codec = fit_codec(recording)
    assert torch.equal(fit_codec(recording).basis, codec.basis)
    torch.testing.assert_close(codec.basis @ codec.basis.T, torch.eye(VALUES))
    other = fit_codec(collect(8, 12, seed=90))
    assert not torch.allclose(other.basis, codec.basis, atol=1e-3)


def test_leading_latents_hold_nearly_all_of_a_recordings_frames(recording: Recording) -> None:
    index, frames = next(iter(replay(recording, 1)))
    assert len(index) == len(recording)
    latents = fit_codec(recording).encode(torch.from_numpy(frames))
    power = latents.square().mean((0, 2, 3))
    assert power[:24].sum() > 0.98 * power.sum()
    plain = Codec().encode(torch.from_numpy(frames)).square().mean((0, 2, 3))
    assert plain[:24].sum() < 0.9 * plain.sum()


def patches_of(frames: np.ndarray) -> Tensor:
    """The patches (n, h, w, 48) of frames, in [-1, 1]."""
    return (to_cells(torch.from_numpy(frames)).float() / 127.5 - 1).permute(0, 2, 3, 1)


def test_cells_with_something_alive_in_them_count_more() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 2 * CELL, 3 * CELL, 3), np.uint8)
    moving = np.zeros(frames.shape[:3], np.bool_)
    moving[0, CELL, 2 * CELL - 1] = moving[2, 0, 0] = True
    patches = patches_of(frames)
    every = patches.flatten(0, 2)
    alive = torch.stack([patches[0, 1, 1], patches[2, 0, 0]])
    expected = every.T @ every / every.square().sum()
    expected = expected + ALIVE_WEIGHT * (alive.T @ alive) / alive.square().sum()
    torch.testing.assert_close(second_moments(frames, moving), expected)


def test_frames_are_counted_alike_in_few_and_in_many_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, CELL, 2 * CELL, 3), np.uint8)
    moving = rng.random(frames.shape[:3]) < 0.05
    assert len(frames) < BATCH
    once = second_moments(frames, moving)
    monkeypatch.setattr("world_model.training.components.BATCH", 2)
    torch.testing.assert_close(second_moments(frames, moving), once)


def test_levels_without_anything_alive_have_moments_too() -> None:
    frames = np.full((1, CELL, CELL, 3), 200, np.uint8)
    moments = second_moments(frames, np.zeros(frames.shape[:3], np.bool_))
    torch.testing.assert_close(moments, torch.full((VALUES, VALUES), 1 / VALUES))
