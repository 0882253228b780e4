"""The training loop, on a task that takes milliseconds: schedule, EMA, resuming, pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.errors import DataError
from world_model.training.checkpoint import TENSORS, load_checkpoint
from world_model.training.distributed import Ranks
from world_model.training.optim import build_optimizers
from world_model.training.trainer import Plan, Trainer


class LineTask:
    """Fits a small network to noisy data, drawn with numpy and with torch."""

    def __init__(self, name: str = "line") -> None:
        self.name = name
        torch.manual_seed(42)
        self.module: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 1))
        self.optimizers = build_optimizers(
            self.module, lr=1e-2, matrix_lr=1e-2, matrices=[self.module[1]], dtype=torch.float32
        )
        self.drawn_by: list[float] = []

    def losses(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        x = torch.from_numpy(rng.standard_normal((16, 3), dtype=np.float32))
        error = self.module(x + 0.1 * torch.randn_like(x)) - x.sum(1, keepdim=True)
        return {"loss": error.square().mean(), "worst": error.abs().amax()}

    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        self.drawn_by.append(float(next(module.parameters()).detach().sum()))
        torch.manual_seed(0)  # what a picture needs must not disturb the training
        return np.zeros((8, 8, 3), np.uint8)


def train(directory: Path, plan: Plan, config: dict[str, Any] | None = None) -> Trainer:
    trainer = Trainer(LineTask(), plan, directory, Ranks())
    trainer.run(config or {})
    return trainer


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    for name, tensor in one.module.state_dict().items():
        assert torch.equal(other.module.state_dict()[name], tensor), name
        assert torch.equal(other.ema[name], one.ema[name]), name


def test_rates_rise_over_the_warm_up_and_fall_to_nothing_at_the_end() -> None:
    plan = Plan(steps=100, warmup=10, decay=0.5)
    rates = [plan.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)
    assert (np.diff(rates[50:]) < 0).all()


def test_training_lowers_the_loss_and_leaves_a_checkpoint_a_plot_and_pictures(
    tmp_path: Path,
) -> None:
    trainer = train(tmp_path, Plan(steps=60, warmup=5, checkpoint_every=25))
    losses = [values["loss"] for values in trainer.history]
    assert len(losses) == 60
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {f"samples_{step:06d}.png" for step in (25, 50, 60)}
    assert names == {TENSORS, "checkpoint.json", "losses.png", *pictures}


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    plan = Plan(steps=24, warmup=4, checkpoint_every=8)
    whole = train(tmp_path / "whole", plan)

    class Interrupted(LineTask):
        def losses(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
            if step == 13:
                raise KeyboardInterrupt
            return super().losses(step, rng)

    first = Trainer(Interrupted(), plan, tmp_path / "parts", Ranks())
    with pytest.raises(KeyboardInterrupt):
        first.run({})
    rest = train(tmp_path / "parts", plan)
    assert_same_weights(rest, whole)
    assert rest.history == whole.history


def test_seeds_decide_what_is_learnt(tmp_path: Path) -> None:
    runs = [train(tmp_path / str(i), Plan(steps=6, seed=seed)) for i, seed in enumerate((1, 1, 2))]
    assert_same_weights(runs[0], runs[1])
    assert runs[0].history != runs[2].history


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    done = train(tmp_path, Plan(steps=6))
    again = train(tmp_path, Plan(steps=6))
    assert again.step == 6
    assert_same_weights(done, again)


def test_a_longer_plan_goes_on_from_where_the_shorter_ended(tmp_path: Path) -> None:
    train(tmp_path, Plan(steps=6))
    longer = train(tmp_path, Plan(steps=9))
    assert len(longer.history) == 9


def test_a_directory_of_another_task_or_size_is_refused(tmp_path: Path) -> None:
    train(tmp_path, Plan(steps=2), {"widths": (1, 2)})
    train(tmp_path, Plan(steps=2), {"widths": (1, 2)})
    with pytest.raises(DataError, match="other sizes; choose another --out"):
        train(tmp_path, Plan(steps=3), {"widths": (1, 3)})
    with pytest.raises(DataError, match="holds a run of 'line', not of 'curve'"):
        Trainer(LineTask("curve"), Plan(steps=3), tmp_path, Ranks()).run({"widths": (1, 2)})


def test_a_broken_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / TENSORS).write_bytes(b"broken")
    with pytest.raises(DataError, match="broken checkpoint"):
        train(tmp_path, Plan(steps=2))
    assert (tmp_path / TENSORS).read_bytes() == b"broken"


def test_the_moving_average_follows_the_weights_and_draws_the_pictures(tmp_path: Path) -> None:
    task = LineTask()
    trainer = Trainer(task, Plan(steps=30, warmup=1, checkpoint_every=30), tmp_path, Ranks())
    name, weight = next(iter(trainer.module.state_dict().items()))
    first = weight.clone()
    trainer.run({})
    trained, average = trainer.module.state_dict()[name], trainer.ema[name]
    assert torch.equal(trained, weight), "the trained weights are back after the picture"
    assert task.drawn_by == [float(average.sum())]
    assert 0 < (average - trained).norm() < (trained - first).norm()
    assert trainer.module.training


def test_finished_weights_are_added_beside_the_trained_ones(tmp_path: Path) -> None:
    trainer = train(tmp_path, Plan(steps=2))
    trained = {name: tensor.clone() for name, tensor in trainer.module.state_dict().items()}
    trainer.finish(trainer.ema_module())
    groups, state = load_checkpoint(tmp_path)
    for name, tensor in trainer.ema.items():
        assert torch.equal(groups["final"][name], tensor)
        assert torch.equal(groups["model"][name], trained[name]), "a longer plan goes on from here"
    assert state["step"] == 2


def test_a_plan_of_minutes_is_gone_through_in_that_time_and_resumes(tmp_path: Path) -> None:
    plan = Plan(steps=1000, warmup=100, minutes=1.0, checkpoint_every=10**6)

    def timed(minutes: float) -> Trainer:
        now = iter(range(0, 10**6, 3))  # each step takes three seconds
        trainer = Trainer(
            LineTask(), replace(plan, minutes=minutes), tmp_path, Ranks(), lambda: float(next(now))
        )
        trainer.run({})
        return trainer

    first = timed(1.0)
    assert (first.step, first.seconds, first.position) == (20, 60.0, 1000)
    longer = timed(1.5)
    assert (longer.step, longer.seconds) == (30, 90.0)
    assert plan.position(7, 30.0) == 500, "halfway, whatever the number of steps"


class Grumbler:
    """Objects to the second checkpoint it is asked about."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Tensor]] = []

    def objection(self, module: nn.Module) -> str | None:
        self.asked.append({name: t.clone() for name, t in module.state_dict().items()})
        return "it got worse" if len(self.asked) == 2 else None


def test_a_run_ends_with_the_weights_before_those_its_guard_objects_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guard, plan = Grumbler(), Plan(steps=40, warmup=4, checkpoint_every=8)
    trainer = Trainer(LineTask(), plan, tmp_path, Ranks(), guard=guard)
    trainer.run({})
    assert trainer.step == 16
    assert "line: stopped at step 16: it got worse" in capsys.readouterr().out
    good, bad = guard.asked
    for name, tensor in trainer.ema_module().state_dict().items():
        assert torch.equal(tensor, good[name])
        assert not torch.equal(tensor, bad[name])
    trainer.live()
    again = Trainer(LineTask(), plan, tmp_path, Ranks(), guard=Grumbler())
    again.run({})
    assert (again.step, again.objection) == (16, "it got worse"), "and it stays so"
    assert_same_weights(trainer, again)
