"""Self-forcing: worlds that go on playing on their own output while they are trained.

A pool of worlds rolls from recorded starts under recorded actions. A training step advances one
batch of it by one tick with gradient, so every tick of play that the pool takes is also a lesson,
and no tick is spent without one. A world that has left the truth would teach only blur: it starts
anew elsewhere. Good networks keep their worlds long, so the horizon grows by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from world_model.crops import MOVED, crop, crop_places, moving_corners, open_edges
from world_model.device import Compute
from world_model.dit import TOKEN_CELLS
from world_model.footage import Footage
from world_model.rolling import RollingStep, RollOut

Moments = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class RollOutConfig:
    """Self-forcing: from step `start` on, a `share` of the steps advances the pool of worlds.

    `groups` batches of crops and `whole_groups` of whole frames take turns. A world whose worst
    token is off by more than `gate` (mean square, pixels in [-1, 1]) has left the truth.
    """

    start: int
    share: float = 0.5
    groups: int = 6
    batch: int = 96
    crop_tokens: int = 5
    whole_groups: int = 2
    whole_batch: int = 32
    gate: float = 0.025


class Lesson(NamedTuple):
    """What a tick of the pool gave, and should have: x0 and target (B, T, 48, h, w), previous
    (B, 48, h, w) true frame, and `keep` (B, h, w): which cells the truth can judge."""

    x0: Tensor
    target: Tensor
    previous: Tensor
    keep: Tensor


class Group:
    """One batch of the pool: worlds of one shape that are advanced together."""

    def __init__(
        self,
        data: Footage,
        step: RollingStep,
        compute: Compute,
        choose: Callable[[np.random.Generator, int, int], Moments],
        batch: int,
        crop_tokens: int | None,
        gate: float,
    ) -> None:
        self.data, self.step, self.compute, self.choose = data, step, compute, choose
        self.batch, self.crop_tokens, self.gate = batch, crop_tokens, gate
        self.episodes = np.zeros(batch, np.int64)
        self.now = np.zeros(batch, np.int64)
        self.done = np.ones(batch, np.bool_)
        self.out: RollOut | None = None

    def advance(self, rng: np.random.Generator) -> Lesson:
        """Start anew what has ended, advance all by a tick with gradient, and judge."""
        if self.done.any():
            self._restart(np.flatnonzero(self.done), rng)
        assert self.out is not None
        out, device = self.out, self.compute.device
        action = torch.from_numpy(self.data.actions[self.episodes, self.now]).to(device)
        target = self._cut(self.data.gather(self.data.held[self.episodes, self.now], device))
        previous = self.data.held[self.episodes, self.now - 1, :1]
        previous_frame = self._cut(self.data.gather(previous, device))
        places = torch.from_numpy(self.data.places[self.episodes, self.now]).to(device)
        if out.corners is not None:
            places = crop_places(places, out.corners)
        with self.compute.autocast():
            result = out.tick(action, out.noise(), places)
        keep, entering = self._judgeable(target, previous_frame)
        error = (result.head.detach().float() - target[:, 0]).square().mean(1)
        tracks = F.avg_pool2d(error * keep, TOKEN_CELLS).amax((1, 2)) < self.gate
        self.now += 1
        self.done = (~tracks | entering).cpu().numpy() | (self.now > self.data.ticks)
        keep = keep * tracks[:, None, None]
        return Lesson(result.x0, target, previous_frame[:, 0], keep)

    def _judgeable(self, target: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Tell which cells (B, h, w) a world can know, and which worlds (B,) to leave.

        At the edge of a crop things come in that the crop has never shown. When more moves there
        than inside, the crop has lost what it was cut around.
        """
        moved = (target - previous).square().mean(2).sqrt().amax(1)
        if self.crop_tokens is None:
            return torch.ones_like(moved), torch.zeros(len(moved), dtype=torch.bool)
        assert self.out is not None
        assert self.out.corners is not None
        edge = open_edges(self.out.corners, self.crop_tokens, self.step.dit.config.grid)
        outside = (moved * edge).sum((1, 2))
        entering = (outside > MOVED) & (outside > moved.sum((1, 2)) / 2)
        return (~(edge & (moved > MOVED))).float(), entering

    @torch.no_grad()
    def _restart(self, rows: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Start `rows` at recorded moments: an episode's first frame, then its last few."""
        device, config = self.compute.device, self.step.dit.config
        count = config.window.finished_frames
        episodes, starts = self.choose(rng, count + 2, len(rows))
        self.episodes[rows], self.now[rows] = episodes, starts + count - 1
        start = recorded_start(self.data, episodes, starts, count, device)
        cast, scenery, frames, trail, actions, plan = start
        corners, grid = None, None
        if self.crop_tokens is not None:
            grid = (self.crop_tokens, self.crop_tokens)
            soon = self.data.gather(self.data.held[episodes, self.now[rows]], device)
            corners = moving_corners(frames[:, -1:], soon, self.crop_tokens)
            scenery, frames, plan = (
                crop(part, corners, self.crop_tokens) for part in (scenery, frames, plan)
            )
            trail = crop_places(trail, corners)
        fresh = RollOut(self.step, len(rows), device, corners, grid)
        with self.compute.autocast():
            fresh.start(cast, scenery, frames, trail, actions, plan, fresh.noise(count))
        if self.out is None:
            self.out = fresh
        else:
            self.out.adopt(torch.from_numpy(rows).to(device), fresh)

    def _cut(self, latents: Tensor) -> Tensor:
        if self.crop_tokens is None:
            return latents
        assert self.out is not None
        assert self.out.corners is not None
        return crop(latents, self.out.corners, self.crop_tokens)


def recorded_start(
    data: Footage,
    episodes: NDArray[np.int64],
    starts: NDArray[np.int64],
    count: int,
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return what `RollOut.start` needs of recorded moments: cast, scenery, frames, trail, actions
    and plan.

    The first of the `count` frames is the episode's first, the others follow from `starts` on.
    """
    times = starts[:, None] + np.arange(count - 1)
    times = np.concatenate([np.zeros_like(times[:, :1]), times], 1)
    rows = episodes[:, None]
    frames = data.gather(data.held[rows, times, 0], device)
    actions = torch.from_numpy(data.actions[rows, times]).to(device)
    plan = data.gather(data.held[episodes, times[:, -1], 1:], device)
    trail = torch.from_numpy(data.places[rows, times, 0]).to(device)
    cast, scenery = data.cast(episodes, device), data.scenery(episodes, device)
    return cast, scenery, frames, trail, actions, plan
