"""A moment of play: what a window is drawn from, apart from its slots."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from world_model.cast import ANEW, COMING
from world_model.network.dit import RollingDiT


class Moment(NamedTuple):
    """As `RollingDiT.clip` wants it, of one tick: scenery (B, 48, h, w); the sink and the L last
    finished frames, `clean` (B, 1 + L, 48, h, w), with their actions, and where actors were in
    them, `trail` (B, 1 + L, A, 4); `keys` (B, T, ...), the tokens of the slots; `cast`; where
    actors are in the slots, `places` (B, T, A, 4); `corners` (B, 2) of crops."""

    scenery: Tensor
    clean: Tensor
    clean_actions: Tensor
    keys: Tensor
    trail: Tensor
    cast: Tensor
    places: Tensor
    corners: Tensor | None

    @property
    def anew(self) -> Tensor:
        """Whether everything starts anew in slots, (B, T)."""
        return self.places[..., 0, COMING] == ANEW

    def denoised(self, dit: RollingDiT, slots: Tensor, sigmas: Tensor) -> Tensor:
        """Return what x0 (B, T, 48, h, w) `dit` sees in slots (B, T, C, h, w) at levels (B, T)."""
        clean_sigmas = torch.zeros(self.clean.shape[:2], device=self.clean.device)
        return dit.clip(
            self.scenery,
            self.clean,
            clean_sigmas,
            self.clean_actions,
            slots[:, None],
            sigmas[:, None],
            self.keys[:, None],
            self.trail,
            self.cast,
            self.places[:, None],
            self.corners,
        )[:, 0]
