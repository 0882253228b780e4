"""One tick of the rolling window, in torch: denoise every slot, then slide and re-noise.

This is the graph that play runs (exported as `step`) and that roll-outs train through.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from world_model.cache import CacheIndex
from world_model.config import WindowConfig
from world_model.network.attention import Memory
from world_model.network.dit import TOKEN_CELLS, Backdrop, RollingDiT
from world_model.network.noising import noised
from world_model.schedule import raised, staircase, window_sigmas

_OF_A_WORLD = (
    "scenery", "first", "cast", "previous", "window", "trail", "previous_action", "corners",
)  # fmt: skip
"""What a roll-out keeps of each world, beside the cache."""


class TickOutput(NamedTuple):
    """`head` (B, 48, h, w) finished latents; `window` (B, 1 + T, C, h, w) for the next tick; `k`,
    `v` (B, depth, N, width) of the frame that has left the window; `trail` (B, 3, A, 4) for the
    next tick; `x0` of every slot, as of `StepOutput`."""

    head: Tensor
    window: Tensor
    k: Tensor
    v: Tensor
    trail: Tensor
    x0: Tensor


class RollingStep(nn.Module):
    """One tick. The finished previous frame rides along, so its clean KV costs no second pass."""

    def __init__(self, dit: RollingDiT, slots: int | None = None) -> None:
        """Take windows of so many slots, if not those of the network."""
        super().__init__()
        self.dit = dit
        self.window = dit.window if slots is None else replace(dit.window, slots=slots)
        levels = torch.from_numpy(window_sigmas(self.window)).to(dit.embedder.place.device)
        self.register_buffer("levels", levels, persistent=False)
        self.levels: Tensor

    def forward(
        self,
        previous: Tensor,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        noise: Tensor,
        memory: Memory,
        trail: Tensor,
        cast: Tensor,
        backdrop: Backdrop,
        corners: Tensor | None = None,
        places: Tensor | None = None,
    ) -> TickOutput:
        """Map a window (see `RollingDiT.step`) and fresh noise (B, T, C, h, w) to the next one."""
        seen = sigmas, actions, memory, trail, cast, backdrop, corners, places
        out = self.dit.step(previous, window, *seen)
        channels = window.shape[2]
        slid = slide(out.x0[:, :, :channels], self.levels, noise)
        following = torch.cat([previous[:, None, :channels], slid], 1)
        trail = torch.cat([trail[:, :1], trail[:, 2:], out.places[:, :1]], 1)
        return TickOutput(out.x0[:, 0], following, out.k, out.v, trail, out.x0)


def slide(x0: Tensor, sigmas: Tensor, noise: Tensor) -> Tensor:
    """Hand the head on, and re-noise what follows, each slot to the level of the one before it.

    x0, noise (B, T, C, h, w); sigmas (1 + T,), the staircase, a finished frame's 0 first. The new
    tail is pure noise.
    """
    levels = sigmas[1:-1].reshape(-1, 1, 1, 1)
    slid = (1 - levels) * x0[:, 1:] + levels * noise[:, :-1]
    return torch.cat([slid, noise[:, -1:]], 1)


class RollOut:
    """A batch of worlds rolling on their own output: the torch twin of `world.RollingWorld`.

    `corners` (B, 2) and `grid` (height, width in tokens) where the worlds are crops of a frame.
    """

    @staticmethod
    def ticks_a_window(window: WindowConfig) -> int:  # noqa: ARG004
        """Return how many ticks `play` takes."""
        return 1

    def __init__(
        self,
        step: RollingStep,
        batch: int,
        device: torch.device,
        corners: Tensor | None = None,
        grid: tuple[int, int] | None = None,
    ) -> None:
        self.step, self.corners = step, corners
        config, window = step.dit.config, step.window
        self.sigmas = torch.from_numpy(window_sigmas(window)).to(device)
        self.raised: tuple[Tensor, ...] = ()
        if window.renoise:
            self.raised = tuple(torch.from_numpy(part).to(device) for part in raised(window))
        self.index = CacheIndex(window)
        rows, columns = grid or config.grid
        shape = (
            batch,
            config.dit.depth,
            window.cache_frames,
            rows * columns,
            config.dit.width,
        )
        cells = rows * TOKEN_CELLS, columns * TOKEN_CELLS
        self._noise_shape = (batch, window.slots, config.codec.channels, *cells)
        self.cache_k = torch.zeros(shape, device=device)
        self.cache_v = torch.zeros(shape, device=device)
        self.scenery, self.first, self.cast = (torch.zeros(0) for _ in range(3))
        self.previous, self.window = torch.zeros(0), torch.zeros(0)
        self.trail = torch.zeros(0)
        self.previous_action = torch.zeros(0)

    def start(
        self,
        cast: Tensor,
        scenery: Tensor,
        frames: Tensor,
        trail: Tensor,
        actions: Tensor,
        plan: Tensor,
        noise: Tensor,
    ) -> None:
        """Fill the cache from finished frames and set the first window.

        cast (B, D, 4, H, W): the actors' drawings; scenery (B, 48, h, w); frames (B, K, 48, h, w),
        where actors are in them, `trail` (B, K, A, 4), and the actions (B, K, ...) that caused
        them, oldest first, the first the sink; plan (B, T - 1, 48, h, w) for the slots, or more;
        noise (B, T, C, h, w).
        """
        self.cast, self.scenery, self.first, self.trail = cast, scenery, frames[:, 0], trail
        behind, channels = self._backdrop().behind, noise.shape[2]
        seen, last = frames[:, :, :channels], frames.shape[1] - 1
        for i in range(last + 1):
            earlier = i if i < 2 else i - 1  # the sink need not be right before its follower
            before, self.previous = seen[:, earlier : earlier + 1], frames[:, i]
            self.trail = trail[:, [0, earlier, i]]
            self.previous_action = actions[:, i]
            if i < last:
                own = actions[:, i : i + 1], self._memory(), self.trail
                self._push(
                    *self.step.dit.remember(frames[:, i], before, *own, behind, self.corners)
                )
        planned = plan[:, : len(self.sigmas) - 2, :channels]
        slots = slide(torch.cat([seen[:, last:], planned], 1), self.sigmas, noise)
        self.window = torch.cat([before, slots], 1)

    def noise(self) -> Tensor:
        """Draw the noise of a tick, (B, T, C, h, w)."""
        return torch.randn(self._noise_shape, device=self.cache_k.device)

    def tick(
        self,
        action: Tensor,
        noise: Tensor,
        places: Tensor | None = None,
        *,
        raising: Tensor | None = None,
    ) -> TickOutput:
        """Advance by one frame under `action`, a token; gradients do not cross ticks.

        `places` (B, T, A, 4): where actors are, if not the network is to find them. `raising`, of
        the shape of `noise`, is for slots that a new action raises; drawn if not given.
        """
        sigmas = self._raise(action, raising) if self.raised else self.sigmas
        return self._advance(action, sigmas, noise, places)

    def play(self, keys: Tensor, places: Tensor) -> Tensor:
        """Advance under the tokens `keys` (B, T, ...), of which the first is the tick's.

        Returns x0 (B, T, 48, h, w) of a window: the frame finished, and those planned behind it.
        """
        return self.tick(keys[:, 0], self.noise(), places).x0

    def _advance(
        self, action: Tensor, sigmas: Tensor, noise: Tensor, places: Tensor | None
    ) -> TickOutput:
        """Take the pass that finishes a frame."""
        inputs = self.previous, self.window, sigmas, self._actions(action), noise
        out: TickOutput = self.step(*inputs, *self._seen(), self.corners, places)
        self._push(out.k, out.v)
        self.previous, self.window = out.head.detach(), out.window.detach()
        self.trail, self.previous_action = out.trail, action
        return out

    def _actions(self, action: Tensor) -> Tensor:
        """The previous frame has the action that caused it; every slot the newest."""
        return torch.stack([self.previous_action] + [action] * (len(self.sigmas) - 1), 1)

    def _seen(self) -> tuple[Memory, Tensor, Tensor, Backdrop]:
        return self._memory(), self.trail, self.cast, self._backdrop()

    def _backdrop(self) -> Backdrop:
        """Return the session's, of the network as it is now."""
        start = self.trail[:, 0]
        return self.step.dit.backdrop(self.scenery, self.first, start, self.cast)

    def _raise(self, action: Tensor, noise: Tensor | None) -> Tensor:
        """Raise the slots of those worlds whose action is new; returns sigmas (B, 1 + T)."""
        noise = self.noise() if noise is None else noise
        new = (action != self.previous_action).any(-1, keepdim=True)
        sigmas, keep, add = self.raised
        slots = self.window[:, 1:]
        slots = torch.where(new[..., None, None, None], keep * slots + add * noise, slots)
        self.window = torch.cat([self.window[:, :1], slots], 1)
        return torch.where(new, sigmas, self.sigmas)

    def adopt(self, rows: Tensor, other: RollOut) -> None:
        """Put the worlds of `other`, whose cache is full, in place of those in `rows` (n,)."""
        mine, theirs = (torch.from_numpy(o.index.ages).argsort() for o in (self, other))
        for name in ("cache_k", "cache_v"):
            cache = getattr(self, name).clone()
            adopted = torch.empty_like(getattr(other, name))
            adopted[:, :, mine] = getattr(other, name)[:, :, theirs]
            cache[rows] = adopted
            setattr(self, name, cache)
        for name in _OF_A_WORLD:
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value.index_copy(0, rows, getattr(other, name)))

    def _memory(self) -> Memory:
        ages = torch.from_numpy(self.index.ages.copy()).to(self.cache_k.device)
        return Memory(self.cache_k, self.cache_v, ages)

    def _push(self, k: Tensor, v: Tensor) -> None:
        """Keep a finished frame; in new tensors, as a backward pass may still need the old ones."""
        places = torch.tensor(self.index.push(), device=self.cache_k.device)
        self.cache_k, self.cache_v = (
            cache.index_copy(2, places, torch.stack([new.detach().float()] * len(places), 2))
            for cache, new in ((self.cache_k, k), (self.cache_v, v))
        )


class FrameByFrame(RollOut):
    """The same network drawing one frame after the other, each from noise, in a pass a level.

    The levels are those of its window (few-step sampling as in Self Forcing, arXiv 2506.08009); the
    last pass alone carries gradients. Windows are so many consecutive frames, each under its own
    key.
    """

    @staticmethod
    def ticks_a_window(window: WindowConfig) -> int:
        """Return how many ticks `play` takes: as many as a window has frames."""
        return window.slots

    def __init__(
        self,
        step: RollingStep,
        batch: int,
        device: torch.device,
        corners: Tensor | None = None,
        grid: tuple[int, int] | None = None,
    ) -> None:
        window = step.dit.window
        super().__init__(RollingStep(step.dit, 1), batch, device, corners, grid)
        stairs = torch.from_numpy(staircase(window.slots, window.shift)).to(device)
        self.levels = [torch.stack([self.sigmas[0], level]) for level in stairs.flip(0)]

    def play(self, keys: Tensor, places: Tensor) -> Tensor:
        """Draw a window's frames, one under each of `keys` (B, T, ...)."""
        ticks = zip(keys.unbind(1), places.split(1, 1), strict=True)
        return torch.cat([self.tick(key, self.noise(), there).x0 for key, there in ticks], 1)

    def tick(
        self,
        action: Tensor,
        noise: Tensor,
        places: Tensor | None = None,
        *,
        raising: Tensor | None = None,  # noqa: ARG002
    ) -> TickOutput:
        """Advance by one frame; nothing is raised, as every frame begins as pure noise."""
        with torch.no_grad():
            actions, seen = self._actions(action), (*self._seen(), self.corners, places)
        for sigmas, lower in pairwise(self.levels):
            with torch.no_grad():
                out = self.step.dit.step(self.previous, self.window, sigmas, actions, *seen)
            x0 = out.x0[:, :, : noise.shape[2]]
            slot = noised(x0, lower[1:].expand(x0.shape[:2]), noise.shape[2])
            self.window = torch.cat([self.window[:, :1], slot], 1)
        return self._advance(action, self.levels[-1], noise, places)
