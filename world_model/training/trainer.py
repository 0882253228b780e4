"""The training loop that every stage shares: schedule, EMA, checkpoints, plots, several processes.

Knows nothing about codecs or worlds: a `Task` gives losses and sample pictures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from world_model.errors import DataError
from world_model.training.checkpoint import (
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from world_model.training.distributed import MOST_RANKS, Ranks

matplotlib.use("Agg")
GRAD_CLIP = 1.0


@dataclass(frozen=True)
class Plan:
    """How long and how fast: rates rise over `warmup` steps to `peak` of the full ones, and fall to
    0 over the last `decay`.

    With `minutes` the whole plan is gone through in so much training time, in as many steps as
    that allows.
    """

    steps: int
    warmup: int = 50
    decay: float = 0.35
    peak: float = 1.0
    ema: float = 0.998
    checkpoint_every: int = 125
    seed: int = 0
    minutes: float | None = None

    def position(self, step: int, seconds: float) -> int:
        """Return where on the plan, 0 to `steps`, a run stands after so many steps and seconds."""
        if self.minutes is None:
            return step
        return min(self.steps, int(self.steps * seconds / (60 * self.minutes)))

    def rate(self, step: int) -> float:
        """Return the share of the full learning rate at `step`."""
        rising = min(1.0, (step + 1) / self.warmup)
        falling = min(1.0, (self.steps - step) / max(1.0, self.decay * self.steps))
        return self.peak * rising * falling


class Task(Protocol):
    """One stage of training."""

    name: str
    module: nn.Module
    optimizers: list[torch.optim.Optimizer]

    def losses(self, step: int, rng: np.random.Generator, /) -> dict[str, Tensor]:
        """Return named scalars; `loss` is the one to descend."""

    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        """Return a contact sheet (H, W, 3) drawn by `module` (the EMA)."""


class Guard(Protocol):
    """Watches what no loss tells."""

    def objection(self, module: nn.Module) -> str | None:
        """Say why training must stop at weights before these (the EMA's), or None."""


class Trainer:
    """Runs a task to the end of its plan, resuming from the run directory where it can.

    Where the `guard` objects to a checkpoint, the run ends with the EMA of the one before.
    """

    def __init__(
        self,
        task: Task,
        plan: Plan,
        directory: Path,
        ranks: Ranks,
        clock: Callable[[], float] = time.perf_counter,
        guard: Guard | None = None,
    ) -> None:
        self.guard, self.objection = guard, ""
        self.task, self.plan, self.directory, self.ranks = task, plan, directory, ranks
        self.clock = clock
        self.module = task.module
        self.ema = {name: t.detach().clone().float() for name, t in self._named().items()}
        self.rates = [group["lr"] for opt in task.optimizers for group in opt.param_groups]
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.config: dict[str, Any] = {}
        self._live: dict[str, Tensor] = {}
        self._passed = _copied(self.ema)

    @property
    def position(self) -> int:
        """Where on the plan the run stands."""
        return self.plan.position(self.step, self.seconds)

    def resume(self) -> bool:
        """Continue from the run directory's checkpoint; False where there is none."""
        try:
            groups, state = load_checkpoint(self.directory)
        except DataError:
            if (self.directory / "checkpoint.safetensors").exists():
                raise
            return False
        if state["task"] != self.task.name:
            raise DataError(
                f"{self.directory}: holds a run of {state['task']!r}, not of "
                f"{self.task.name!r}; choose another --out"
            )
        if state["config"] != json.loads(json.dumps(self.config)):
            raise DataError(f"{self.directory}: holds a run with other sizes; choose another --out")
        self.module.load_state_dict(groups["model"])
        self.ema = {name: groups["ema"][name].to(t.device) for name, t in self.ema.items()}
        for index, optimizer in enumerate(self.task.optimizers):
            restore_optimizer(optimizer, groups.get(f"optimizer{index}", {}))
        self.step, self.history = state["step"], state["history"]
        self.seconds = state.get("seconds", 0.0)  # not in checkpoints of older versions
        self.objection = state.get("objection", "")
        self._passed = _copied(self.ema)
        return True

    def run(self, config: dict[str, Any]) -> None:
        """Train to the end of the plan, resuming where the run directory holds a checkpoint.

        Checkpoints (with `config`), a loss plot and samples are written on the way.
        """
        self.config = config
        self.resume()
        self.ranks.broadcast(self.module)
        bar = tqdm(
            total=self.plan.steps,
            initial=self.position,
            desc=self.task.name,
            disable=not self.ranks.first,
            dynamic_ncols=True,
        )
        while self.position < self.plan.steps and not self.objection:
            began = self.clock()
            values = self._advance()
            self.seconds += self.clock() - began
            self.history.append(values)
            bar.update(self.position - bar.n)
            bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()})
            if self.step % self.plan.checkpoint_every == 0 or self.position == self.plan.steps:
                self._checkpoint()
        bar.close()

    def _advance(self) -> dict[str, float]:
        seed = [self.plan.seed * MOST_RANKS + self.ranks.rank, self.step]
        rng = np.random.Generator(np.random.Philox(key=seed))
        torch.manual_seed(int(rng.integers(2**62)))
        optimizers = self.task.optimizers
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate * self.plan.rate(self.position)
        losses = self.task.losses(self.position, rng)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self.ranks.average_gradients(self.module)
        nn.utils.clip_grad_norm_(self.module.parameters(), GRAD_CLIP)
        for optimizer in optimizers:
            optimizer.step()
        self.step += 1
        decay = min(self.plan.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, tensor in self._named().items():
                self.ema[name].lerp_(tensor.float(), 1 - decay)
        return {name: float(value.detach()) for name, value in losses.items()}

    def finish(self, module: nn.Module) -> None:
        """Add `module`'s weights to the checkpoint as the final ones, and put the trained back."""
        final = _copied(module.state_dict())
        self.live()
        self._save({"final": final})

    def _save(self, more: dict[str, dict[str, Tensor]]) -> None:
        groups = {"model": self._named(), "ema": self.ema, **more}
        for index, optimizer in enumerate(self.task.optimizers):
            groups[f"optimizer{index}"] = optimizer_tensors(optimizer)
        state = {
            "task": self.task.name,
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config,
            "history": self.history,
            "objection": self.objection,
        }
        save_checkpoint(self.directory, groups, state)

    def ema_module(self) -> nn.Module:
        """Return the task's module holding the EMA weights; `live` puts the trained ones back."""
        self._live = _copied(self._named())
        self.module.load_state_dict(self.ema)
        return self.module.eval()

    def live(self) -> None:
        """Put the trained weights back, if `ema_module` has taken them out."""
        if self._live:
            self.module.load_state_dict(self._live)
            self._live = {}
        self.module.train()

    def _named(self) -> dict[str, Tensor]:
        return dict(self.module.state_dict())

    def _checkpoint(self) -> None:
        if self.guard:
            self._ask(self.guard)
        if not self.ranks.first:
            return
        self._save({})
        plot_losses(self.history, self.directory / "losses.png")
        sheet = self.task.samples(self.ema_module())
        self.live()
        Image.fromarray(sheet).save(self.directory / f"samples_{self.step:06d}.png")

    def _ask(self, guard: Guard) -> None:
        """Go back to the EMA of the checkpoint before, for good, if the guard wants it."""
        self.objection = guard.objection(self.ema_module()) or ""
        self.live()
        if self.objection:
            tqdm.write(f"{self.task.name}: stopped at step {self.step}: {self.objection}")
            self.ema = self._passed
        self._passed = _copied(self.ema)


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def plot_losses(history: list[dict[str, float]], path: Path) -> None:
    """Plot every named value over the steps, smoothed, on a logarithmic scale."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5))
    for name in history[-1]:
        values = np.array([entry[name] for entry in history if name in entry])
        width = max(1, len(values) // 100)
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axes.plot(np.arange(len(smooth)) + width, smooth, label=name)
    axes.set(xlabel="step", yscale="log")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100, bbox_inches="tight")
    plt.close(figure)
