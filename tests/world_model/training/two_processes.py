"""What each process of `test_distributed` runs: a training whose data differ from rank to rank.

python -m torch.distributed.run --nproc-per-node 2 two_processes.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from world_model.training.distributed import Ranks
from world_model.training.optim import build_optimizers
from world_model.training.trainer import Plan, Trainer

PLAN = Plan(steps=6, warmup=2)


class LineTask:
    """A small regression."""

    name = "line"

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.module = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 1))
        self.optimizers = build_optimizers(
            self.module, lr=1e-2, matrix_lr=1e-2, matrices=[self.module[1]], dtype=torch.float32
        )

    def losses(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        x = torch.from_numpy(rng.standard_normal((16, 3), dtype=np.float32))
        return {"loss": (self.module(x) - x.sum(1, keepdim=True)).square().mean()}

    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        return np.zeros((8, 8, 3), np.uint8)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    ranks = Ranks.join(torch.device("cpu"))
    task = LineTask(seed=ranks.rank)  # the weights differ too: the first process's must win
    Trainer(task, PLAN, out / "run", ranks).run({})
    ranks.wait()
    save_file(task.module.state_dict(), out / f"rank{ranks.rank}of{ranks.count}.safetensors")
    ranks.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
