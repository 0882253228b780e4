"""Ghosts: what a dream may leave behind of a player, put into recorded history on purpose.

Recorded play shows none, so a network trained on it alone would never wipe one away. Latents are
linear: what a frame has that the bare scene has not is a layer that can be thinned, and laid
elsewhere.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from world_model.footage import Footage

SEEN = (0.1, 1.0)
"""How much is left of the player."""
TICKS = 40
"""A ghost is the player as it was up to so many ticks ago."""


def haunt(
    clean: Tensor,
    sigmas: Tensor,
    data: Footage,
    episodes: NDArray[np.int64],
    times: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    share: float,
) -> None:
    """Lay ghosts into a `share` of the clips, in place.

    clean (B, 1 + L, 48, h, w): the sink, then frames of `times` (B, L); sigmas (B, P, T): noise
    levels of the windows after the last P of them. A ghost appears in one of these frames and
    lasts. The recorded plan would give it away: windows after it get none.
    """
    rows = np.flatnonzero(rng.random(len(episodes)) < share)
    if not len(rows):
        return
    device, (length, ticks) = clean.device, (times.shape[1], sigmas.shape[1])
    since = torch.from_numpy(rng.integers(length - ticks, length, len(rows))).to(device)
    haunted = torch.arange(length, device=device) >= since[:, None]
    index = torch.from_numpy(rows).to(device)
    ago = rng.integers(0, TICKS, (len(rows), 1))
    past = (times[rows, -ticks, None] - ago).clip(min=0)
    frames = data.gather(data.held[episodes[rows, None], past, 0], device)
    ghosts = frames - data.scenery(episodes[rows], device)[:, None]
    cells = torch.from_numpy(data.player_cells(episodes[rows, None], past)).to(ghosts)
    seen = torch.from_numpy(rng.uniform(*SEEN, len(rows))).to(ghosts)
    layers = seen[:, None, None, None, None] * ghosts * cells[:, :, None]
    clean[index, 1:] += layers * haunted[:, :, None, None, None]
    lifted = torch.where(haunted[:, -ticks:, None], 1.0, sigmas[index])
    sigmas[index] = lifted
