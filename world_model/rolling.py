"""One tick of the rolling window, in torch: denoise every slot, then slide and re-noise.

This is the graph that play runs (exported as `step`) and that roll-outs train through.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.cache import CacheIndex
from world_model.dit import RollingDiT
from world_model.schedule import window_sigmas


class TickOutput(NamedTuple):
    """`head` (B, C, h, w) finished latents; `window` (B, 1 + T, C, h, w) for the next tick;
    `k`, `v` (B, depth, N, width) of the frame that has left the window; `x0` of every slot."""

    head: Tensor
    window: Tensor
    k: Tensor
    v: Tensor
    x0: Tensor


class RollingStep(nn.Module):
    """One tick. The finished previous frame rides along, so its clean KV costs no second pass."""

    def __init__(self, dit: RollingDiT) -> None:
        super().__init__()
        self.dit = dit

    def forward(
        self,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        noise: Tensor,
        cache_k: Tensor,
        cache_v: Tensor,
        ages: Tensor,
    ) -> TickOutput:
        """Map a window (see `RollingDiT.step`) and fresh `noise` of its shape to the next one."""
        x0, k, v = self.dit.step(window, sigmas, actions, cache_k, cache_v, ages)
        return TickOutput(x0[:, 0], slide(x0, sigmas, noise), k, v, x0)


def slide(x0: Tensor, sigmas: Tensor, noise: Tensor) -> Tensor:
    """Hand the head on as previous frame, and re-noise slot k to slot k - 1's level.

    x0 (B, T, C, h, w); sigmas (1 + T,); noise (B, 1 + T, C, h, w). The new tail is pure noise.
    """
    levels = sigmas.reshape(-1, 1, 1, 1)
    planned = torch.cat([x0, torch.zeros_like(x0[:, :1])], 1)
    return (1 - levels) * planned + levels * noise


class RollOut:
    """A batch of worlds rolling on their own output: the torch twin of `world.RollingWorld`."""

    def __init__(self, step: RollingStep, batch: int, device: torch.device) -> None:
        self.step = step
        config = step.dit.config
        self.sigmas = torch.from_numpy(window_sigmas(config.window)).to(device)
        self.index = CacheIndex(config.window)
        shape = (
            batch,
            config.dit.depth,
            config.window.cache_frames,
            config.tokens,
            config.dit.width,
        )
        self.cache_k = torch.zeros(shape, device=device)
        self.cache_v = torch.zeros(shape, device=device)
        self.window: Tensor | None = None
        self.previous_action: Tensor | None = None

    def start(self, frames: Tensor, actions: Tensor, plan: Tensor, noises: Tensor) -> None:
        """Fill the cache from finished frames and set the first window.

        frames (B, K, C, h, w) and their actions (B, K, A + 3), oldest first, the first the sink;
        plan (B, T - 1, C, h, w) for the slots; noises (K, B, 1 + T, C, h, w).
        """
        for i in range(frames.shape[1]):
            held = frames[:, i : i + 1].expand(-1, plan.shape[1], -1, -1, -1)
            last = i == frames.shape[1] - 1
            planned = torch.cat([frames[:, i : i + 1], plan if last else held], 1)
            self.window = slide(planned, self.sigmas, noises[i])
            self.previous_action = actions[:, i]
            if not last:
                self.tick(actions[:, i], noises[i])

    def tick(self, action: Tensor, noise: Tensor) -> TickOutput:
        """Advance by one frame under `action` (B, A + 3); gradients do not cross ticks."""
        assert self.window is not None
        assert self.previous_action is not None
        slots = self.window.shape[1] - 1
        actions = torch.stack([self.previous_action] + [action] * slots, 1)
        ages = torch.from_numpy(self.index.ages.copy()).to(self.window.device)
        out: TickOutput = self.step(
            self.window, self.sigmas, actions, noise, self.cache_k, self.cache_v, ages
        )
        place = self.index.push()
        self.cache_k = self.cache_k.index_copy(
            2, self._at(place), out.k.detach().float().unsqueeze(2)
        )
        self.cache_v = self.cache_v.index_copy(
            2, self._at(place), out.v.detach().float().unsqueeze(2)
        )
        self.window, self.previous_action = out.window.detach(), action
        return out

    def _at(self, place: int) -> Tensor:
        return torch.tensor([place], device=self.cache_k.device)


def to_tensor(array: NDArray[np.float32], device: torch.device) -> Tensor:
    """Copy an array to a device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
