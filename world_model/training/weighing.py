"""How much each error of latents counts."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

SLOT_WEIGHTS: Final = (1.0, 0.5, 0.3, 0.2, 0.2)
MOTION_WEIGHT: Final = 11.0
MOTION_SCALE: Final = 0.035
SMALL_ERROR: Final = 0.02
"""Root mean square error of a cell below which errors count by their square."""


class Weighing:
    """Slots count less the farther ahead they are, and cells more where something moves."""

    def __init__(self, slots: int, motion_weight: float, device: torch.device) -> None:
        self.slots = torch.tensor(SLOT_WEIGHTS[:slots], device=device)
        self.motion_weight = motion_weight

    def errors(self, x0: Tensor, target: Tensor, moved: Tensor, keep: Tensor) -> dict[str, Tensor]:
        """Weigh the errors of x0 (B, P, T, 48, h, w): `loss`, and `head_mse` of the first slots.

        moved, keep (B, P, T, h, w): by how much cells move, and whether they count. A cell's error
        is a distance, not a square: where two things may happen, the likelier one is drawn, and
        not the faint mean of both.
        """
        weight = keep * (1 + self.motion_weight * (moved / MOTION_SCALE).clamp(max=1.0))
        error = (x0.float() - target).square().mean(3)
        distance = (error + SMALL_ERROR**2).sqrt() - SMALL_ERROR
        windows = keep.amax((2, 3, 4)).sum().clamp(min=1)
        loss = ((distance * weight).mean((3, 4)) * self.slots).sum() / windows
        head = (error[:, :, 0] * keep[:, :, 0]).mean((2, 3)).sum() / windows
        return {"loss": loss, "head_mse": head}


def moved_cells(target: Tensor, previous: Tensor) -> Tensor:
    """Root mean square change (B, P, T, h, w) since the true frames (B, P, 48, h, w) before."""
    return (target - previous[:, :, None]).square().mean(3).sqrt()
