"""Several training processes: two of them on gloo learn what one learns from the mean gradient."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from world_model.training.distributed import Ranks
from world_model.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("two_processes.py")
PROCESSES = 2


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_the_mean_gradient(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               f"--nproc-per-node={PROCESSES}", str(SCRIPT), str(tmp_path)]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"rank{i}of{PROCESSES}.safetensors") for i in range(2))

    script = runpy.run_path(str(SCRIPT))

    class SeesAll(script["LineTask"]):  # type: ignore[misc]
        """One process with the data of all: its gradient is the mean of theirs."""

        def losses(self, step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
            keys = ([rank, step] for rank in range(PROCESSES))
            streams = [np.random.Generator(np.random.Philox(key=key)) for key in keys]
            for stream in streams:
                stream.integers(2**62)  # the trainer's own draw, which seeds torch
            each = [super(SeesAll, self).losses(step, stream) for stream in streams]
            return {"loss": torch.stack([losses["loss"] for losses in each]).mean()}

    alone = SeesAll(seed=0)
    Trainer(alone, script["PLAN"], tmp_path / "alone", Ranks()).run({})
    for name, weight in alone.module.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], weight, atol=1e-5, rtol=1e-4)
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_a_single_process_is_a_group_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = Ranks.join(torch.device("cpu"))
    assert (ranks.rank, ranks.count, ranks.first) == (0, 1, True)
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    before = layer.weight.grad.clone()
    ranks.broadcast(layer)
    ranks.average_gradients(layer)
    ranks.wait()
    ranks.leave()
    assert torch.equal(layer.weight.grad, before)
