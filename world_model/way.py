"""The ways of actors through the slots of windows, as the game knows them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from world_model.cast import NOWHERE
from world_model.codec import CELL
from world_model.crops import crop_places
from world_model.dit import TOKEN_CELLS
from world_model.finding import GLIMPSE, MIDDLE
from world_model.footage import Footage

TOKEN_PX = TOKEN_CELLS * CELL


class Way(NamedTuple):
    """How actors go through the slots of windows: `places` and `before` (..., T, A, 3), where they
    are and were a frame before; `restarts` (..., T, A): 1 where they restart; `seen` (..., T, A): 1
    where that can be known."""

    places: Tensor
    before: Tensor
    restarts: Tensor
    seen: Tensor

    def cropped(self, corners: Tensor, size: int, grid: tuple[int, int]) -> Way:
        """See it from crops of `size` tokens at `corners` (B, 2) of frames of `grid` tokens.

        They know those of whom they show all that a glimpse would.
        """
        places, before = crop_places(self.places, corners), crop_places(self.before, corners)
        seen, side = self.seen, size * TOKEN_PX
        shape = [len(corners)] + [1] * (before.ndim - 2)
        for axis, (first, last) in enumerate(GLIMPSE):
            at, corner = before[..., axis], corners[:, axis].reshape(shape)
            open_before, open_after = corner > 0, corner + size < grid[axis]
            middle = at + MIDDLE[axis]
            cut = (middle < 0) | (middle >= side)
            cut |= open_before & (at + first < 0) | open_after & (at + last > side)
            seen = seen * ~cut
        return Way(places, before, self.restarts, seen)


def actors_way(
    data: Footage, episodes: NDArray[np.int64], heads: NDArray[np.int64], device: torch.device
) -> Way:
    """Return the ways of actors in the windows at `heads` (same shape as `episodes`)."""
    places = torch.from_numpy(data.places[episodes, heads]).to(device)
    last = torch.from_numpy(data.places[episodes, heads - 1, :1]).to(device)
    restarts = torch.from_numpy(data.restarts[episodes, heads]).to(device).float()
    restarts = F.pad(restarts[..., None], (0, places.shape[-2] - 1))
    before = torch.cat([last, places[..., :-1, :, :]], -3)
    seen = (before[..., 0] != NOWHERE[0]).float()
    return Way(places, before, restarts, seen)
