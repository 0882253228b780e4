"""The rolling diffusion transformer: noisy slots and clean history in, every slot's x0 out.

Two ways to run the same network: `step`, one tick on a KV cache (play, roll-outs, export), and
`clip`, many ticks of recorded history at once (training). A test holds them equal.
Latents are (B, F, C, h, w); tokens inside are (B, F, N, width) with N = h * w.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.actions import MARKS
from world_model.config import WorldConfig
from world_model.rope import AxialRope, rotate

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
EMPTY_BIAS = -1e4
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
        return x + gate2 * self.down(hidden)


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
        self, window: Tensor, sigmas: Tensor, actions: Tensor,
        cache_k: Tensor, cache_v: Tensor, ages: Tensor,
    ) -> StepOutput:  # fmt: skip
        """Denoise one window: the single forward pass of a tick.

        window (B, 1 + T, C, h, w): the previous, finished frame, then the slots; sigmas (1 + T,);
        actions (B, 1 + T, A + 3); cache_k, cache_v (B, depth, F, N, width), raw keys;
        ages (F,): how many frames before the head each cached frame stands, 0 where empty.
        """
        x, cond = self._embed(window, window[:, :1].expand_as(window), sigmas.expand(window.shape[:2]), actions)  # fmt: skip
        cached = self.rope(-ages)
        fresh = self.rope(torch.arange(-1, self.window.slots, device=window.device))
        bias = torch.where(ages > 0, 0.0, EMPTY_BIAS).repeat_interleave(self.config.tokens)
        bias = F.pad(bias, (0, window.shape[1] * self.config.tokens))[None].to(x.dtype)
        keys, values = [], []
        for layer, block in enumerate(self.blocks):

            def attend(q: Tensor, k: Tensor, v: Tensor, layer: int = layer) -> Tensor:
                keys.append(k[:, 0].flatten(-2))
                values.append(v[:, 0].flatten(-2))
                past_k = cache_k[:, layer].unflatten(-1, k.shape[-2:])
                past_v = cache_v[:, layer].unflatten(-1, v.shape[-2:])
                q = rotate(q, fresh)
                k = torch.cat([rotate(past_k, cached), rotate(k, fresh)], 1)
                v = torch.cat([past_v, v], 1)
                known = k.shape[1] - self.window.slots
                clean = attention(q[:, :1], k[:, :known], v[:, :known], bias[:, : known * k.shape[2]])
                return torch.cat([clean, attention(q[:, 1:], k, v, bias)], 1)

            x = block(x, cond, attend)
        x0 = self._unembed(x[:, 1:], cond[:, 1:], window[:, :1])
        return StepOutput(x0, torch.stack(keys, 1), torch.stack(values, 1))

    def clip(
        self, clean: Tensor, clean_sigmas: Tensor, clean_actions: Tensor,
        slots: Tensor, slot_sigmas: Tensor, slot_actions: Tensor,
    ) -> Tensor:  # fmt: skip
        """Denoise the windows of P consecutive ticks of one recorded clip.

        clean (B, 1 + L, C, h, w): a sink frame, then L consecutive finished frames; windows
        (B, P, T, C, h, w) in `slots` are headed by the ticks after the last P of them.
        Sigmas (B, F) and actions (B, F, A + 3) are per frame, windows' ones (B, P, T, ...).
        Returns x0 (B, P, T, C, h, w).
        """
        ticks, width = slots.shape[1:3]
        previous = clean[:, -ticks:].unsqueeze(2).expand_as(slots)
        x, cond = self._embed(
            torch.cat([clean, slots.flatten(1, 2)], 1),
            torch.cat([clean, previous.flatten(1, 2)], 1),
            torch.cat([clean_sigmas, slot_sigmas.flatten(1, 2)], 1),
            torch.cat([clean_actions, slot_actions.flatten(1, 2)], 1),
        )
        attend = ClipAttention(self, clean.shape[1], ticks)
        for block in self.blocks:
            x = block(x, cond, attend)
        split = clean.shape[1]
        x0 = self._unembed(x[:, split:], cond[:, split:], previous.flatten(1, 2))
        return x0.unflatten(1, (ticks, width))

    def _embed(
        self, latents: Tensor, previous: Tensor, sigmas: Tensor, actions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Turn frames into tokens; every token also sees the previous frame at its place."""
        pair = torch.cat([latents, previous], 2).flatten(3).transpose(2, 3)
        freqs = torch.exp(torch.linspace(0.0, 5.0, SIGMA_FREQS, device=sigmas.device))
        angles = sigmas.float()[..., None] * freqs
        cond = self.sigma(torch.cat([angles.cos(), angles.sin()], -1)) + self.action(actions)
        return self.tokens_in(pair) + self.place, F.silu(cond)

    def _unembed(self, x: Tensor, cond: Tensor, previous: Tensor) -> Tensor:
        """Turn tokens into clean latents, as the change from the previous frame."""
        shift, scale = self.modulation(cond).unsqueeze(-2).chunk(2, -1)
        change = self.tokens_out(self.norm(x) * (1 + scale) + shift).transpose(2, 3)
        return previous + change.unflatten(-1, previous.shape[-2:]).float()


class ClipAttention:
    """The attention of `step`, for every tick of a clip at once: each gathers its own keys.

    Frame i of the clip stands at time i (the sink is frame 0); a window headed by tick h sees the
    sink at time h - (recent + 2), as in play, so the sink's keys are turned once per tick.
    """

    def __init__(self, dit: RollingDiT, clean: int, ticks: int) -> None:
        recent, slots, device = dit.window.recent_frames, dit.window.slots, dit.place.device
        self.clean, self.slots = clean, slots
        first_head = clean - ticks + 1
        heads = torch.arange(first_head, clean + 1)
        own = torch.cat([torch.arange(clean), (heads[:, None] + torch.arange(slots)).flatten() - 1])
        own[clean:] += 1
        frames = len(own)
        self.table = dit.rope(own.to(device))
        self.sink_table = dit.rope(torch.arange(1, clean).to(device) - recent - 1)
        past = torch.arange(1, clean)[:, None] + torch.arange(-recent, 1)
        values = F.pad(past, (1, 0))
        keys = torch.cat([frames + torch.arange(clean - 1)[:, None], past], 1)
        valid = torch.cat([torch.ones(clean - 1, 1), past > 0], 1)
        alone = F.pad(torch.zeros(1, recent + 1), (0, 1), value=1.0)
        bias = torch.where(torch.cat([alone, valid]) > 0, 0.0, EMPTY_BIAS)
        self.bias = bias.repeat_interleave(dit.config.tokens, 1)[:, None, None].to(device)
        mine = clean + torch.arange(ticks * slots).reshape(ticks, slots)
        first = torch.zeros(1, recent + 2, dtype=torch.long)
        self.groups = [
            (torch.cat([first, index]).clamp(min=0).to(device),
             torch.cat([index[-ticks:], mine], 1).clamp(min=0).to(device))
            for index in (keys, values)
        ]  # fmt: skip

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend over tokens (B, clean + P * T, N, H, head_dim)."""
        q = rotate(q, self.table)
        sinks = rotate(k[:, :1].expand(-1, self.clean - 1, -1, -1, -1), self.sink_table)
        k = torch.cat([rotate(k, self.table), sinks], 1)
        (clean_k, window_k), (clean_v, window_v) = self.groups
        bias = self.bias.to(q.dtype).repeat(q.shape[0], 1, 1, 1)
        clean = _gathered(q[:, : self.clean, None], k, v, clean_k, clean_v, bias)
        windows = q[:, self.clean :].unflatten(1, (-1, self.slots))
        window = _gathered(windows, k, v, window_k, window_v, None)
        return torch.cat([clean.flatten(1, 2), window.flatten(1, 2)], 1)


def _gathered(
    q: Tensor, k: Tensor, v: Tensor, k_index: Tensor, v_index: Tensor, bias: Tensor | None
) -> Tensor:
    """Attend groups q (B, G, n, N, H, d), each to its own frames (G, m) of k and v."""
    k = k[:, k_index.flatten()].unflatten(1, k_index.shape)
    v = v[:, v_index.flatten()].unflatten(1, v_index.shape)
    mixed = attention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), bias)
    return mixed.unflatten(0, q.shape[:2])


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Attend q (B, F, N, H, d) to k, v (B, M, N, H, d); `bias` is added per key."""
    mixed = F.scaled_dot_product_attention(
        q.flatten(1, 2).transpose(1, 2),
        k.flatten(1, 2).transpose(1, 2),
        v.flatten(1, 2).transpose(1, 2),
        attn_mask=bias,
    )
    return mixed.transpose(1, 2).unflatten(1, q.shape[1:3])
