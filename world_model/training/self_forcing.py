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

from world_model.network.dit import TOKEN_CELLS, RollingDiT
from world_model.network.rolling import RollingStep, RollOut
from world_model.training.crops import MOVED, crop, crop_places, moving_corners, open_edges
from world_model.training.device import Compute
from world_model.training.footage import Footage
from world_model.training.moment import Moment
from world_model.training.weighing import moved_cells

Moments = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class RollOutConfig:
    """Self-forcing: from step `start` on, a `share` of the steps advances the pool of worlds.

    `groups` batches of crops and `whole_groups` of whole frames take turns. A world whose worst
    token is off by more than `gate` (mean square, pixels in [-1, 1]) has left the truth. Every
    `stride`th window is a lesson; with as many as a window has slots, no two overlap (Rolling
    Forcing, section 3.3).
    """

    start: int
    share: float = 0.5
    groups: int = 6
    batch: int = 96
    crop_tokens: int = 5
    whole_groups: int = 2
    whole_batch: int = 32
    gate: float = 0.025
    stride: int = 1


class Lesson(NamedTuple):
    """What a window of the pool gave, and should have: x0 and target (B, T, 48, h, w), previous
    (B, 48, h, w) true frame, and `keep` (B, h, w): which cells the truth can judge. `moment` is
    what it was drawn from."""

    x0: Tensor
    target: Tensor
    previous: Tensor
    keep: Tensor
    moment: Moment

    def judged(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return x0, target, how much cells move and which count, as `Weighing.errors` wants it."""
        x0, target, previous = (part[:, None] for part in self[:3])
        keep = self.keep[:, None, None].expand(-1, -1, target.shape[2], -1, -1)
        return x0, target, moved_cells(target, previous), keep


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
        *,
        stride: int = 1,
        kind: type[RollOut] = RollOut,
    ) -> None:
        self.data, self.step, self.compute, self.choose = data, step, compute, choose
        self.batch, self.crop_tokens, self.gate = batch, crop_tokens, gate
        self.stride, self.kind = stride, kind
        self.ticks = kind.ticks_a_window(step.dit.window)
        self.episodes = np.zeros(batch, np.int64)
        self.now = np.zeros(batch, np.int64)
        self.done = np.ones(batch, np.bool_)
        self.ages = np.zeros(batch, np.int64)
        """Ticks that each world has played on its own."""
        self.out: RollOut | None = None
        self.dreamt = torch.zeros(0)
        """The last finished frames (B, L, 48, h, w), of a world's own making once it has played."""

    def advance(self, rng: np.random.Generator, *, graded: bool = True) -> Lesson:
        """Advance all worlds, so that a window with gradient ends every stride, and judge it.

        Not `graded`, that one has no gradient either. Worlds begin at random times within a stride.
        """
        if self.out is None:
            for _ in range(int(rng.integers(self.stride))):
                self._unseen(rng)
        for _ in range(self.stride - 1):
            self._unseen(rng)
        return self._window(rng) if graded else self._unseen(rng)

    @torch.no_grad()
    def _unseen(self, rng: np.random.Generator) -> Lesson:
        return self._window(rng)

    def _window(self, rng: np.random.Generator) -> Lesson:
        """Start anew what has ended, let all play a window, and judge."""
        if self.done.any():
            self._restart(np.flatnonzero(self.done), rng)
        assert self.out is not None
        out, device = self.out, self.compute.device
        target = self._cut(self.data.gather(self.data.held[self.episodes, self.now], device))
        previous = self.data.held[self.episodes, self.now - 1, :1]
        previous_frame = self._cut(self.data.gather(previous, device))
        moment = self._moment()
        with self.compute.autocast():
            x0 = out.play(moment.keys, moment.places)
        heads = x0[:, : self.ticks].detach().float()
        keep, entering = self._judgeable(target, previous_frame)
        error = (heads - target[:, : self.ticks]).square().mean(2).amax(1)
        tracks = F.avg_pool2d(error * keep, TOKEN_CELLS).amax((1, 2)) < self.gate
        self.dreamt = torch.cat([self.dreamt, heads], 1)[:, -self.dreamt.shape[1] :]
        self.now += self.ticks
        self.ages += self.ticks
        ended = self.now + self.ticks - 1 > self.data.ticks
        self.done = (~tracks | entering).cpu().numpy() | ended
        keep = keep * tracks[:, None, None]
        return Lesson(x0, target, previous_frame[:, 0], keep, moment)

    def _moment(self) -> Moment:
        """Return what the next window is drawn from."""
        assert self.out is not None
        out, data, device = self.out, self.data, self.compute.device
        rows, count = self.episodes[:, None], self.dreamt.shape[1]
        times = np.pad(self.now[:, None] + np.arange(-count, 0), ((0, 0), (1, 0)))
        places, trail = (
            torch.from_numpy(there).to(device)
            for there in (data.places[self.episodes, self.now], data.places[rows, times, 0])
        )
        if out.corners is not None:
            places, trail = (crop_places(part, out.corners) for part in (places, trail))
        return Moment(
            scenery=out.scenery,
            clean=torch.cat([out.first[:, None], self.dreamt], 1),
            clean_actions=torch.from_numpy(data.actions[rows, times]).to(device),
            keys=data.keys(self.episodes, self.now).to(device),
            trail=trail,
            cast=out.cast,
            places=places,
            corners=out.corners,
        )

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
        episodes, starts = self.choose(rng, count + 1 + self.ticks, len(rows))
        self.episodes[rows], self.now[rows], self.ages[rows] = episodes, starts + count - 1, 0
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
        fresh = self.kind(self.step, len(rows), device, corners, grid)
        with self.compute.autocast():
            fresh.start(cast, scenery, frames, trail, actions, plan, fresh.noise())
        if self.out is None:
            self.out, self.dreamt = fresh, frames[:, 1:]
        else:
            places = torch.from_numpy(rows).to(device)
            self.out.adopt(places, fresh)
            self.dreamt = self.dreamt.index_copy(0, places, frames[:, 1:])

    def _cut(self, latents: Tensor) -> Tensor:
        if self.crop_tokens is None:
            return latents
        assert self.out is not None
        assert self.out.corners is not None
        return crop(latents, self.out.corners, self.crop_tokens)


def rolling_from(
    dit: RollingDiT,
    data: Footage,
    episodes: NDArray[np.int64],
    starts: NDArray[np.int64],
    device: torch.device,
) -> RollOut:
    """Start whole worlds at recorded moments, always from the same noise."""
    count = dit.window.finished_frames
    out = RollOut(RollingStep(dit), len(episodes), device)
    torch.manual_seed(0)
    out.start(*recorded_start(data, episodes, starts, count, device), out.noise())
    return out


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
