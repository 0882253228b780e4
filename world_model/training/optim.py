"""Muon for matrices and AdamW for the rest.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum, orthogonalised by a
Newton-Schulz iteration. Equal shapes go through one batched product, in the number format that
is fastest on this machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised: every update has unit-scale singular values.

    A convolution's weight is taken as the matrix from a patch to its output.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for param in group["params"]:
                if param.grad is not None:
                    shapes[param.shape].append(param)
            for same in shapes.values():
                self._step_together(same, group)

    def _step_together(self, params: list[Tensor], group: dict[str, Any]) -> None:
        looks_ahead = []
        for param in params:
            state = self.state[param]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(param)
            gradient = param.grad
            assert gradient is not None
            state["momentum"].lerp_(gradient, 1 - group["momentum"])
            looks_ahead.append(gradient.lerp(state["momentum"], group["momentum"]))
        stacked = torch.stack(looks_ahead).flatten(2)
        updates = orthogonalize(stacked.to(self._dtype)).reshape(len(params), *params[0].shape)
        rows, cols = stacked.shape[1:]
        scale = group["lr"] * max(1.0, rows / cols) ** 0.5
        for param, update in zip(params, updates, strict=True):
            param.mul_(1 - group["lr"] * group["weight_decay"])
            param.add_(update.to(param.dtype), alpha=-scale)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Push the singular values of (B, m, n) matrices towards 1 by quintic Newton-Schulz."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def build_optimizers(
    module: nn.Module,
    *,
    lr: float,
    matrix_lr: float,
    matrices: Iterable[nn.Module],
    dtype: torch.dtype,
) -> list[torch.optim.Optimizer]:
    """Muon for the weights of `matrices`' layers (if any), AdamW for every other parameter."""
    inner = {p for layers in matrices for p in layers.parameters() if p.ndim >= 2}
    rest = [p for p in module.parameters() if p.requires_grad and p not in inner]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.99), weight_decay=0.01)
    ]
    if inner:
        ordered = [p for p in module.parameters() if p in inner]
        optimizers.append(Muon(ordered, lr=matrix_lr, dtype=dtype))
    return optimizers
