"""One or several training processes: reads what `torchrun` sets, averages gradients.

A single process is the group of one; nothing else in training knows how many there are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

MOST_RANKS = 1024
"""Random streams are numbered seed * MOST_RANKS + rank."""


@dataclass(frozen=True)
class Ranks:
    """This process's place among `count` training processes."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    @classmethod
    def join(cls, device: torch.device) -> Ranks:
        """Join the group that `torchrun` started, or be alone."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    def broadcast(self, module: nn.Module) -> None:
        """Give every process the first one's weights."""
        if self.count > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def average_gradients(self, module: nn.Module) -> None:
        """Average gradients over the processes, all of them in one message."""
        if self.count == 1:
            return
        grads = [p.grad for p in module.parameters() if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.count
        offset = 0
        for grad in grads:
            grad.copy_(flat[offset : offset + grad.numel()].view_as(grad))
            offset += grad.numel()

    def wait(self) -> None:
        """Wait until every process has come this far."""
        if self.count > 1:
            dist.barrier()

    def leave(self) -> None:
        """Leave the group."""
        if self.count > 1:
            dist.destroy_process_group()
