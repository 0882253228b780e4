"""Signs of life of a world while it is trained: does it answer keys, and does it still move?

It plays on its own output and finds the player by itself, with no truth to lean on; the recording
only says what is held.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from torch import nn

from games.platformer.generator import generate
from games.platformer.physics import BUTTONS
from world_model.data import Recording
from world_model.evaluation.inverse_dynamics import ActionJudge, box_of
from world_model.network.dit import RollingDiT
from world_model.training.footage import Footage
from world_model.training.self_forcing import rolling_from

WORLDS: Final = 8
TICKS: Final = 32
MOST_LOST: Final = {"action accuracy": 0.02, "motion energy": 0.05}
"""Shares of what there was at the start."""


class Vitals(NamedTuple):
    """`action_accuracy`: share of the moves that the held buttons explain, of those that tell;
    `motion_energy`: mean square change of latents from frame to frame."""

    action_accuracy: float
    motion_energy: float


class VitalsGuard:
    """Objects to weights under which a student answers keys worse than at first, or moves less."""

    def __init__(
        self, student: RollingDiT, footage: Footage, recording: Recording, device: torch.device
    ) -> None:
        """Choose moments, and take the vitals of the student as it is."""
        rng = np.random.default_rng(5)
        self._footage, self._device = footage, device
        self._count = student.window.finished_frames
        self._ticks = min(TICKS, footage.ticks - self._count)
        last = footage.ticks - self._count - self._ticks
        self._episodes = rng.integers(footage.episodes, size=WORLDS)
        self._starts = rng.integers(0, last + 1, size=WORLDS)
        self._levels = [generate(int(recording.seeds[episode])) for episode in self._episodes]
        self.first = self.measure(student)

    def objection(self, module: nn.Module) -> str | None:
        """Say which sign of life is lost, if any; `module` holds the student under this name."""
        student = module.get_submodule("student")
        assert isinstance(student, RollingDiT)
        now = self.measure(student)
        for (name, most), first, last in zip(MOST_LOST.items(), self.first, now, strict=True):
            if last < (1 - most) * first:
                return f"{name} fell from {first:.4g} to {last:.4g}"
        return None

    @torch.no_grad()
    def measure(self, dit: RollingDiT) -> Vitals:
        """Let a network play, always from the same moments and noise."""
        data, device = self._footage, self._device
        out = rolling_from(dit, data, self._episodes, self._starts, device)
        judges = [ActionJudge(level) for level in self._levels]
        answers, energies = [], []
        for tick in range(self._ticks):
            previous = out.previous
            tokens = data.actions[self._episodes, self._starts + self._count - 1 + tick]
            out.tick(torch.from_numpy(tokens).to(device), out.noise())
            energies.append((out.previous - previous).square().mean())
            players = out.trail[:, -1, 0].tolist()
            for judge, held, place in zip(judges, tokens, players, strict=True):
                answers.append(judge.see(box_of(place), held[: len(BUTTONS)].astype(np.bool_)))
        told = [answer for answer in answers if answer is not None]
        accuracy = sum(told) / max(1, len(told))
        return Vitals(accuracy, float(torch.stack(energies).mean()))
