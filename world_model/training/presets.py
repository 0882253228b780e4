"""How long, how wide and how fast to train: `cpu` for two cores, `gpu` for one large GPU.

Steps were chosen so that `cpu` takes about an hour and a half in all on one core with bfloat16
matrix instructions (docs/training.md has the measured minutes), and `gpu` about twenty minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from world_model.config import CodecConfig, DiTConfig
from world_model.training.distill import DistillConfig
from world_model.training.self_forcing import RollOutConfig
from world_model.training.train_world import CropConfig
from world_model.training.trainer import Plan
from world_model.training.weighing import MOTION_WEIGHT


@dataclass(frozen=True)
class WorldRun:
    """A training run: held branches (or recorded futures), then also roll-outs."""

    batch: int
    lr: float
    matrix_lr: float
    roll_out: RollOutConfig
    plan: Plan
    crops: CropConfig = field(default_factory=CropConfig)
    held_branches: bool = True
    motion_weight: float = MOTION_WEIGHT
    passes: int = 1


@dataclass(frozen=True)
class DistillRun:
    """A run of distillation: plan and sizes; and how long its teacher is trained."""

    config: DistillConfig
    plan: Plan
    teacher: Plan


@dataclass(frozen=True)
class FinderRun:
    """A training run of the finder: so many new `moments` a step."""

    moments: int
    lr: float
    matrix_lr: float
    plan: Plan


@dataclass(frozen=True)
class Preset:
    """One size of everything: `episodes` of `ticks` recorded, then trained on."""

    episodes: int
    ticks: int
    codec: CodecConfig
    dit: DiTConfig
    world: WorldRun
    finder: FinderRun
    distill: DistillRun
    compiled: bool = False


PRESETS: Final = {
    "cpu": Preset(
        episodes=1280,
        ticks=112,
        codec=CodecConfig(),
        dit=DiTConfig(width=96, depth=2, heads=3, tile_width=64, cell_width=32),
        world=WorldRun(
            4,
            1e-3,
            0.012,
            RollOutConfig(start=1200, batch=40, whole_batch=12),
            Plan(steps=1800, warmup=200, decay=0.45),
        ),
        finder=FinderRun(1024, 1e-3, 0.012, Plan(steps=7500, warmup=100, decay=0.6)),
        distill=DistillRun(
            DistillConfig(),
            Plan(steps=900, warmup=60, ema=0.99, checkpoint_every=120),
            teacher=Plan(steps=900, warmup=100, decay=0.45),
        ),
    ),
    "gpu": Preset(
        episodes=8192,
        ticks=192,
        codec=CodecConfig(),
        dit=DiTConfig(),
        world=WorldRun(
            192,
            1e-3,
            0.02,
            RollOutConfig(start=2000),
            Plan(steps=12000, warmup=200, ema=0.999, checkpoint_every=1000),
        ),
        finder=FinderRun(4096, 1e-3, 0.012, Plan(steps=12000, warmup=100, decay=0.6)),
        distill=DistillRun(
            DistillConfig(batch=192, whole_batch=64),
            Plan(steps=3000, warmup=60, ema=0.99, checkpoint_every=240),
            teacher=Plan(steps=6000, warmup=200, ema=0.999, checkpoint_every=1000),
        ),
        compiled=True,
    ),
    "mini": Preset(
        episodes=6,
        ticks=24,
        codec=CodecConfig(12),
        dit=DiTConfig(width=32, depth=2, heads=2, mlp_ratio=2, tile_width=16, cell_width=8),
        world=WorldRun(
            2,
            1e-3,
            0.02,
            RollOutConfig(start=3),
            Plan(steps=6, warmup=2, checkpoint_every=3),
        ),
        finder=FinderRun(8, 1e-3, 0.012, Plan(steps=6, warmup=2, checkpoint_every=3)),
        distill=DistillRun(
            DistillConfig(batch=2, whole_batch=2, crop_tokens=4, critic_steps=2),
            Plan(steps=6, warmup=2, checkpoint_every=3),
            teacher=Plan(steps=4, warmup=2, checkpoint_every=2),
        ),
    ),
}
"""`mini` draws nothing worth seeing; it takes every path in seconds, for tests."""
