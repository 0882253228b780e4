"""Stages 2 and 3: held-branch training, then roll-outs on the world's own output.

Held-branch: what an in-flight slot holds at play is the plan of the previous tick, made when
another button may have been held. So slots start from the *old* held branch, noised, and are
trained towards the *new* one; the true future never leaks in, and the network learns to follow
the key at once. Self-forcing: the tick of play itself, from recorded history, rolled without
gradient and then supervised by what the game did, while it still tracks the game.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.actions import DROPPED, UNKNOWN, mark_token
from world_model.config import WorldConfig
from world_model.crops import MOVED, crop, crop_places, moving_corners, open_edges
from world_model.device import Compute
from world_model.dit import RollingDiT
from world_model.errors import DataError
from world_model.footage import Footage
from world_model.optim import build_optimizers
from world_model.rolling import RollingStep, RollOut
from world_model.schedule import staircase
from world_model.self_forcing import Group, RollOutConfig, recorded_start

SLOT_WEIGHTS = (1.0, 0.5, 0.3, 0.2, 0.2)
MOTION_WEIGHT = 11.0
MOTION_SCALE = 0.035
MAX_CONTEXT_SIGMA = 0.04
NOISY_CONTEXT_SHARE = 0.3
SIGMA_JITTER = 0.04
LIFTED_SHARE = 0.3
NO_PLAN_SHARE = 0.3
SMALL_ERROR = 0.02
"""Root mean square error of a cell below which errors count by their square."""
BORROWING_COST = 0.03
"""For taking a pixel from scenery or sink where it does not matter. With a tenth of it, all is soon
taken from the scenery, coins are wiped away, and nothing is learned any more."""
CLIP_TICKS = 4
EARLY_TICKS = 12
CHANGE_SHARE, EARLY_SHARE, RESTART_SHARE = 0.5, 0.2, 0.25
CLIP_FRAMES = 6
SHEET_TICKS = 12
SHEET_WORLDS = 4


@dataclass(frozen=True)
class CropConfig:
    """Crops of held-branch clips: few of a frame's tokens move, and a step's cost is its tokens.

    A `share` of the clips is cut to `tokens` x `tokens` around something that moves, and
    `batch_factor` times as many of them fill a step.
    """

    share: float = 0.5
    tokens: int = 4
    batch_factor: int = 4


class WorldTask:
    """Trains the rolling diffusion transformer on recorded play; not its finder, see
    `train_finder`."""

    name = "world"

    def __init__(
        self,
        config: WorldConfig,
        data: Footage,
        compute: Compute,
        *,
        batch: int,
        lr: float,
        matrix_lr: float,
        roll_out: RollOutConfig,
        crops: CropConfig,
        motion_weight: float = MOTION_WEIGHT,
        passes: int = 1,
        compiled: bool = False,
    ) -> None:
        longest = max(CLIP_FRAMES, config.window.finished_frames + SHEET_TICKS)
        if data.ticks < longest:
            raise DataError(
                f"{data.ticks} ticks are too short; use `rollplay collect --ticks {longest}`"
            )
        self.config, self.data, self.compute = config, data, compute
        self.batch, self.roll_out, self.crops = batch, roll_out, crops
        self.motion_weight = motion_weight
        levels = staircase(passes, config.window.shift)
        self.levels = torch.from_numpy(levels).to(compute.device) if passes > 1 else None
        self.dit = RollingDiT(config)
        self.dit.painter.codec = data.codec
        self.dit.to(compute.device)
        self.dit.finder.requires_grad_(False)
        self.module: nn.Module = self.dit
        self._clip = torch.compile(self.dit.clip) if compiled else self.dit.clip
        self.optimizers = build_optimizers(
            self.dit, lr=lr, matrix_lr=matrix_lr, matrices=self.dit.matrices, dtype=compute.dtype
        )
        self._restarts = np.argwhere(data.restarts)
        self._pool: list[Group] = []
        slots = config.window.slots
        self.weights = torch.tensor(SLOT_WEIGHTS[:slots], device=compute.device)
        self.stairs = torch.from_numpy(staircase(slots, config.window.shift)).to(compute.device)

    def losses(self, step: int, rng: np.random.Generator, /) -> dict[str, Tensor]:
        """Return the weighted errors of latents, by clips or by roll-outs."""
        rolls = step >= self.roll_out.start and rng.random() < self.roll_out.share
        return self._roll_out_losses(rng) if rolls else self._held_branch_losses(rng)

    def _held_branch_losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Train on recorded clips, whole or cropped to where something moves."""
        device, window = self.compute.device, self.config.window
        slots, channels = window.slots, self.config.codec.channels
        cropped = rng.random() < self.crops.share
        batch = self.batch * self.crops.batch_factor if cropped else self.batch
        episodes, starts = self._choose_clips(rng, CLIP_FRAMES, batch)
        frames = starts[:, None] + np.arange(CLIP_FRAMES)
        heads = frames[:, -CLIP_TICKS:] + 1
        rows = episodes[:, None]
        times = np.pad(frames, ((0, 0), (1, 0)))
        clean = self.data.gather(self.data.held[rows, times, 0], device)
        plan = self.data.gather(self.data.held[rows, heads - 1, 1:], device)[:, :, :, :channels]
        target = self.data.gather(self.data.held[rows, heads], device)
        clean_actions = torch.from_numpy(
            np.concatenate([self.data.actions[rows, 0], self.data.actions[rows, frames]], 1)
        ).to(device)
        actions = torch.from_numpy(self.data.actions[rows, heads]).to(device)
        clean_actions, actions = self._hide(clean_actions, actions)
        sigmas = self._jittered(target.shape[:3])
        if self.levels is not None:  # frame by frame: a pass starts from the frame, as far as known
            plan = target[:, :, :, :channels]
            sigmas = self.levels[torch.randint(len(self.levels), sigmas.shape, device=device)]
        if window.renoise:
            changed = (self.data.actions[rows, heads] != self.data.actions[rows, heads - 1]).any(-1)
            new = torch.from_numpy(changed).to(device)[..., None]
            sigmas = torch.where(new, sigmas.clamp(min=window.renoise), sigmas)
        scenery, cast = self.data.scenery(episodes, device), self.data.cast(episodes, device)
        places = torch.from_numpy(self.data.places[rows, heads]).to(device)
        trail = torch.from_numpy(self.data.places[rows, times, 0]).to(device)
        corners, unknown = None, torch.zeros(1, dtype=torch.bool, device=device)
        if cropped:
            size = self.crops.tokens
            corners = moving_corners(clean[:, -CLIP_TICKS:], target[:, :, 0], size)
            places, trail = (crop_places(part, corners) for part in (places, trail))
            clean, plan, target, scenery = (
                crop(part, corners, size) for part in (clean, plan, target, scenery)
            )
            unknown = open_edges(corners, size, self.config.grid)[:, None, None]
        context_sigma = self._context_sigmas(clean.shape[:2])
        entering = torch.zeros_like(target[:, :, :1, :channels])
        with self.compute.autocast():
            x0 = self._clip(
                scenery,
                _noised(clean, context_sigma, channels),
                context_sigma,
                clean_actions,
                _noised(torch.cat([plan, entering], 2)[:, :, :slots], sigmas, channels),
                sigmas,
                actions[:, :, None].expand(-1, -1, slots, -1),
                trail,
                cast,
                places,
                corners,
            )
        moved = _moved(target, clean[:, -CLIP_TICKS:])
        keep = (~(unknown & (moved > MOVED))).float()
        return self._errors(x0, target, moved, keep)

    def _roll_out_losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Advance one group of the pool of self-played worlds by a tick."""
        config = self.roll_out
        if not self._pool:
            whole = [(None, config.whole_batch)] * config.whole_groups
            crops = [(config.crop_tokens, config.batch)]
            self._pool = [
                Group(
                    self.data, RollingStep(self.dit), self.compute, self._choose_clips,
                    batch, tokens, config.gate,
                )
                for tokens, batch in whole + crops * config.groups
            ]  # fmt: skip
        lesson = self._pool[int(rng.integers(len(self._pool)))].advance(rng)
        x0, target, previous, keep = (part[:, None] for part in lesson)
        keep = keep[:, :, None].expand(-1, -1, target.shape[2], -1, -1)
        losses = self._errors(x0, target, _moved(target, previous), keep)
        tracking = lesson.keep.amax((1, 2)).mean()
        return losses | {"tracking": tracking}

    def _choose_clips(
        self, rng: np.random.Generator, length: int, batch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Choose clips of `length` + 1 frames; in half of them or more the buttons change late.

        Some begin within an episode's first ticks: the sink then still shows the player where it
        is, which is how every session starts and rare in a recording. In some the player restarts.
        """
        episodes = rng.integers(self.data.episodes, size=batch)
        last = self.data.ticks - length
        starts = rng.integers(0, last + 1, size=batch)
        kinds = rng.random(batch)
        early = (kinds > CHANGE_SHARE) & (kinds < CHANGE_SHARE + EARLY_SHARE)
        starts[early] = rng.integers(0, min(EARLY_TICKS, last) + 1, size=int(early.sum()))
        changed, restarted = kinds <= CHANGE_SHARE, kinds > 1 - RESTART_SHARE
        for late, rows in ((self.data.changes, changed), (self._restarts, restarted)):
            count = int(rows.sum()) if len(late) else 0
            if not count:
                continue
            picked = late[rng.integers(len(late), size=count)]
            back = length - rng.integers(0, min(CLIP_TICKS, length), size=count)
            episodes[rows] = picked[:, 0]
            starts[rows] = np.clip(picked[:, 1] - back, 0, last)
        return episodes, starts

    def _hide(self, clean_actions: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Make some finished frames' actions UNKNOWN, and some clips' new actions DROPPED."""
        buttons = len(self.config.buttons)
        unknown, dropped = (
            torch.from_numpy(mark_token(buttons, mark)).to(actions) for mark in (UNKNOWN, DROPPED)
        )
        hide = torch.rand_like(clean_actions[..., :1]) < 0.05
        drop = torch.rand_like(actions[:, :1, :1]) < 0.05
        return torch.where(hide, unknown, clean_actions), torch.where(drop, dropped, actions)

    def _context_sigmas(self, shape: torch.Size) -> Tensor:
        """Return the noise levels (B, F) of finished frames: mostly 0, and of the sink always."""
        device = self.compute.device
        sigmas = torch.rand(shape, device=device) * MAX_CONTEXT_SIGMA
        sigmas[:, 0] = 0
        noisy: Tensor = torch.rand(len(sigmas), 1, device=device) < NOISY_CONTEXT_SHARE
        return sigmas * noisy

    def _jittered(self, shape: torch.Size) -> Tensor:
        """Return slot sigmas (B, P, T): the staircase with jitter, lifted by some share, or to 1.

        A true plan shows the future nearly sharp. Trained on such plans alone, the network leans
        on them, and fades whatever moves once it must make its own.
        """
        device = self.stairs.device
        jitter = (torch.rand(shape, device=device) * 2 - 1) * SIGMA_JITTER
        sigmas = (self.stairs + jitter).clamp(max=1.0)
        kind = torch.rand(*shape[:2], 1, device=device)
        lift = torch.where(kind < LIFTED_SHARE, torch.rand_like(kind), torch.zeros_like(kind))
        lift = torch.where(kind > 1 - NO_PLAN_SHARE, torch.ones_like(kind), lift)
        sigmas = sigmas + lift * (1 - sigmas)
        return torch.where(self.stairs == 1, torch.ones_like(sigmas), sigmas)

    def _errors(self, x0: Tensor, target: Tensor, moved: Tensor, keep: Tensor) -> dict[str, Tensor]:
        """Weigh the errors of x0 (B, P, T, 48, h, w): slots, `moved` cells, and cells to `keep`.

        moved, keep: (B, P, T, h, w). A cell's error is a distance, not a square: where two things
        may happen, the likelier one is drawn, and not the faint mean of both.
        """
        weight = keep * (1 + self.motion_weight * (moved / MOTION_SCALE).clamp(max=1.0))
        error = (x0.float() - target).square().mean(3)
        distance = (error + SMALL_ERROR**2).sqrt() - SMALL_ERROR
        windows = keep.amax((2, 3, 4)).sum().clamp(min=1)
        loss = ((distance * weight).mean((3, 4)) * self.weights).sum() / windows
        head = (error[:, :, 0] * keep[:, :, 0]).mean((2, 3)).sum() / windows
        return {"loss": loss + BORROWING_COST * self.dit.painter.borrowed, "head_mse": head}

    @torch.no_grad()
    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        """Roll four worlds on; rows of truth above dream, every other tick."""
        assert isinstance(module, RollingDiT)
        device, window = self.compute.device, self.config.window
        rng = np.random.default_rng(3)
        rows = SHEET_WORLDS
        count = window.finished_frames
        episodes, starts = self._choose_clips(rng, count + SHEET_TICKS, rows)
        out = RollOut(RollingStep(module), rows, device)
        torch.manual_seed(0)
        start = recorded_start(self.data, episodes, starts, count, device)
        out.start(*start, out.noise(count))
        true, dreamed = [], []
        for tick in range(SHEET_TICKS):
            now = starts + count - 1 + tick
            action = torch.from_numpy(self.data.actions[episodes, now]).to(device)
            places = torch.from_numpy(self.data.places[episodes, now]).to(device)
            result = out.tick(action, out.noise(), places)
            true.append(self.data.gather(self.data.held[episodes, now, 0], device))
            dreamed.append(result.head)
        drawn = [
            self.data.codec.decode(torch.stack(part[1::2], 1).flatten(0, 1)).cpu().numpy()
            for part in (true, dreamed)
        ]
        pairs = [part.reshape(rows, -1, *part.shape[1:]) for part in drawn]
        return np.concatenate(
            [np.concatenate(list(row), 1) for pair in zip(*pairs, strict=True) for row in pair]
        )


def _moved(target: Tensor, previous: Tensor) -> Tensor:
    """Root mean square change (B, P, T, h, w) since the true frames (B, P, 48, h, w) before."""
    return (target - previous[:, :, None]).square().mean(3).sqrt()


def _noised(x0: Tensor, sigma: Tensor, channels: int) -> Tensor:
    """Noise so many leading channels of latents (..., C, h, w) to levels `sigma` (...)."""
    level = sigma[..., None, None, None]
    noise = torch.randn_like(x0[..., :channels, :, :])
    return (1 - level) * x0 + level * F.pad(noise, (0, 0, 0, 0, 0, x0.shape[-3] - channels))
