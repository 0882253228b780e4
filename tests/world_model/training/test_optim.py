"""Muon's orthogonalisation, and which weights it is for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from world_model.training.optim import Muon, build_optimizers, orthogonalize

RANDOM = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(16, 16), (48, 16), (16, 48)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=RANDOM) * 7
    values = torch.linalg.svdvals(orthogonalize(matrices))
    wide = torch.linalg.svdvals(matrices) > 0.1 * torch.linalg.svdvals(matrices)[:, :1]
    assert ((values[wide] > 0.5) & (values[wide] < 1.3)).all()


def test_directions_are_kept() -> None:
    matrix = torch.randn(1, 12, 8, generator=RANDOM)
    left, _, right = torch.linalg.svd(matrix[0], full_matrices=False)
    turned = left.T @ orthogonalize(matrix)[0] @ right.T
    torch.testing.assert_close(turned - turned.diag().diag(), torch.zeros(8, 8), atol=1e-4, rtol=0)
    assert (turned.diag() > 0).all()


def test_a_batch_is_every_matrix_alone() -> None:
    matrices = torch.randn(4, 6, 10, generator=RANDOM)
    alone = torch.cat([orthogonalize(matrix[None]) for matrix in matrices])
    torch.testing.assert_close(orthogonalize(matrices), alone)


def test_nothing_to_orthogonalise_stays_nothing() -> None:
    assert not orthogonalize(torch.zeros(2, 4, 4)).any()


def test_muon_learns_a_linear_map() -> None:
    goal, layer = torch.randn(6, 10, generator=RANDOM), nn.Linear(10, 6, bias=False)
    optimizer = Muon(layer.parameters(), lr=0.1, weight_decay=0.0)
    losses = []
    for step in range(120):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 120)
        optimizer.zero_grad()
        loss = (layer.weight - goal).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02 * losses[0]


def test_a_weight_without_gradient_is_left_alone() -> None:
    used, unused = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))
    optimizer = Muon([used, unused], lr=0.1)
    used.grad = torch.eye(3)
    optimizer.step()
    assert torch.equal(unused, torch.ones(3, 3))
    assert not torch.equal(used, torch.ones(3, 3))


def test_muon_gets_the_inner_matrices_and_adamw_the_rest_each_once() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2))
    adamw, muon = build_optimizers(
        module, lr=1e-3, matrix_lr=1e-2, matrices=[module[1]], dtype=torch.float32
    )
    inner = [param for group in muon.param_groups for param in group["params"]]
    rest = [param for group in adamw.param_groups for param in group["params"]]
    assert [param.shape for param in inner] == [(8, 8)]
    assert {id(param) for param in inner + rest} == {id(param) for param in module.parameters()}
    assert len(inner + rest) == len(list(module.parameters()))


def test_a_convolution_is_taken_as_the_matrix_from_a_patch_to_its_output() -> None:
    conv = nn.Parameter(torch.zeros(6, 4, 3, 3))
    gradient = torch.randn(6, 36)
    conv.grad = gradient.reshape(conv.shape)
    flat = nn.Parameter(torch.zeros(6, 36))
    flat.grad = gradient
    optimizer = Muon([conv, flat], lr=0.1)
    optimizer.step()
    torch.testing.assert_close(conv.flatten(1), flat)
    assert torch.linalg.svdvals(conv.flatten(1).detach() / 0.1).min() > 0.5


def test_without_matrices_there_is_only_adamw() -> None:
    (optimizer,) = build_optimizers(
        nn.Linear(2, 2), lr=1e-3, matrix_lr=0.0, matrices=[], dtype=torch.float32
    )
    assert isinstance(optimizer, torch.optim.AdamW)
