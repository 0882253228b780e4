"""Training as functions on run directories; the commands call these."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from games.platformer.physics import BUTTONS, TICKS_PER_SECOND
from world_model.checkpoint import TENSORS, load_checkpoint
from world_model.components import fit_codec
from world_model.config import WindowConfig, WorldConfig
from world_model.data import Recording
from world_model.device import Compute, choose_compute
from world_model.distill import DistillTask
from world_model.distributed import Ranks
from world_model.dit import RollingDiT
from world_model.errors import DataError
from world_model.footage import load_footage
from world_model.presets import PRESETS, Preset, WorldRun
from world_model.slot_noise import EvenNoise, PassNoise, PlayedNoise, SlotNoise
from world_model.train_finder import FinderTask
from world_model.train_world import WorldTask
from world_model.trainer import Guard, Plan, Task, Trainer
from world_model.variants import Variant
from world_model.vitals import VitalsGuard
from world_model.weights import WEIGHTS_FILE, read_weights, start_from
from world_model.world import CONFIG_FILE, read_config

TEACHER = "teacher"


def train_world(
    preset: str,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    device: str | None = None,
    seed: int = 0,
    beginning: Path | None = None,
) -> None:
    """Train a world on a recording into `out`; it begins as `beginning`, a bundle, if not anew."""
    size = PRESETS[preset]
    run = size.world if beginning is None else _gentler(size.world)
    run = replace(run, plan=_plan(run.plan, steps, seed))
    _train_world(size, WindowConfig(), run, data, out, device, beginning)


def train_variant(
    variant: Variant,
    preset: str,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    device: str | None = None,
    seed: int = 0,
) -> tuple[int, float]:
    """Train a variant of a world from scratch, the preset's plan shortened to so many steps or
    minutes; returns the steps and minutes that it took."""
    size = PRESETS[preset]
    run = size.world if steps is None else _shortened(size.world, steps)
    run = variant.applied(replace(run, plan=replace(run.plan, seed=seed, minutes=minutes)))
    trainer = _train_world(size, variant.window, run, data, out, device)
    return trainer.step, trainer.seconds / 60


def train_teacher(
    preset: str,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    device: str | None = None,
    seed: int = 0,
    beginning: Path | None = None,
) -> None:
    """Train a teacher of many steps into `out`: recorded futures, each frame under its own key, all
    frames of a window at one noise level."""
    size = PRESETS[preset]
    plan = size.distill.teacher if beginning is None else _gentler_plan(size.distill.teacher)
    run = replace(size.world, plan=_plan(plan, steps, seed))
    _train_world(size, WindowConfig(), run, data, out, device, beginning, teacher=True)


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
    )
    if teacher:
        task.name = TEACHER
    if beginning is not None:
        _begin(task.dit, beginning, read_weights(beginning), ranks)
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
    compute, ranks = _set_up(device, seed)
    config, weights = read_config(beginning), read_weights(beginning)
    student, real, critic = (_network(config, compute) for _ in range(3))
    student.load_state_dict(weights)
    teacher_config, known = _trained(teacher, {TEACHER: ""})
    same = replace(teacher_config, name=config.name) == config
    if not same or not _same_latents(weights, known):
        raise DataError(
            f"{teacher}: is no teacher of {beginning}'s world; "
            f"`rollplay train teacher --from {beginning}` makes one"
        )
    for network in (real, critic):
        network.load_state_dict(known)
    recording, codec = Recording.load(data), student.painter.codec
    footage = load_footage(recording, codec, config.window.slots, data, compute, ranks)
    task = DistillTask(student, real, critic, footage, compute, run.config)
    guard = VitalsGuard(student, footage, recording, compute.device)
    plan = _plan(run.plan, steps, seed)
    return _run(task, plan, out, config, ranks, guard).objection


def _network(config: WorldConfig, compute: Compute) -> RollingDiT:
    return RollingDiT(config).to(compute.device)


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
        _begin(task.finder, beginning, _finder_weights(read_weights(beginning)), ranks)
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


def _shortened(run: WorldRun, steps: int) -> WorldRun:
    """Return a run of so many steps in which warm-up and roll-outs have their shares."""
    share = steps / run.plan.steps
    return replace(
        run,
        plan=replace(run.plan, steps=steps, warmup=max(1, round(share * run.plan.warmup))),
        roll_out=replace(run.roll_out, start=round(share * run.roll_out.start)),
    )


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


def load_dit(world: Path, finder: Path) -> tuple[WorldConfig, RollingDiT]:
    """Put a world's and a finder's averaged weights together, also of runs that still go on.

    Either may be a bundle instead of a run directory.
    """
    config, weights = _trained(world, {WorldTask.name: "", DistillTask.name: "student."})
    _, following = _trained(finder, {FinderTask.name: ""})
    dit = RollingDiT(config)
    try:
        dit.load_state_dict(weights)
        dit.finder.load_state_dict(_finder_weights(following) or following)
    except RuntimeError as error:
        raise DataError(f"{world}, {finder}: are not of one world ({error})") from None
    return config, dit.eval()


def weights_file(directory: Path) -> Path:
    """Return the file that holds a bundle's or a run's weights; raises DataError without one."""
    for name in (WEIGHTS_FILE, TENSORS):
        if (directory / name).exists():
            return directory / name
    raise DataError(f"{directory}: neither a bundle nor a run; `rollplay train` makes one")


def _trained(directory: Path, tasks: dict[str, str]) -> tuple[WorldConfig, dict[str, Tensor]]:
    """Read the weights of a bundle, or of a run of one of `tasks`: name -> what its weights' names
    begin with."""
    if (directory / CONFIG_FILE).exists():
        return read_config(directory), read_weights(directory)
    groups, state = load_checkpoint(directory)
    if state["task"] not in tasks:
        raise DataError(f"{directory}: holds a {state['task']}, not a {' or '.join(tasks)}")
    weights = groups.get("final", groups["ema"])
    return WorldConfig.from_dict(state["config"]), _under(tasks[state["task"]], weights)


def _finder_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what of a whole network's weights is its finder's."""
    return _under("finder.", weights)


def _under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


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
