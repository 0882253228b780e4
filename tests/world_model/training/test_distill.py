"""Distillation: which scores are compared on what, who learns when, and what long play costs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.actions import DROPPED
from world_model.config import WorldConfig
from world_model.network.dit import RollingDiT
from world_model.network.rolling import FrameByFrame, RollOut
from world_model.training import distill
from world_model.training.device import Compute
from world_model.training.distill import DistillConfig, DistillTask
from world_model.training.footage import Footage
from world_model.training.moment import Moment

EPISODES, TICKS = 3, 24
FOREVER = 1e9
CONFIG = DistillConfig(batch=2, whole_batch=2, crop_tokens=3, critic_steps=2, gate=FOREVER)
CRITICS, STUDENTS = 0, 2
"""Steps at which either learns."""


@pytest.fixture
def tiny(tiny: WorldConfig) -> WorldConfig:
    """A frame large enough to crop: 4x5 tokens."""
    return replace(tiny, frame_height=64, frame_width=80)


@pytest.fixture
def make(
    tiny: WorldConfig,
    numbered: Callable[[WorldConfig, NDArray[np.bool_]], Footage],
    stir: Callable[..., nn.Module],
) -> Callable[..., DistillTask]:
    held = np.repeat(np.random.default_rng(0).random((EPISODES, TICKS // 3, 3)) < 0.4, 3, 1)
    footage = numbered(tiny, held)

    def build(**changes: Any) -> DistillTask:
        networks: list[Any] = [stir(RollingDiT(tiny), seed) for seed in range(3)]
        compute = Compute(torch.device("cpu"), torch.float32, "test")
        return DistillTask(*networks, footage, compute, replace(CONFIG, **changes))

    return build


def a_lesson(task: DistillTask) -> Any:
    return task._pools[0][1].advance(np.random.default_rng(0))


def graded(network: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize(("step", "learns"), [(CRITICS, "critic"), (STUDENTS, "student")])
def test_student_and_critic_learn_in_turns_and_the_teacher_never(
    make: Callable[..., DistillTask], step: int, learns: str
) -> None:
    task = make()
    task.losses(step, np.random.default_rng(0))["loss"].backward()
    networks = {"student": task.networks.student, "critic": task.networks.critic}
    assert {name for name, network in networks.items() if graded(network)} == {learns}
    assert not graded(task.teacher)
    assert not any(p.requires_grad for p in task.teacher.parameters())
    assert not any(p.requires_grad for p in task.networks.student.finder.parameters())


def test_the_gradient_of_the_matching_loss_is_the_difference_of_the_scores(
    make: Callable[..., DistillTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make(regression=0.0, guidance=3.0)
    lesson = a_lesson(task)
    offsets = {id(task.networks.critic): 0.5, id(task.teacher): 0.2}
    seen: list[tuple[int, Tensor]] = []

    def score(self: Moment, dit: RollingDiT, slots: Tensor, sigmas: Tensor) -> Tensor:
        seen.append((id(dit), slots))
        assert torch.equal(sigmas, sigmas[:, :1].expand_as(sigmas)), "one level a window"
        hidden = bool((self.keys[..., -3 + DROPPED] == 1).all())
        return lesson.x0.detach() + offsets[id(dit)] - 0.1 * hidden

    monkeypatch.setattr(Moment, "denoised", score)
    x0 = lesson.x0.detach().requires_grad_()
    loss = task._student_losses(lesson._replace(x0=x0))["loss"]
    (gradient,) = torch.autograd.grad(loss, x0)
    # Unguided .1, guided .2: the teacher sees x + .1 + 3 * .1; its distance to x is .4.
    expected = (0.5 - 0.4) / 0.4 / x0.numel()
    torch.testing.assert_close(gradient, torch.full_like(x0, expected))
    assert len({slots.data_ptr() for _, slots in seen}) == 1, "all see the same noise"
    assert [dit for dit, _ in seen].count(id(task.teacher)) == 2


def test_without_guidance_the_teacher_is_asked_once(
    make: Callable[..., DistillTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, asked = make(guidance=1.0), []
    denoised = Moment.denoised
    monkeypatch.setattr(
        Moment, "denoised", lambda self, dit, *more: asked.append(dit) or denoised(self, dit, *more)
    )
    task._student_losses(a_lesson(task))
    assert asked == [task.teacher, task.networks.critic]


def test_where_student_and_teacher_agree_nothing_is_blown_up(
    make: Callable[..., DistillTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make(guidance=1.0)
    lesson = a_lesson(task)
    tiny_step = distill.LEAST_APART / 10

    def score(_: Moment, dit: RollingDiT, *__: Tensor) -> Tensor:
        return lesson.x0.detach() + (tiny_step if dit is task.networks.critic else 0)

    monkeypatch.setattr(Moment, "denoised", score)
    gradient = task._gradient(lesson.x0.detach(), lesson.moment)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 0.1), rtol=0.1, atol=0)


def test_half_of_the_windows_are_rolling_and_half_frame_by_frame(
    make: Callable[..., DistillTask],
) -> None:
    task = make()
    kinds = [[group.kind for group in pool] for pool in task._pools]
    assert kinds == [[RollOut] * 2, [FrameByFrame] * 2]
    assert [group.stride for group in task._pools[0]] == [task.networks.student.window.slots] * 2
    for seed in range(16):
        task.losses(CRITICS, np.random.default_rng(seed))
    assert all(group.out is not None for pool in task._pools for group in pool)


def test_truth_alone_teaches_where_it_is_all_that_counts(make: Callable[..., DistillTask]) -> None:
    task = make(regression=1e6)
    losses = task._student_losses(a_lesson(task))
    judged = losses["loss"] - losses["matching"]
    assert judged > 100 * losses["matching"]
    assert losses["head_mse"] > 0


def test_memory_does_not_grow_with_the_length_of_the_play(
    make: Callable[..., DistillTask],
) -> None:
    foreign = {id(x) for x in gc.get_objects()}
    task, sizes = make(), []
    for round_ in range(3):
        for group in (group for pool in task._pools for group in pool):
            for seed in range(2):
                lesson = group.advance(np.random.default_rng(2 * round_ + seed))
                task._student_losses(lesson)["loss"].backward()
        del lesson
        gc.collect()
        own = (x for x in gc.get_objects() if id(x) not in foreign)
        storages = (x.untyped_storage() for x in own if type(x) in (Tensor, nn.Parameter))
        sizes.append(sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values()))
    assert sizes[2] <= 1.1 * sizes[0]


def test_samples_show_the_student(
    make: Callable[..., DistillTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, shown = make(), []
    monkeypatch.setattr(distill, "dream_sheet", lambda dit, *_: shown.append(dit))
    task.samples(task.module)
    assert shown == [task.networks.student]
