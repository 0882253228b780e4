"""A picture of what a network in training dreams, beside the truth."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from world_model.network.dit import RollingDiT
from world_model.training.clips import ClipChooser
from world_model.training.footage import Footage
from world_model.training.self_forcing import rolling_from

SHEET_TICKS: Final = 12
SHEET_WORLDS: Final = 4


@torch.no_grad()
def dream_sheet(
    dit: RollingDiT, data: Footage, choose: ClipChooser, device: torch.device
) -> NDArray[np.uint8]:
    """Roll four worlds on; rows of truth above dream, every other tick."""
    rng = np.random.default_rng(3)
    rows = SHEET_WORLDS
    count = dit.window.finished_frames
    episodes, starts = choose(rng, count + SHEET_TICKS, rows)
    out = rolling_from(dit, data, episodes, starts, device)
    true, dreamed = [], []
    for tick in range(SHEET_TICKS):
        now = starts + count - 1 + tick
        action = torch.from_numpy(data.actions[episodes, now]).to(device)
        places = torch.from_numpy(data.places[episodes, now]).to(device)
        result = out.tick(action, out.noise(), places)
        true.append(data.gather(data.held[episodes, now, 0], device))
        dreamed.append(result.head)
    drawn = [
        data.codec.decode(torch.stack(part[1::2], 1).flatten(0, 1)).cpu().numpy()
        for part in (true, dreamed)
    ]
    pairs = [part.reshape(rows, -1, *part.shape[1:]) for part in drawn]
    return np.concatenate(
        [np.concatenate(list(row), 1) for pair in zip(*pairs, strict=True) for row in pair]
    )
