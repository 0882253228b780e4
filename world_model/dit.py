"""The rolling diffusion transformer: noisy slots and clean history in, every slot's x0 out.

Two ways to run the same network: `step`, one tick on a KV cache (play, roll-outs, export), and
`clip`, many ticks of recorded history at once (training). A test holds them equal.
Latents are (B, F, C, h, w) in cells; a token stands for 4x4 of them, (B, F, N, width).

Convolutions on the cells, before and after the transformer, see to what is near and exact: how a
sprite moves, what it uncovers. The transformer sees to what is far: walls, routes, deaths, time.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.actions import MARKS
from world_model.attention import Attend, CachedAttention, ClipAttention
from world_model.codec import ResBlock
from world_model.config import DiTConfig, WorldConfig
from world_model.rope import AxialRope

SIGMA_FREQS = 32
TOKEN_CELLS = DiTConfig.TOKEN_CELLS
FADE_BIAS = -3.0
"""A network that knows nothing yet keeps the previous frame."""
CHANGE_SCALE = 0.1
"""About how much a frame's latents change from tick to tick (root mean square)."""


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
        dit, channels, wide = config.dit, config.latent_shape[0], config.dit.conv_width
        self.stem = nn.Sequential(nn.Conv2d(4 * channels, wide, 3, padding=1), ResBlock(wide))
        self.tokens_in = nn.Linear(wide * TOKEN_CELLS**2, dit.width)
        self.place = nn.Parameter(torch.randn(config.tokens, dit.width) * 0.02)
        self.action = nn.Linear(len(config.buttons) + MARKS, dit.width)
        self.sigma = nn.Sequential(
            nn.Linear(2 * SIGMA_FREQS, dit.width), nn.SiLU(), nn.Linear(dit.width, dit.width)
        )
        self.rope = AxialRope(dit.width // dit.heads, *config.grid)
        self.blocks = nn.ModuleList(
            Block(dit.width, dit.heads, dit.mlp_ratio) for _ in range(dit.depth)
        )
        self.norm = nn.LayerNorm(dit.width, elementwise_affine=False, eps=1e-5)
        self.modulation = nn.Linear(dit.width, 2 * dit.width)
        self.tokens_out = nn.Linear(dit.width, wide * TOKEN_CELLS**2)
        self.tint = nn.Linear(dit.width, wide)
        last = nn.Conv2d(wide, channels + 1, 3, padding=1)
        self.fine = nn.Sequential(ResBlock(wide), ResBlock(wide), nn.ReLU(), last)
        for layer in (self.modulation, last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(cast(Tensor, layer.bias))

    def step(
        self,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        cache_k: Tensor,
        cache_v: Tensor,
        ages: Tensor,
        corners: Tensor | None = None,
    ) -> StepOutput:
        """Denoise one window: the single forward pass of a tick.

        window (B, 3 + T, C, h, w): the first frame (sink), the last but one, the last finished
        one, then the slots; of the first two no tokens are made, every token sees them at its
        place. sigmas (1 + T,) and actions (B, 1 + T, A + 3) of the others; cache_k, cache_v
        (B, depth, F, N, width), raw keys; ages (F,): how many frames before the head each cached
        frame stands, 0 where empty; `corners` (B, 2): row and column of the top left token, where
        the latents are crops.
        """
        sink, before, previous = (window[:, i : i + 1] for i in range(3))
        frames, grid = window[:, 2:], _grid(window)
        x, cond, cells = self._embed(
            frames,
            torch.cat([previous, before, sink], 2).expand(-1, frames.shape[1], -1, -1, -1),
            sigmas.expand(frames.shape[:2]),
            actions,
            self._places(corners, grid),
        )
        attend = CachedAttention(self.rope, frames.shape[1] - 1, grid, ages, cache_k, cache_v)
        for block in self.blocks:
            x = block(x, cond, attend)
        x0 = self._unembed(x[:, 1:], cond[:, 1:], cells[:, 1:], previous / (1 - sigmas[0]), sink)
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
        `corners` as for `step`. Returns x0 (B, P, T, C, h, w).
        """
        ticks, grid = slots.shape[1], _grid(slots)
        sink = clean[:, :1]
        # The frame right after the sink need not be its successor: it is its own predecessor.
        before = torch.cat([clean[:, :2], clean[:, 1:-1]], 1)
        seen = torch.cat([clean, before, sink.expand_as(clean)], 2)
        of_slots = seen[:, -ticks:].unsqueeze(2).expand(-1, -1, slots.shape[2], -1, -1, -1)
        x, cond, cells = self._embed(
            torch.cat([clean, slots.flatten(1, 2)], 1),
            torch.cat([seen, of_slots.flatten(1, 2)], 1),
            torch.cat([clean_sigmas, slot_sigmas.flatten(1, 2)], 1),
            torch.cat([clean_actions, slot_actions.flatten(1, 2)], 1),
            self._places(corners, grid),
        )
        attend = ClipAttention(self.rope, self.window, grid, clean.shape[1], ticks)
        for block in self.blocks:
            x = block(x, cond, attend)
        split = clean.shape[1]
        previous = clean[:, -ticks:] / (1 - clean_sigmas[:, -ticks:, None, None, None])
        base = previous.unsqueeze(2).expand_as(slots).flatten(1, 2)
        drawn = (x[:, split:], cond[:, split:], cells[:, split:])
        return self._unembed(*drawn, base, sink).reshape(slots.shape)

    def _embed(
        self, latents: Tensor, seen: Tensor, sigmas: Tensor, actions: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Turn frames (B, F, C, h, w) into tokens, conditions and cells (B, F, conv_width, h, w).

        Every cell also sees the last two finished frames and the sink at its own place, `seen`
        (B, F, 3 C, h, w): what moves, and what it hides, need not be found by attention.
        """
        stacked = torch.cat([latents, seen], 2).flatten(0, 1)
        cells = self.stem(stacked.contiguous(memory_format=torch.channels_last))
        tokens = F.pixel_unshuffle(cells, TOKEN_CELLS).flatten(2).transpose(1, 2)
        freqs = torch.exp(torch.linspace(0.0, 5.0, SIGMA_FREQS, device=sigmas.device))
        angles = sigmas.float()[..., None] * freqs
        cond = self.sigma(torch.cat([angles.cos(), angles.sin()], -1)) + self.action(actions)
        x = self.tokens_in(tokens).unflatten(0, latents.shape[:2]) + place
        return x, F.silu(cond), cells.unflatten(0, latents.shape[:2])

    def _places(self, corners: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """Return the embeddings of the tokens' places, (N, width), or (B, 1, N, width) of crops."""
        if corners is None:
            return self.place
        whole = self.place.reshape(*self.config.grid, -1)
        rows = corners[:, :1] + torch.arange(grid[0], device=corners.device)
        cols = corners[:, 1:] + torch.arange(grid[1], device=corners.device)
        return whole[rows[:, :, None], cols[:, None]].flatten(1, 2)[:, None]

    def _unembed(
        self, x: Tensor, cond: Tensor, cells: Tensor, previous: Tensor, sink: Tensor
    ) -> Tensor:
        """Turn tokens and cells into clean latents: the previous frame, faded to the sink, changed.

        Where nothing has happened since the start, fading to the sink undoes any drift. The
        previous frame may come lightly noised, so scaled by 1 - sigma; `previous` is scaled back,
        or every tick would pale the picture a little.
        """
        shift, scale = self.modulation(cond).unsqueeze(-2).chunk(2, -1)
        told = self.tokens_out(self.norm(x) * (1 + scale) + shift).flatten(0, 1).transpose(1, 2)
        rows, columns = (size // TOKEN_CELLS for size in cells.shape[-2:])
        told = F.pixel_shuffle(told.unflatten(-1, (rows, columns)), TOKEN_CELLS)
        told = told + self.tint(cond).flatten(0, 1)[..., None, None] + cells.flatten(0, 1)
        drawn = self.fine(told.contiguous(memory_format=torch.channels_last))
        drawn = drawn.float().contiguous().unflatten(0, x.shape[:2])
        change, fade = drawn[:, :, :-1], torch.sigmoid(drawn[:, :, -1:] + FADE_BIAS)
        x0: Tensor = previous + fade * (sink - previous) + CHANGE_SCALE * change
        return x0


def _grid(latents: Tensor) -> tuple[int, int]:
    """Rows and columns of tokens of latents (..., h, w)."""
    return latents.shape[-2] // TOKEN_CELLS, latents.shape[-1] // TOKEN_CELLS
