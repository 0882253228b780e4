"""The ways of players through the slots of windows, as the game knows them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from world_model.crops import crop_places
from world_model.dit import TOKEN_CELLS
from world_model.finding import MIDDLE
from world_model.latents import LatentSet
from world_model.painter import CELL


class Way(NamedTuple):
    """How players go through the slots of windows: `places` and `before` (..., T, 3), where they
    are and were a frame before; `restarts` (..., T): 1 where they restart; `seen` (..., T): 1 where
    that can be known."""

    places: Tensor
    before: Tensor
    restarts: Tensor
    seen: Tensor

    def cropped(self, corners: Tensor, size: int) -> Way:
        """See it from crops of `size` tokens at `corners` (B, 2): they know whom they have seen."""
        places, before = crop_places(self.places, corners), crop_places(self.before, corners)
        middle = before[..., :2] + torch.tensor(MIDDLE, device=before.device)
        inside = (middle >= 0) & (middle < size * TOKEN_CELLS * CELL)
        return Way(places, before, self.restarts, self.seen * inside.all(-1))


def player_way(
    data: LatentSet, episodes: NDArray[np.int64], heads: NDArray[np.int64], device: torch.device
) -> Way:
    """Return the ways of players in the windows at `heads` (same shape as `episodes`)."""
    places = torch.from_numpy(data.players[episodes, heads]).to(device)
    last = torch.from_numpy(data.players[episodes, heads - 1, :1]).to(device)
    restarts = torch.from_numpy(data.restarts[episodes, heads]).to(device).float()
    before = torch.cat([last, places[..., :-1, :]], -2)
    return Way(places, before, restarts, torch.ones_like(restarts))
