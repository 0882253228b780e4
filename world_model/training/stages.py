"""Training as functions on run directories; the commands call these."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from games.platformer.physics import BUTTONS, TICKS_PER_SECOND
from world_model.config import WindowConfig, WorldConfig
from world_model.data import Recording
from world_model.errors import DataError
from world_model.evaluation.variants import Variant
from world_model.network.dit import RollingDiT
from world_model.training.components import fit_codec
from world_model.training.device import Compute, choose_compute
from world_model.training.distill import DistillTask
from world_model.training.distributed import Ranks
from world_model.training.footage import load_footage
from world_model.training.presets import PRESETS, DistillRun, Preset, WorldRun
from world_model.training.slot_noise import EvenNoise, PassNoise, PlayedNoise, SlotNoise
from world_model.training.train_finder import FinderTask
from world_model.training.train_world import WORLD, WorldTask
from world_model.training.trained import TEACHER, WORLDS, finder_weights, load_dit, trained
from world_model.training.trainer import Guard, Plan, Task, Trainer
from world_model.training.vitals import VitalsGuard
from world_model.training.weights import read_weights, start_from


def train_world(
    preset: str,
    data: Path,
    out: Path,
    *,
    teacher: bool = False,
    slots: int = WindowConfig.slots,
    steps: int | None = None,
    device: str | None = None,
    seed: int = 0,
    beginning: Path | None = None,
) -> None:
    """Train a world, or a teacher, of so many slots on a recording into `out`; it begins as
    `beginning`, a bundle or a run, if not anew."""
    size = PRESETS[preset]
    run = size.world if beginning is None else _gentler(size.world)
    if teacher:
        whole = size.distill.teacher
        run = replace(run, plan=whole if beginning is None else _gentler_plan(whole))
    run = replace(run, plan=_plan(run.plan, steps, seed))
    _train_world(size, WindowConfig(slots), run, data, out, device, beginning, teacher=teacher)


@dataclass(frozen=True)
class Budget:
    """So many steps of training or, instead, minutes."""

    steps: int | None = None
    minutes: float | None = None

    def share(self, part: float) -> Budget:
        """Return a part of it."""
        if self.steps is not None:
            return Budget(steps=max(1, round(part * self.steps)))
        return Budget(minutes=part * (self.minutes or 0.0))

    def plan(self, whole: Plan, seed: int) -> Plan:
        """Return a plan squeezed into it."""
        if self.steps is None:
            return replace(whole, seed=seed, minutes=self.minutes)
        warmup = max(1, round(self.steps / whole.steps * whole.warmup))
        return replace(whole, seed=seed, steps=self.steps, warmup=warmup)

    def run(self, whole: WorldRun, seed: int) -> WorldRun:
        """Return a run squeezed into it, in which roll-outs have their share."""
        start = whole.roll_out.start
        if self.steps is not None:
            start = round(self.steps / whole.plan.steps * start)
        roll_out = replace(whole.roll_out, start=start)
        return replace(whole, plan=self.plan(whole.plan, seed), roll_out=roll_out)


def train_variant(
    variant: Variant,
    preset: str,
    data: Path,
    finder: Path,
    out: Path,
    budget: Budget,
    *,
    device: str | None = None,
    seed: int = 0,
) -> tuple[Path, int, float]:
    """Train a variant of a world from scratch within a budget; returns its run directory, and the
    steps and minutes that it took."""
    size, window = PRESETS[preset], variant.window
    if not variant.distilled:
        run = variant.applied(budget.run(size.world, seed))
        trainer = _train_world(size, window, run, data, out, device)
        return out, trainer.step, trainer.seconds / 60
    world, teacher, distilled = (out / name for name in (WORLD, TEACHER, DistillTask.name))
    half, quarter = budget.share(0.5), budget.share(0.25)
    run = variant.applied(half.run(size.world, seed))
    teaching = replace(run, plan=_gentler_plan(quarter.plan(size.distill.teacher, seed)))
    distilling = replace(size.distill, plan=quarter.plan(size.distill.plan, seed))
    trainers = [
        _train_world(size, window, run, data, world, device),
        _train_world(size, window, teaching, data, teacher, device, world, teacher=True),
        _distil(distilling, world, finder, teacher, data, distilled, device),
    ]
    minutes = sum(trainer.seconds for trainer in trainers) / 60
    return distilled, sum(trainer.step for trainer in trainers), minutes


def _train_world(
    size: Preset,
    window: WindowConfig,
    run: WorldRun,
    data: Path,
    out: Path,
    device: str | None,
    beginning: Path | None = None,
    *,
    teacher: bool = False,
) -> Trainer:
    """Train a world; or a teacher, on recorded futures, each frame under its own key, all frames of
    a window at one noise level."""
    compute, ranks = _set_up(device, run.plan.seed)
    config = replace(_config(size), window=window)
    recording = Recording.load(data)
    codec = fit_codec(recording)
    footage = load_footage(recording, codec, window.slots, data, compute, ranks)
    if teacher or not run.held_branches:
        footage = footage.recorded_futures(own_keys=teacher)
    task = WorldTask(
        config,
        footage,
        compute,
        batch=run.batch,
        lr=run.lr,
        matrix_lr=run.matrix_lr,
        roll_out=replace(run.roll_out, share=0.0) if teacher else run.roll_out,
        crops=run.crops,
        motion_weight=run.motion_weight,
        noise=_noise(run, window, compute, teacher=teacher),
        compiled=size.compiled,
        name=TEACHER if teacher else WORLD,
    )
    if beginning is not None:
        _begin(task.dit, beginning, trained(beginning, WORLDS)[1], ranks)
    return _run(task, run.plan, out, config, ranks)


def _noise(run: WorldRun, window: WindowConfig, compute: Compute, *, teacher: bool) -> SlotNoise:
    if teacher:
        return EvenNoise(window, compute.device)
    if run.passes > 1:
        return PassNoise(run.passes, window, compute.device)
    return PlayedNoise(window, compute.device)


def train_distilled(
    preset: str,
    beginning: Path,
    teacher: Path,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    device: str | None = None,
    seed: int = 0,
) -> str:
    """Distil a teacher's run into the world of a bundle; returns why it ended early, if it did."""
    run = PRESETS[preset].distill
    run = replace(run, plan=_plan(run.plan, steps, seed))
    return _distil(run, beginning, beginning, teacher, data, out, device).objection


def _distil(
    run: DistillRun,
    world: Path,
    finder: Path,
    teacher: Path,
    data: Path,
    out: Path,
    device: str | None,
) -> Trainer:
    compute, ranks = _set_up(device, run.plan.seed)
    config, student = load_dit(world, finder)
    student = student.train().to(compute.device)
    teacher_config, known = trained(teacher, {TEACHER: ""})
    same = replace(teacher_config, name=config.name) == config
    if not same or not _same_latents(student.state_dict(), known):
        raise DataError(
            f"{teacher}: is no teacher of {world}'s world; "
            f"`rollplay train teacher --from {world}` makes one"
        )
    real, critic = (RollingDiT(config).to(compute.device) for _ in range(2))
    for network in (real, critic):
        network.load_state_dict(known)
    recording, codec = Recording.load(data), student.painter.codec
    footage = load_footage(recording, codec, config.window.slots, data, compute, ranks)
    task = DistillTask(student, real, critic, footage, compute, run.config)
    guard = VitalsGuard(student, footage, recording, compute.device)
    return _run(task, run.plan, out, config, ranks, guard)


def _same_latents(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Tell whether two networks see frames by the same codec."""
    names = [name for name in one if name.startswith("painter.codec.")]
    return all(name in other and torch.equal(one[name], other[name]) for name in names)


def train_finder(
    preset: str,
    out: Path,
    *,
    steps: int | None = None,
    device: str | None = None,
    seed: int = 0,
    beginning: Path | None = None,
) -> None:
    """Train a finder into `out`; it begins as that of `beginning`, a bundle, if not anew."""
    size = PRESETS[preset]
    compute, ranks = _set_up(device, seed)
    config, run = _config(size), size.finder
    task = FinderTask(config, compute, moments=run.moments, lr=run.lr, matrix_lr=run.matrix_lr)
    plan = run.plan
    if beginning is not None:
        _begin(task.finder, beginning, finder_weights(read_weights(beginning)), ranks)
        plan = _gentler_plan(plan)
    _run(task, _plan(plan, steps, seed), out, config, ranks)


def _config(size: Preset) -> WorldConfig:
    return WorldConfig(
        name="platformer",
        game="platformer",
        buttons=BUTTONS,
        fps=TICKS_PER_SECOND,
        dit=size.dit,
        codec=size.codec,
    )


def _begin(module: nn.Module, bundle: Path, weights: dict[str, Tensor], ranks: Ranks) -> None:
    fresh = start_from(module, weights)
    if ranks.first and fresh:
        tqdm.write(f"{bundle}: has no {', '.join(fresh)}; they start anew", file=sys.stderr)


def _run(
    task: Task,
    plan: Plan,
    out: Path,
    config: WorldConfig,
    ranks: Ranks,
    guard: Guard | None = None,
) -> Trainer:
    trainer = Trainer(task, plan, out, ranks, guard=guard)
    trainer.run(config=config.to_dict())
    if ranks.first:
        trainer.finish(trainer.ema_module())
    ranks.leave()
    return trainer


def _gentler(run: WorldRun) -> WorldRun:
    """Return a run for weights that know something already, with roll-outs at once."""
    return replace(
        run,
        plan=_gentler_plan(run.plan),
        roll_out=replace(run.roll_out, start=run.plan.warmup),
    )


def _gentler_plan(plan: Plan) -> Plan:
    """Return a plan for weights that know something already: lower rates, which soon fall."""
    return replace(plan, peak=0.6, decay=0.8)


def _plan(plan: Plan, steps: int | None, seed: int) -> Plan:
    return replace(plan, seed=seed, steps=plan.steps if steps is None else steps)


def _set_up(device: str | None, seed: int) -> tuple[Compute, Ranks]:
    """Join the training processes, choose where to compute, and seed the initial weights."""
    compute = choose_compute(device)
    ranks = Ranks.join(compute.device)
    if compute.device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        torch.set_float32_matmul_precision("high")
    if ranks.first:
        tqdm.write(compute.reason, file=sys.stderr)
    torch.manual_seed(seed)
    return compute, ranks
