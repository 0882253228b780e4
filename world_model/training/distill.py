"""Distribution matching distillation: a critic's score against a many-step teacher's.

After Yin et al. (arXiv 2405.14867) and Rolling Forcing (arXiv 2509.25161, section 3.3): the student
plays on its own output, its windows are noised, and moved to where the frozen teacher (the real
score, with guidance) sees other frames than a critic that is trained on the student's own (the fake
score). Half of the windows are of rolling play, half were drawn frame by frame. Windows with
gradient never overlap, and each is one tick deep, so memory does not grow with the play.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.actions import DROPPED, mark_token
from world_model.network.dit import RollingDiT
from world_model.network.noising import noised
from world_model.network.rolling import FrameByFrame, RollingStep, RollOut
from world_model.training.clips import ClipChooser
from world_model.training.device import Compute
from world_model.training.dream_sheet import dream_sheet
from world_model.training.footage import Footage
from world_model.training.moment import Moment
from world_model.training.self_forcing import Group, Lesson
from world_model.training.slot_noise import EvenNoise
from world_model.training.weighing import MOTION_WEIGHT, Weighing

LEAST_APART = 0.02
"""Mean absolute difference up to which student and teacher agree for all that can be seen, and
nothing is scaled up: most windows of a world that plays well are so near."""
LATE_TICKS = 4


@dataclass(frozen=True)
class DistillConfig:
    """`critic_steps` of the critic follow each of the student, whose loss is that of distribution
    matching and a share `regression` of the distance to the replayed truth.

    `guidance` is the teacher's: 1 is none. Pools hold `batch` crops and `whole_batch` frames of
    each kind of play; for `gate` see `RollOutConfig`.
    """

    lr: float = 2e-5
    critic_lr: float = 1e-4
    critic_steps: int = 5
    guidance: float = 1.5
    regression: float = 0.25
    batch: int = 24
    crop_tokens: int = 5
    whole_batch: int = 8
    gate: float = 0.025


class Distillation(nn.Module):
    """The two networks that learn."""

    def __init__(self, student: RollingDiT, critic: RollingDiT) -> None:
        super().__init__()
        self.student, self.critic = student, critic


class DistillTask:
    """Trains a student against a critic, in turns."""

    name = "distill"

    def __init__(
        self,
        student: RollingDiT,
        teacher: RollingDiT,
        critic: RollingDiT,
        data: Footage,
        compute: Compute,
        config: DistillConfig,
    ) -> None:
        self.data, self.compute, self.config = data, compute, config
        self.teacher = teacher.requires_grad_(False)
        self.networks = Distillation(student, critic)
        for network in (student, critic):
            network.finder.requires_grad_(False)
        self.module: nn.Module = self.networks
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(network.parameters(), lr=lr, betas=(0.0, 0.999))
            for network, lr in ((student, config.lr), (critic, config.critic_lr))
        ]
        self.channels = student.config.codec.channels
        self.noise = EvenNoise(student.window, compute.device)
        self.weighing = Weighing(student.window.slots, MOTION_WEIGHT, compute.device)
        self.dropped = torch.from_numpy(mark_token(len(student.config.buttons), DROPPED))
        self._choose = ClipChooser(data, LATE_TICKS)
        self._pools = [
            self._pool(RollOut, data, stride=student.window.slots),
            self._pool(FrameByFrame, data.recorded_futures(own_keys=True), stride=1),
        ]

    def _pool(self, kind: type[RollOut], data: Footage, *, stride: int) -> list[Group]:
        config, step = self.config, RollingStep(self.networks.student)
        return [
            Group(
                data, step, self.compute, self._choose, batch, tokens, config.gate,
                stride=stride, kind=kind,
            )
            for tokens, batch in ((config.crop_tokens, config.batch), (None, config.whole_batch))
        ]  # fmt: skip

    def losses(self, step: int, rng: np.random.Generator, /) -> dict[str, Tensor]:
        """Return the student's loss at every so manieth step, the critic's at all others."""
        pool = self._pools[int(rng.integers(2))]
        group = pool[int(rng.integers(2))]
        students = step % (self.config.critic_steps + 1) == self.config.critic_steps
        lesson = group.advance(rng, graded=students)
        return self._student_losses(lesson) if students else self._critic_losses(lesson)

    def _critic_losses(self, lesson: Lesson) -> dict[str, Tensor]:
        """Teach the critic what the student's windows look like."""
        x0 = lesson.x0.detach().float()
        slots, sigmas = self._noised(x0)
        seen = self._seen(self.networks.critic, lesson.moment, slots, sigmas)
        error = (seen.float() - x0).square().mean(2) * lesson.keep[:, None]
        return {"loss": error.mean(), "critic_mse": error.mean()}

    def _student_losses(self, lesson: Lesson) -> dict[str, Tensor]:
        x0 = lesson.x0.float()
        gradient = self._gradient(x0.detach(), lesson.moment) * lesson.keep[:, None, None]
        matching = 0.5 * (x0 - (x0 - gradient).detach()).square().mean()
        judged = self.weighing.errors(*lesson.judged())
        loss = matching + self.config.regression * judged["loss"]
        return {"loss": loss, "matching": matching, "head_mse": judged["head_mse"]}

    @torch.no_grad()
    def _gradient(self, x0: Tensor, moment: Moment) -> Tensor:
        """Return (x_fake - x_real) / mean |x - x_real|, of every window (B, T, 48, h, w)."""
        slots, sigmas = self._noised(x0)
        real = self._seen(self.teacher, moment, slots, sigmas)
        if self.config.guidance != 1:
            dropped = self.dropped.to(moment.keys).expand_as(moment.keys)
            unguided = self._seen(self.teacher, moment._replace(keys=dropped), slots, sigmas)
            real = unguided + self.config.guidance * (real - unguided)
        fake = self._seen(self.networks.critic, moment, slots, sigmas)
        apart = (x0 - real).abs().mean((1, 2, 3, 4), keepdim=True).clamp(min=LEAST_APART)
        gradient: Tensor = (fake - real) / apart
        return gradient

    def _noised(self, x0: Tensor) -> tuple[Tensor, Tensor]:
        """Noise windows, all frames of each to one level."""
        sigmas = self.noise.sigmas(torch.Size((len(x0), 1, x0.shape[1])))[:, 0]
        return noised(x0[:, :, : self.channels], sigmas, self.channels), sigmas

    def _seen(self, dit: RollingDiT, moment: Moment, slots: Tensor, sigmas: Tensor) -> Tensor:
        with self.compute.autocast():
            return moment.denoised(dit, slots, sigmas).float()

    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        """Roll some worlds on, rows of truth above dream."""
        assert isinstance(module, Distillation)
        return dream_sheet(module.student, self.data, self._choose, self.compute.device)
