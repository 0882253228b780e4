"""Who attends to whom: a window's slots and finished frames, on a KV cache or within a clip.

Heads and tokens are (B, frames, N, H, head_dim). Finished frames see the sink, the recent frames
and themselves; slots see all of that, the previous frame, and each other. Keys come raw and are
rotated here, at their place in time relative to the head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.config import WindowConfig
from world_model.network.rope import AxialRope, rotate

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
EMPTY_BIAS = -1e4
"""Added to the scores of places that hold no frame; finite, so that float16 engines can hold it."""


class Memory(NamedTuple):
    """The KV cache: `k` and `v` (B, depth, F, N, width) of finished frames, raw keys; `ages` (F,):
    how many frames before the head each stands, 0 where empty."""

    k: Tensor
    v: Tensor
    ages: Tensor


class CachedAttention:
    """One tick: [previous frame | slots] attend to the cache and each other, layer after layer.

    `keys` and `values` collect the previous frame's, per layer (B, N, width), for the cache.
    """

    def __init__(
        self,
        rope: AxialRope,
        slots: int,
        grid: tuple[int, int],
        memory: Memory,
    ) -> None:
        self.memory, ages = memory, memory.ages
        self.cached = _in_a_row(rope(-ages, grid))
        self.fresh = _in_a_row(rope(torch.arange(-1, slots, device=ages.device), grid))
        tokens = grid[0] * grid[1]
        bias = torch.where(ages > 0, 0.0, EMPTY_BIAS).repeat_interleave(tokens)
        self.bias = F.pad(bias, (0, (1 + slots) * tokens))[None]
        self.finished = len(ages) + 1
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend in the next layer; q may be of the slots alone."""
        layer = len(self.keys)
        self.keys.append(k[:, 0].flatten(-2))
        self.values.append(v[:, 0].flatten(-2))
        past_k = self.memory.k[:, layer].unflatten(-1, k.shape[-2:])
        past_v = self.memory.v[:, layer].unflatten(-1, v.shape[-2:])
        rows, (frames, tokens), bias = q.shape[1:3], k.shape[1:3], self.bias.to(q.dtype)
        q, k, v, past_k, past_v = (_heads_first(x) for x in (q, k, v, past_k, past_v))
        cos, sin = (part[len(part) - q.shape[2] :] for part in self.fresh)
        q = rotate(q, (cos, sin))
        k = torch.cat([rotate(past_k, self.cached), rotate(k, self.fresh)], 2)
        v = torch.cat([past_v, v], 2)
        if rows[0] < frames:
            mixed = _mixed(q, k, v, bias)
        else:
            seen = self.finished * tokens
            previous = _mixed(q[:, :, :tokens], k[:, :, :seen], v[:, :, :seen], bias[:, :seen])
            mixed = torch.cat([previous, _mixed(q[:, :, tokens:], k, v, bias)], 2)
        return torch.unflatten(mixed.transpose(1, 2), 1, rows)


class ClipAttention:
    """The same for every tick of a recorded clip at once: each gathers its own keys.

    The clip is a sink frame, `clean` - 1 consecutive finished frames, then the windows of the last
    `ticks` of them. Frame i stands at time i; a tick whose head stands at h sees the sink at time
    h - (recent + 2), as in play, so the sink's keys are rotated once per tick. Where a window keeps
    no sink, that frame sees itself and nobody else sees it.
    """

    def __init__(
        self, rope: AxialRope, window: WindowConfig, grid: tuple[int, int], clean: int, ticks: int
    ) -> None:
        recent, slots, device = window.recent_frames, window.slots, rope.time_freqs.device
        self.clean, self.slots = clean, slots
        sinks = 1 if window.sink_frames else 0
        heads = torch.arange(clean - ticks + 1, clean + 1)
        slot_times = (heads[:, None] + torch.arange(slots)).flatten()
        self.table = rope(torch.cat([torch.arange(clean), slot_times]).to(device), grid)
        self.sink_table = rope(torch.arange(1, clean).to(device) - recent - 1, grid)

        # Rows: which frames each finished frame sees. Sinks rotated for it follow all frames.
        past = torch.arange(1, clean)[:, None] + torch.arange(-recent, 1)
        rotated_sinks = clean + ticks * slots + torch.arange(clean - 1)
        seen_k = torch.cat([rotated_sinks[:, None].expand(-1, sinks), past], 1)
        seen_v = F.pad(past, (sinks, 0))
        own = clean + torch.arange(ticks * slots).reshape(ticks, slots)
        self.finished_k, self.finished_v = (_sink_row(seen).to(device) for seen in (seen_k, seen_v))
        self.window_k, self.window_v = (
            torch.cat([seen[-ticks:], own], 1).clamp(min=0).to(device) for seen in (seen_k, seen_v)
        )
        exists = F.pad(past > 0, (sinks, 0), value=True)
        alone = F.pad(torch.zeros(1, recent + sinks, dtype=torch.bool), (0, 1), value=True)
        bias = torch.where(torch.cat([alone, exists]), 0.0, EMPTY_BIAS)
        self.bias = bias.repeat_interleave(grid[0] * grid[1], 1)[:, None, None].to(device)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend over tokens (B, clean + ticks * slots, N, H, head_dim)."""
        q = rotate(q, self.table)
        sinks = rotate(k[:, :1].expand(-1, self.clean - 1, -1, -1, -1), self.sink_table)
        k = torch.cat([rotate(k, self.table), sinks], 1)
        bias = self.bias.to(q.dtype).repeat(q.shape[0], 1, 1, 1)
        finished = q[:, : self.clean, None]
        finished = _gathered(finished, k, v, self.finished_k, self.finished_v, bias)
        windows = q[:, self.clean :].unflatten(1, (-1, self.slots))
        windows = _gathered(windows, k, v, self.window_k, self.window_v, None)
        return torch.cat([finished.flatten(1, 2), windows.flatten(1, 2)], 1)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Attend q (B, F, N, H, d) to k, v (B, M, N, H, d); `bias` is added per key.

    Spelled out on a CPU, where PyTorch's fused kernel trains a third slower in bfloat16.
    """
    rows = q.shape[1:3]
    q, k, v = (_heads_first(x) for x in (q, k, v))
    mixed = _mixed(q, k, v, bias).transpose(1, 2)
    return mixed.reshape(len(mixed), *rows, *mixed.shape[2:])


def _heads_first(x: Tensor) -> Tensor:
    """See (B, F, N, H, d) as (B, H, F * N, d)."""
    return x.flatten(1, 2).transpose(1, 2).contiguous()


def _in_a_row(table: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """See a table of `AxialRope` as one for tokens behind heads, (F * N, head_dim / 2)."""
    cos, sin = (part.flatten(0, 2) for part in table)
    return cos, sin


def _mixed(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Attend q (B, H, n, d) to k, v (B, H, m, d)."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    return torch.softmax(scores, -1, dtype=scores.dtype) @ v


def _sink_row(seen: Tensor) -> Tensor:
    """Prepend the row of the sink, which sees only itself (frame 0); clamp what does not exist."""
    return F.pad(seen.clamp(min=0), (0, 0, 1, 0))


def _gathered(
    q: Tensor, k: Tensor, v: Tensor, k_index: Tensor, v_index: Tensor, bias: Tensor | None
) -> Tensor:
    """Attend groups q (B, G, n, N, H, d), each to its own frames (G, m) of k and v."""
    k = k[:, k_index.flatten()].unflatten(1, k_index.shape)
    v = v[:, v_index.flatten()].unflatten(1, v_index.shape)
    mixed = attention(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), bias)
    return mixed.reshape(*q.shape[:2], *mixed.shape[1:])
