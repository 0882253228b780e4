"""Fits the codec's basis to a recording: what tells frames apart, and what lives in them, first."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from world_model.data import Recording, sample_frames
from world_model.network.codec import CELL, VALUES, Codec, to_cells

ALIVE_WEIGHT = 3.0
EPISODES, MOMENTS = 256, 8
BATCH = 256


def fit_codec(recording: Recording) -> Codec:
    """Return a codec of a recording's own; the same recording gives the same codec."""
    codec = Codec()
    frames, alive = sample_frames(recording, MOMENTS, np.random.default_rng(0), EPISODES)
    codec.fit(second_moments(frames, alive))
    return codec


@torch.no_grad()
def second_moments(frames: NDArray[np.uint8], moving: NDArray[np.bool_]) -> Tensor:
    """Return the second moments (48, 48) of patches, those with something alive weighted.

    frames (n, H, W, 3); moving (n, H, W) marks players, enemies and coins.
    """
    every, alive = torch.zeros(VALUES, VALUES), torch.zeros(VALUES, VALUES)
    for start in range(0, len(frames), BATCH):
        part = slice(start, start + BATCH)
        cells = to_cells(torch.from_numpy(frames[part])).float() / 127.5 - 1
        patches = cells.permute(0, 2, 3, 1).flatten(0, 2)
        marks = torch.from_numpy(moving[part])[:, None].float()
        chosen = patches[F.max_pool2d(marks, CELL).flatten() > 0]
        every += patches.T @ patches
        alive += chosen.T @ chosen
    return every / every.trace() + ALIVE_WEIGHT * alive / alive.trace().clamp(min=1e-9)
