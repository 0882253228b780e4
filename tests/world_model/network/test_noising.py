"""Noise on latents: on what the network sees, and on nothing else."""

from __future__ import annotations

import torch

from world_model.network.noising import noised


def test_noise_hides_what_the_network_sees_and_whole_latents_keep_their_details() -> None:
    x0 = torch.randn(2, 3, 7, 4, 4)
    partly = noised(x0, torch.tensor([0.0, 0.5, 1.0]).expand(2, -1), 5)
    assert torch.equal(partly[:, 0], x0[:, 0])
    torch.testing.assert_close(partly[:, 1, 5:], 0.5 * x0[:, 1, 5:])
    assert not partly[:, 2, 5:].any()
    assert (partly[:, 1:, :5] - x0[:, 1:, :5]).abs().mean() > 0.1
    seen = noised(x0[:, :, :5], torch.ones(2, 3), 5)
    assert seen.shape == (2, 3, 5, 4, 4)
