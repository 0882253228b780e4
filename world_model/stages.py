"""Training as functions on run directories; the commands call these."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from games.platformer.physics import BUTTONS, TICKS_PER_SECOND
from world_model.checkpoint import load_checkpoint
from world_model.components import fit_codec
from world_model.config import WorldConfig
from world_model.data import Recording
from world_model.device import Compute, choose_compute
from world_model.distributed import Ranks
from world_model.dit import RollingDiT
from world_model.errors import DataError
from world_model.footage import load_footage
from world_model.presets import PRESETS, WorldRun
from world_model.train_world import WorldTask
from world_model.trainer import Plan, Trainer
from world_model.weights import read_weights, start_from

FINDER_GLIMPSES = 1024
"""Looked at in a step that does nothing else."""


def train_world(
    preset: str,
    data: Path,
    out: Path,
    *,
    steps: int | None = None,
    device: str | None = None,
    seed: int = 0,
    beginning: Path | None = None,
    finder_only: bool = False,
) -> None:
    """Train a world on a recording into `out`; it begins as `beginning`, a bundle, if not anew.

    With `finder_only` nothing but how actors move is learned, from many more glimpses a step.
    """
    size = PRESETS[preset]
    compute, ranks = _set_up(device, seed)
    recording = Recording.load(data)
    config = WorldConfig(
        name="platformer",
        game="platformer",
        buttons=BUTTONS,
        fps=TICKS_PER_SECOND,
        dit=size.dit,
        codec=size.codec,
    )
    footage = load_footage(
        recording,
        fit_codec(recording),
        config.window.slots,
        data.with_suffix(".frames.npy"),
        compute,
        ranks,
    )
    run = size.world if beginning is None else _gentler(size.world)
    task = WorldTask(
        config,
        footage,
        compute,
        batch=run.batch,
        lr=run.lr,
        matrix_lr=run.matrix_lr,
        roll_out=run.roll_out,
        crops=run.crops,
        ghost_share=run.ghost_share,
        glimpses=FINDER_GLIMPSES if finder_only else run.glimpses,
        finder_only=finder_only,
        compiled=size.compiled,
    )
    if beginning is not None:
        fresh = start_from(task.dit, read_weights(beginning))
        if ranks.first and fresh:
            tqdm.write(f"{beginning}: has no {', '.join(fresh)}; they start anew", file=sys.stderr)
    trainer = Trainer(task, _plan(run.plan, steps, seed), out, ranks)
    trainer.run(config=config.to_dict())
    if ranks.first:
        trainer.ema_module()
        trainer.finish(task.dit)
    ranks.leave()


def _gentler(run: WorldRun) -> WorldRun:
    """Return a run for weights that know something already: with lower rates, which soon fall, and
    with roll-outs at once."""
    return replace(
        run,
        plan=replace(run.plan, peak=0.6, decay=0.8),
        roll_out=replace(run.roll_out, start=run.plan.warmup),
    )


def load_dit(directory: Path) -> tuple[WorldConfig, RollingDiT]:
    """Load a world's averaged weights, also those of a run that still goes on."""
    groups, state = load_checkpoint(directory)
    if state["task"] != WorldTask.name:
        raise DataError(f"{directory}: holds a {state['task']}, not a world")
    config = WorldConfig.from_dict(state["config"])
    dit = RollingDiT(config)
    dit.load_state_dict(_averaged(groups))
    return config, dit.eval()


def _averaged(groups: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return groups.get("final", groups["ema"])


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
