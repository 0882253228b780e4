"""How noisy the slots of recorded windows are made in training, and what is under the noise."""

from __future__ import annotations

from typing import Final, Protocol

import torch
from torch import Tensor

from world_model.config import WindowConfig
from world_model.schedule import staircase, warped

SIGMA_JITTER: Final = 0.04
LIFTED_SHARE: Final = 0.3
NO_PLAN_SHARE: Final = 0.3


class SlotNoise(Protocol):
    """Draws noise levels of slots."""

    planned: bool
    """Under the noise is the plan of the tick before, as at play; else the frames asked for."""

    def sigmas(self, shape: torch.Size) -> Tensor:
        """Return levels (B, P, T) of P windows a clip."""


class PlayedNoise:
    """The staircase, as at play, with jitter, some windows lifted by some share or to pure noise.

    A true plan shows the future nearly sharp. Trained on such plans alone, the network leans
    on them, and fades whatever moves once it must make its own.
    """

    planned = True

    def __init__(self, window: WindowConfig, device: torch.device) -> None:
        self.stairs = torch.from_numpy(staircase(window.slots, window.shift)).to(device)

    def sigmas(self, shape: torch.Size) -> Tensor:
        """Return levels (B, P, T); the tail is always pure noise."""
        device = self.stairs.device
        jitter = (torch.rand(shape, device=device) * 2 - 1) * SIGMA_JITTER
        sigmas = (self.stairs + jitter).clamp(max=1.0)
        kind = torch.rand(*shape[:2], 1, device=device)
        lift = torch.where(kind < LIFTED_SHARE, torch.rand_like(kind), torch.zeros_like(kind))
        lift = torch.where(kind > 1 - NO_PLAN_SHARE, torch.ones_like(kind), lift)
        sigmas = sigmas + lift * (1 - sigmas)
        return torch.where(self.stairs == 1, torch.ones_like(sigmas), sigmas)


class PassNoise:
    """The levels of so many passes, for worlds that draw a frame in several; any for any slot."""

    planned = False

    def __init__(self, passes: int, window: WindowConfig, device: torch.device) -> None:
        self.levels = torch.from_numpy(staircase(passes, window.shift)).to(device)

    def sigmas(self, shape: torch.Size) -> Tensor:
        """Return levels (B, P, T)."""
        return self.levels[torch.randint(len(self.levels), shape, device=self.levels.device)]


class EvenNoise:
    """One level for all slots of a window, anywhere from clean to pure noise: a model of many
    steps, which sees all frames of a window come clear at once."""

    planned = False

    def __init__(self, window: WindowConfig, device: torch.device) -> None:
        self.shift, self.device = window.shift, device

    def sigmas(self, shape: torch.Size) -> Tensor:
        """Return levels (B, P, T), warped like the staircase's."""
        steps = torch.rand(*shape[:2], 1, device=self.device)
        return warped(steps, self.shift).expand(shape)
