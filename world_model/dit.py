"""The rolling diffusion transformer: noisy slots and clean history in, every slot's x0 out.

Two ways to run the same network: `step`, one tick on a KV cache (play, roll-outs, export), and
`clip`, many ticks of recorded history at once (training). A test holds them equal.
Latents are (B, F, C, h, w); tokens inside are (B, F, N, width) with N = h * w.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.actions import MARKS
from world_model.attention import Attend, CachedAttention, ClipAttention
from world_model.config import WorldConfig
from world_model.rope import AxialRope

SIGMA_FREQS = 32


class StepOutput(NamedTuple):
    """`x0` (B, T, C, h, w) of the slots; raw `k`, `v` (B, depth, N, width) of the clean frame."""

    x0: Tensor
    k: Tensor
    v: Tensor


class Block(nn.Module):
    """Pre-norm transformer block with AdaLN-Zero per frame (DiT, arXiv 2212.09748)."""

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-5)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, mlp_ratio * width)
        self.down = nn.Linear(mlp_ratio * width, width)
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, cond: Tensor, attend: Attend) -> Tensor:
        """Map tokens x (B, F, N, width) under cond (B, F, width)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = (
            self.modulation(cond).unsqueeze(-2).chunk(6, -1)
        )
        qkv = self.qkv(self.norm(x) * (1 + scale1) + shift1)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).unbind(-3)
        x = x + gate1 * self.out(attend(q, k, v).flatten(-2))
        hidden = F.gelu(self.up(self.norm(x) * (1 + scale2) + shift2), approximate="tanh")
        change: Tensor = gate2 * self.down(hidden)
        return x + change


class RollingDiT(nn.Module):
    """Predicts every slot's clean latents from the staircase window, the cache and the action."""

    def __init__(self, config: WorldConfig) -> None:
        super().__init__()
        self.config = config
        self.window = config.window
        dit, (channels, height, width) = config.dit, config.latent_shape
        self.tokens_in = nn.Linear(2 * channels, dit.width)
        self.place = nn.Parameter(torch.randn(config.tokens, dit.width) * 0.02)
        self.action = nn.Linear(len(config.buttons) + MARKS, dit.width)
        self.sigma = nn.Sequential(
            nn.Linear(2 * SIGMA_FREQS, dit.width), nn.SiLU(), nn.Linear(dit.width, dit.width)
        )
        self.rope = AxialRope(dit.width // dit.heads, height, width)
        self.blocks = nn.ModuleList(
            Block(dit.width, dit.heads, dit.mlp_ratio) for _ in range(dit.depth)
        )
        self.norm = nn.LayerNorm(dit.width, elementwise_affine=False, eps=1e-5)
        self.modulation = nn.Linear(dit.width, 2 * dit.width)
        self.tokens_out = nn.Linear(dit.width, channels)
        for layer in (self.modulation, self.tokens_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def step(
        self,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        cache_k: Tensor,
        cache_v: Tensor,
        ages: Tensor,
    ) -> StepOutput:
        """Denoise one window: the single forward pass of a tick.

        window (B, 1 + T, C, h, w): the previous, finished frame, then the slots; sigmas (1 + T,);
        actions (B, 1 + T, A + 3); cache_k, cache_v (B, depth, F, N, width), raw keys;
        ages (F,): how many frames before the head each cached frame stands, 0 where empty.
        """
        previous = window[:, :1]
        x, cond = self._embed(
            window,
            previous.expand_as(window),
            sigmas.expand(window.shape[:2]),
            actions,
            self.place,
        )
        attend = CachedAttention(self.rope, self.window, self.config.tokens, ages, cache_k, cache_v)
        for block in self.blocks:
            x = block(x, cond, attend)
        x0 = self._unembed(x[:, 1:], cond[:, 1:], previous / (1 - sigmas[0]))
        return StepOutput(x0, torch.stack(attend.keys, 1), torch.stack(attend.values, 1))

    def clip(
        self,
        clean: Tensor,
        clean_sigmas: Tensor,
        clean_actions: Tensor,
        slots: Tensor,
        slot_sigmas: Tensor,
        slot_actions: Tensor,
        corners: Tensor | None = None,
    ) -> Tensor:
        """Denoise the windows of P consecutive ticks of one recorded clip.

        clean (B, 1 + L, C, h, w): a sink frame, then L consecutive finished frames; windows
        (B, P, T, C, h, w) in `slots` are headed by the ticks after the last P of them.
        Sigmas (B, F) and actions (B, F, A + 3) are per frame, windows' ones (B, P, T, ...).
        `corners` (B, 2): row and column of the top left token, where the latents are crops.
        Returns x0 (B, P, T, C, h, w).
        """
        ticks, grid = slots.shape[1], (slots.shape[-2], slots.shape[-1])
        previous = clean[:, -ticks:].unsqueeze(2).expand_as(slots)
        x, cond = self._embed(
            torch.cat([clean, slots.flatten(1, 2)], 1),
            torch.cat([clean, previous.flatten(1, 2)], 1),
            torch.cat([clean_sigmas, slot_sigmas.flatten(1, 2)], 1),
            torch.cat([clean_actions, slot_actions.flatten(1, 2)], 1),
            self._places(corners, grid),
        )
        attend = ClipAttention(self.rope, self.window, grid, clean.shape[1], ticks)
        for block in self.blocks:
            x = block(x, cond, attend)
        split = clean.shape[1]
        kept = 1 - clean_sigmas[:, -ticks:, None, None, None, None]
        x0 = self._unembed(x[:, split:], cond[:, split:], (previous / kept).flatten(1, 2))
        return x0.reshape(slots.shape)

    def _embed(
        self, latents: Tensor, previous: Tensor, sigmas: Tensor, actions: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Turn frames into tokens; every token also sees the previous frame at its place."""
        pair = torch.cat([latents, previous], 2).flatten(3).transpose(2, 3)
        freqs = torch.exp(torch.linspace(0.0, 5.0, SIGMA_FREQS, device=sigmas.device))
        angles = sigmas.float()[..., None] * freqs
        cond = self.sigma(torch.cat([angles.cos(), angles.sin()], -1)) + self.action(actions)
        return self.tokens_in(pair) + place, F.silu(cond)

    def _places(self, corners: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """Return the embeddings of the tokens' places, (N, width), or (B, 1, N, width) of crops."""
        if corners is None:
            return self.place
        whole = self.place.reshape(*self.config.latent_shape[1:], -1)
        rows = corners[:, :1] + torch.arange(grid[0], device=corners.device)
        cols = corners[:, 1:] + torch.arange(grid[1], device=corners.device)
        return whole[rows[:, :, None], cols[:, None]].flatten(1, 2)[:, None]

    def _unembed(self, x: Tensor, cond: Tensor, previous: Tensor) -> Tensor:
        """Turn tokens into clean latents, as the change from the previous frame.

        That frame comes lightly noised, so scaled by 1 - sigma; `previous` is scaled back, or
        every tick would pale the picture a little.
        """
        shift, scale = self.modulation(cond).unsqueeze(-2).chunk(2, -1)
        change: Tensor = self.tokens_out(self.norm(x) * (1 + scale) + shift).transpose(2, 3)
        return previous + change.reshape(*change.shape[:3], *previous.shape[-2:]).float()
