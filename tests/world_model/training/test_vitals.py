"""Signs of life: a world that ignores keys or stands still is objected to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from games.platformer.physics import BUTTONS
from world_model.config import DiTConfig, WorldConfig
from world_model.data import Recording, collect
from world_model.network.dit import RollingDiT
from world_model.network.finding import Finder
from world_model.training import vitals
from world_model.training.components import fit_codec
from world_model.training.device import Compute
from world_model.training.distributed import Ranks
from world_model.training.footage import Footage, load_footage
from world_model.training.vitals import Vitals, VitalsGuard

CPU = torch.device("cpu")


class Recorded(nn.Module):
    """A finder that says where the recording has everybody, or, `frozen`, where they were."""

    def __init__(self, footage: Footage) -> None:
        super().__init__()
        self.footage, self.frozen = footage, False
        self.now: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0))

    def forward(self, pictures: Tensor, actions: Tensor, trail: Tensor) -> Tensor:
        episodes, ticks = self.now
        self.now = episodes, ticks + 1
        if self.frozen:
            return trail[:, -1:].expand(-1, actions.shape[1], -1, -1)
        return torch.from_numpy(self.footage.places[episodes, ticks])


@pytest.fixture(autouse=True)
def little_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "WORLDS", 2)
    monkeypatch.setattr(vitals, "TICKS", 12)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return collect(4, 40, 0)


@pytest.fixture(scope="module")
def footage(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Footage:
    path = Path(tmp_path_factory.mktemp("data")) / "play.npz"
    compute = Compute(CPU, torch.float32, "test")
    return load_footage(recording, fit_codec(recording), 3, path, compute, Ranks())


@pytest.fixture
def dit(footage: Footage) -> RollingDiT:
    small = DiTConfig(width=32, depth=1, heads=2, mlp_ratio=2, tile_width=8, cell_width=8)
    dit = RollingDiT(WorldConfig("any", "platformer", BUTTONS, 20, dit=small))
    dit.painter.codec = footage.codec
    return dit.eval()


class Student(nn.Module):
    def __init__(self, student: RollingDiT) -> None:
        super().__init__()
        self.student = student


def test_a_world_that_follows_the_keys_and_moves_is_fine_and_one_that_freezes_is_not(
    recording: Recording, footage: Footage, dit: RollingDiT, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = Recorded(footage)
    dit.finder = finder  # type: ignore[assignment]

    def follow(guard: VitalsGuard) -> None:
        finder.now = guard._episodes, guard._starts + guard._count - 1

    measure = VitalsGuard.measure

    def from_the_start(self: VitalsGuard, dit: RollingDiT) -> Vitals:
        follow(self)
        return measure(self, dit)

    monkeypatch.setattr(VitalsGuard, "measure", from_the_start)
    guard = VitalsGuard(dit, footage, recording, CPU)
    assert guard.first.action_accuracy > 0.9
    assert guard.first.motion_energy > 0
    assert guard.measure(dit) == guard.first, "the same play every time"
    assert guard.objection(Student(dit)) is None
    finder.frozen = True
    objection = guard.objection(Student(dit))
    assert objection is not None
    assert objection.startswith("action accuracy fell from")


def test_less_motion_alone_is_objected_to(
    recording: Recording, footage: Footage, dit: RollingDiT, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(dit.finder, Finder)
    answers = [Vitals(0.9, 1.0), Vitals(0.89, 0.96), Vitals(0.9, 0.9)]
    monkeypatch.setattr(VitalsGuard, "measure", lambda *_: answers.pop(0))
    guard = VitalsGuard(dit, footage, recording, CPU)
    assert guard.objection(Student(dit)) is None
    assert guard.objection(Student(dit)) == "motion energy fell from 1 to 0.9"
