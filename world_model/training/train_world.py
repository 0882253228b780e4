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

from world_model.actions import DROPPED, UNKNOWN, mark_token
from world_model.config import WorldConfig
from world_model.errors import DataError
from world_model.network.dit import RollingDiT
from world_model.network.noising import noised
from world_model.network.rolling import RollingStep
from world_model.training.clips import CLIP_FRAMES, CLIP_TICKS, ClipChooser, recorded_clip
from world_model.training.crops import MOVED, open_edges
from world_model.training.device import Compute
from world_model.training.dream_sheet import SHEET_TICKS, dream_sheet
from world_model.training.footage import Footage
from world_model.training.optim import build_optimizers
from world_model.training.self_forcing import Group, RollOutConfig
from world_model.training.slot_noise import PlayedNoise, SlotNoise
from world_model.training.weighing import MOTION_WEIGHT, Weighing, moved_cells

MAX_CONTEXT_SIGMA = 0.04
NOISY_CONTEXT_SHARE = 0.3
BORROWING_COST = 0.03
"""For taking a pixel from scenery or sink where it does not matter. With a tenth of it, all is soon
taken from the scenery, coins are wiped away, and nothing is learned any more."""
CHOICE_WEIGHT = 5.0
"""Of the cross-entropy of where pixels come from. Errors alone have no gradient left where a source
has all of a pixel, be it the right one or not."""
WORLD = "world"


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
    `train_finder`. `noise` is how slots are noised, if not as at play; `name` says in checkpoints
    what was trained."""

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
        noise: SlotNoise | None = None,
        compiled: bool = False,
        name: str = WORLD,
    ) -> None:
        self.name = name
        longest = max(CLIP_FRAMES, config.window.finished_frames + SHEET_TICKS)
        if data.ticks < longest:
            raise DataError(
                f"{data.ticks} ticks are too short; use `rollplay collect --ticks {longest}`"
            )
        self.config, self.data, self.compute = config, data, compute
        self.batch, self.roll_out, self.crops = batch, roll_out, crops
        self.noise = noise or PlayedNoise(config.window, compute.device)
        self.weighing = Weighing(config.window.slots, motion_weight, compute.device)
        self.dit = RollingDiT(config)
        self.dit.painter.codec = data.codec
        self.dit.to(compute.device)
        self.dit.finder.requires_grad_(False)
        self.module: nn.Module = self.dit
        self._clip = torch.compile(self.dit.clip) if compiled else self.dit.clip
        self.optimizers = build_optimizers(
            self.dit, lr=lr, matrix_lr=matrix_lr, matrices=self.dit.matrices, dtype=compute.dtype
        )
        self._choose = ClipChooser(data, CLIP_TICKS)
        self._pool: list[Group] = []

    def losses(self, step: int, rng: np.random.Generator, /) -> dict[str, Tensor]:
        """Return the weighted errors of latents, by clips or by roll-outs."""
        rolls = step >= self.roll_out.start and rng.random() < self.roll_out.share
        return self._roll_out_losses(rng) if rolls else self._held_branch_losses(rng)

    def _held_branch_losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Train on recorded clips, whole or cropped to where something moves."""
        window, channels = self.config.window, self.config.codec.channels
        cropped = rng.random() < self.crops.share
        batch = self.batch * self.crops.batch_factor if cropped else self.batch
        moments = self._choose(rng, CLIP_FRAMES, batch)
        clip = recorded_clip(self.data, *moments, self.compute.device)
        actions, keys = self._hide(clip.actions, clip.keys)
        sigmas = self.noise.sigmas(clip.target.shape[:3])
        if window.renoise:
            raised = sigmas.clamp(min=window.renoise)
            sigmas = torch.where(clip.changed[..., None], raised, sigmas)
        clip = clip.cropped(self.crops.tokens) if cropped else clip
        context_sigmas = self._context_sigmas(clip.clean.shape[:2])
        hidden = clip.target[:, :, :, :channels]
        if self.noise.planned:
            entering = torch.zeros_like(hidden[:, :, :1])
            hidden = torch.cat([clip.plan[:, :, :, :channels], entering], 2)
        with self.compute.autocast():
            x0 = self._clip(
                clip.scenery,
                noised(clip.clean, context_sigmas, channels),
                context_sigmas,
                actions,
                noised(hidden, sigmas, channels),
                sigmas,
                keys,
                clip.trail,
                clip.cast,
                clip.places,
                clip.corners,
            )
        moved = moved_cells(clip.target, clip.before)
        known = self._known(clip.corners, moved)
        return self._errors(x0, clip.target, moved, known, clip.before, clip.anew)

    def _known(self, corners: Tensor | None, moved: Tensor) -> Tensor:
        """Return 0 for cells that move where a crop could not tell that they would, else 1; of the
        shape of `moved`."""
        if corners is None:
            return torch.ones_like(moved)
        edges = open_edges(corners, self.crops.tokens, self.config.grid)[:, None, None]
        return (~(edges & (moved > MOVED))).float()

    def _roll_out_losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Advance one group of the pool of self-played worlds by a tick."""
        config = self.roll_out
        if not self._pool:
            whole = [(None, config.whole_batch)] * config.whole_groups
            crops = [(config.crop_tokens, config.batch)]
            self._pool = [
                Group(
                    self.data, RollingStep(self.dit), self.compute, self._choose,
                    batch, tokens, config.gate, stride=config.stride,
                )
                for tokens, batch in whole + crops * config.groups
            ]  # fmt: skip
        group = self._pool[int(rng.integers(len(self._pool)))]
        lesson = group.advance(rng)
        moment = lesson.moment
        losses = self._errors(*lesson.judged(), moment.clean[:, -1:], moment.anew[:, None])
        tracking = lesson.keep.amax((1, 2)).mean()
        horizon = torch.tensor(float(group.ages.max()))
        return losses | {"tracking": tracking, "horizon": horizon}

    def _errors(
        self,
        x0: Tensor,
        target: Tensor,
        moved: Tensor,
        keep: Tensor,
        previous: Tensor,
        anew: Tensor,
    ) -> dict[str, Tensor]:
        """Judge the windows of P ticks, as `Weighing.errors` does; `previous` (B, P, 48, h, w) are
        the frames that they were painted on; in some slots everything starts `anew` (B, P, T)."""
        losses = self.weighing.errors(x0, target, moved, keep)
        painter = self.dit.painter
        surprise = painter.surprise(*(part.flatten(0, 1) for part in (target, previous, anew)))
        losses["choice"] = (surprise * keep.flatten(0, 1)[:, :, None]).mean()
        cost = CHOICE_WEIGHT * losses["choice"] + BORROWING_COST * painter.borrowed
        losses["loss"] = losses["loss"] + cost
        return losses

    def _hide(self, clean_actions: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Make some finished frames' actions UNKNOWN, and some clips' keys DROPPED."""
        buttons = len(self.config.buttons)
        unknown, dropped = (
            torch.from_numpy(mark_token(buttons, mark)).to(keys) for mark in (UNKNOWN, DROPPED)
        )
        hide = torch.rand_like(clean_actions[..., :1]) < 0.05
        drop = torch.rand_like(keys[:, :1, :1, :1]) < 0.05
        return torch.where(hide, unknown, clean_actions), torch.where(drop, dropped, keys)

    def _context_sigmas(self, shape: torch.Size) -> Tensor:
        """Return the noise levels (B, F) of finished frames: mostly 0, and of the sink always."""
        device = self.compute.device
        sigmas = torch.rand(shape, device=device) * MAX_CONTEXT_SIGMA
        sigmas[:, 0] = 0
        noisy: Tensor = torch.rand(len(sigmas), 1, device=device) < NOISY_CONTEXT_SHARE
        return sigmas * noisy

    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        """Roll some worlds on, rows of truth above dream."""
        assert isinstance(module, RollingDiT)
        return dream_sheet(module, self.data, self._choose, self.compute.device)
