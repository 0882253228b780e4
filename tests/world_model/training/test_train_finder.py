"""Training of the finder: it learns, who weighs how much, and what its pictures show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from world_model.cast import NOWHERE
from world_model.config import WorldConfig
from world_model.network.finding import GLIMPSE, MOVES
from world_model.training import train_finder
from world_model.training.arcade import Arcade
from world_model.training.device import Compute
from world_model.training.train_finder import FinderTask

MOMENTS = 64
LEFT, RIGHT, JUMP = range(3)


@pytest.fixture
def config() -> WorldConfig:
    return WorldConfig(name="t", game="platformer", buttons=("left", "right", "jump"), fps=20)


@pytest.fixture
def task(config: WorldConfig) -> FinderTask:
    torch.manual_seed(0)
    compute = Compute(torch.device("cpu"), torch.float32, "test")
    return FinderTask(config, compute, moments=MOMENTS, lr=1e-3, matrix_lr=0.012)


def test_it_soon_costs_less(task: FinderTask) -> None:
    rng, costs = np.random.default_rng(0), []
    for step in range(40):
        losses = task.losses(step, rng)
        for optimizer in task.optimizers:
            optimizer.zero_grad()
        losses["loss"].backward()
        for optimizer in task.optimizers:
            optimizer.step()
        costs.append(losses["loss"].item())
    assert np.mean(costs[-5:]) < 0.8 * np.mean(costs[:5])


def test_every_step_is_given_new_moments_of_the_same_games(task: FinderTask) -> None:
    rng = np.random.default_rng(0)
    first, second = (task.losses(step, rng)["loss"].item() for step in range(2))
    assert first != second
    assert task._arcade is not None
    assert len(task._arcade.moments().held) == MOMENTS


def test_another_actor_weighs_less_and_one_that_is_nowhere_nothing(
    task: FinderTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_finder, "errors", lambda said, *_: (torch.ones(said.shape[:2]),) * 2)
    losses = task.losses(0, np.random.default_rng(0))
    games = Arcade(MOMENTS, np.random.default_rng(0)).moments()
    there = (games.trail[:, -1, 1, 0] != NOWHERE[0]).float().mean().item()
    assert 0 < there < 1
    assert losses["loss"].item() == pytest.approx(1 + train_finder.OTHERS_WEIGHT * there)
    assert (losses["missed"].item(), losses["others_missed"].item()) == (1, 1)


def test_its_pictures_mark_where_the_player_is_and_was_said_to_be(
    task: FinderTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_finder, "SHEET_MOMENTS", MOMENTS)
    with torch.no_grad():
        task.finder.say.bias[sum(MOVES)] = -9  # nobody is put back, where a glimpse does not reach
    sheet = task.samples(task.finder)
    rows, columns = train_finder.SHEET
    height, width = (side[1] - side[0] for side in GLIMPSE)
    scale = train_finder.SHEET_SCALE
    assert sheet.shape == (rows * height * scale, columns * width * scale, 3)
    first = sheet[: height * scale, : width * scale]
    assert (first == train_finder.TRUE).all(-1).any()
    assert (first == train_finder.SAID).all(-1).any()
