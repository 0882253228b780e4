"""The rolling diffusion transformer: noisy slots and clean history in, every slot's x0 out.

Two ways to run the same network: `step`, one tick on a KV cache (play, roll-outs, export), and
`clip`, many ticks of recorded history at once (training). A test holds them equal.
Latents are (B, F, 48, h, w) in cells, of which the network sees the C leading channels; a token
stands for 4x4 cells, (B, F, N, width).

The network is U-shaped. Convolutions on cells and on tiles of 2x2 cells, before and after the
transformer, see to what is near and exact: how a sprite moves, where it lands, what it uncovers.
The transformer sees to what is far: routes, deaths, time. What comes out tells a `Painter` how to
make each slot from the frame before it; where actors are says a `Finder`, and all slots are told.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from world_model.actions import MARKS
from world_model.config import DiTConfig, WorldConfig
from world_model.network.attention import CachedAttention, ClipAttention, Memory
from world_model.network.blocks import TokenBlock
from world_model.network.embedding import Embedded, Embedder
from world_model.network.finding import Finder
from world_model.network.laying import Laid, lay
from world_model.network.painter import Painter
from world_model.network.readout import Readout
from world_model.network.rope import AxialRope

TOKEN_CELLS = DiTConfig.TOKEN_CELLS


class StepOutput(NamedTuple):
    """`x0` (B, T, 48, h, w) of the slots; raw `k`, `v` (B, depth, N, width) of the clean frame;
    `places` (B, T, A, 4): where actors are, see `finding`."""

    x0: Tensor
    k: Tensor
    v: Tensor
    places: Tensor


class Backdrop(NamedTuple):
    """What scenery and first frame of a session are to every tick after: pixels that can be taken,
    `sources` (B, 2, 3, 16, h, w), see `Painter`; and both as cells see them, `behind` (B, width, h,
    w)."""

    sources: Tensor
    behind: Tensor


class RollingDiT(nn.Module):
    """Predicts every slot's clean latents from the staircase window, the cache and the action."""

    def __init__(self, config: WorldConfig) -> None:
        super().__init__()
        self.config, self.window, dit = config, config.window, config.dit
        self.embedder = Embedder(config)
        self.rope = AxialRope(dit.width // dit.heads, *config.grid)
        self.blocks = nn.ModuleList(
            TokenBlock(dit.width, dit.heads, dit.mlp_ratio) for _ in range(dit.depth)
        )
        self.readout = Readout(dit)
        self.painter = Painter()
        self.finder = Finder(len(config.buttons) + MARKS, config.cast.drawings)

    @property
    def matrices(self) -> list[nn.Module]:
        """The inner layers: those that neither read latents nor say what to paint."""
        ways = *self.embedder.matrices, *self.readout.matrices
        return [*ways, self.blocks, self.finder.look, self.finder.think]

    def backdrop(self, scenery: Tensor, first: Tensor, start: Tensor, cast: Tensor) -> Backdrop:
        """Return what stays the same all through a session.

        scenery (B, 48, h, w): the first frame with nobody in it; `first` (B, 48, h, w), that frame
        (the sink); `start` (B, A, 4): where actors are in it; cast (B, D, 4, H, W).
        """
        laid = lay(cast, start[:, None], scenery.shape[-2:])
        channels = self.config.codec.channels
        behind = self.embedder.behind(first[:, :channels], scenery[:, :channels])
        return Backdrop(self.painter.sources(scenery, first, laid), behind)

    def step(
        self,
        previous: Tensor,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        memory: Memory,
        trail: Tensor,
        cast: Tensor,
        backdrop: Backdrop,
        corners: Tensor | None = None,
        places: Tensor | None = None,
    ) -> StepOutput:
        """Denoise one window: the single forward pass of a tick.

        previous (B, 48, h, w): the last finished frame; window (B, 1 + T, C, h, w): the one before
        it, of which no tokens are made, every cell sees it at its place; then the slots. sigmas
        (1 + T,), or (B, 1 + T), and actions, tokens (B, 1 + T, ...), of the previous frame and the
        slots; trail (B, 3, A, 4): where actors were in the first, the last but one and the last
        finished frame, see `cast`; cast (B, D, 4, H, W): their drawings; `corners` (B, 2): row and
        column of the top left token, where the latents are crops; `places` (B, T, A, 4): where
        actors are, if not the network is to find them.
        """
        pixels = self.painter.pixels(previous)
        if places is None:
            pictures = torch.cat([backdrop.sources[:, 0], pixels], 1)
            places = self.finder(pictures, actions[:, 1:], trail)
        laid, left = self._laid(cast, places[:, None], trail[:, 2:], previous.shape[-2:])
        behind, slots = backdrop.behind, (places, laid)
        seen, x, k, v = self._look(
            previous, window, sigmas, actions, memory, trail, behind, corners, slots
        )
        told = self.readout(x, seen.slots(1))
        x0 = self.painter(told, previous, pixels, backdrop.sources, laid, left)
        return StepOutput(x0, k, v, places)

    def remember(
        self,
        previous: Tensor,
        before: Tensor,
        action: Tensor,
        memory: Memory,
        trail: Tensor,
        behind: Tensor,
        corners: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return `k` and `v` of a finished frame, as `step` does of the `previous` one, without
        slots: `before` (B, 1, C, h, w), the frame before it, and its action, token (B, 1, ...)."""
        clean = torch.zeros(1, device=previous.device)
        _, _, k, v = self._look(
            previous, before, clean, action, memory, trail, behind, corners, None
        )
        return k, v

    def clip(
        self,
        scenery: Tensor,
        clean: Tensor,
        clean_sigmas: Tensor,
        clean_actions: Tensor,
        slots: Tensor,
        slot_sigmas: Tensor,
        slot_actions: Tensor,
        trail: Tensor,
        cast: Tensor,
        places: Tensor,
        corners: Tensor | None = None,
    ) -> Tensor:
        """Denoise the windows of P consecutive ticks of one recorded clip.

        scenery (B, 48, h, w); clean (B, 1 + L, 48, h, w): a sink frame, then L consecutive
        finished frames; windows (B, P, T, C, h, w) in `slots`, as far as the network sees them, are
        headed by the ticks after the last P of them. Sigmas (B, F) and actions (B, F, ...) are per
        frame, windows' ones (B, P, T, ...). trail (B, 1 + L, A, 4): where actors were in the
        finished frames, `cast` and `corners` as for `step`; places (B, P, T, A, 4): where they are.
        Returns x0 (B, P, T, 48, h, w).
        """
        (batch, ticks, width), grid = slots.shape[:3], _grid(slots)
        split, channels = clean.shape[1], slots.shape[3]
        backdrop = self.backdrop(scenery, clean[:, 0], trail[:, 0], cast)
        whole, clean = clean, clean[:, :, :channels]
        trails = torch.stack([_predecessors(trail), trail], 2)
        past = self.embedder.past(clean, _predecessors(clean), trails, backdrop.behind)
        there = places.flatten(1, 2)
        laid, left = self._laid(cast, places, trail[:, -ticks:], clean.shape[-2:])
        of_slots = past[:, -ticks:].unsqueeze(2)
        of_slots = of_slots + self.embedder.going(laid).unflatten(1, (ticks, width))
        seen = self.embedder(
            torch.cat([clean, slots.flatten(1, 2)], 1),
            torch.cat([past, of_slots.flatten(1, 2)], 1),
            torch.cat([clean_sigmas, slot_sigmas.flatten(1, 2)], 1),
            torch.cat([clean_actions, slot_actions.flatten(1, 2)], 1),
            torch.cat([trail, there], 1),
            corners,
        )
        x = self._think(seen, ClipAttention(self.rope, self.window, grid, split, ticks))
        seen = seen.slots(split)
        told = self.readout(x[:, split:], seen)
        told = torch.unflatten(told, 1, (ticks, width)).flatten(0, 1)
        base = (whole[:, -ticks:] / (1 - clean_sigmas[:, -ticks:, None, None, None])).flatten(0, 1)
        sources = backdrop.sources.repeat_interleave(ticks, 0)
        *covers, left = (part.unflatten(1, (ticks, width)).flatten(0, 1) for part in (*laid, left))
        pixels = self.painter.pixels(base)
        x0: Tensor = self.painter(told, base, pixels, sources, Laid(*covers), left)
        return torch.unflatten(x0, 0, (batch, ticks))

    def _laid(
        self, cast: Tensor, places: Tensor, last: Tensor, grid: torch.Size
    ) -> tuple[Laid, Tensor]:
        """Lay actors out over h x w cells as they are in the slots of P windows, `places` (B, P, T,
        A, 4), (B, P * T, ...).

        Beside these, which pixels they covered in the frame before each slot, (B, P * T, 16, h, w):
        the one before it in its window, or the `last` before that (B, P, A, 4).
        """
        windows, slots = places.shape[1:3]
        count = windows * slots
        laid = lay(cast, torch.cat([places.flatten(1, 2), last], 1), grid, count)
        opacity = laid.opacity
        of_slots = opacity[:, :count].unflatten(1, (windows, slots))
        left = torch.cat([opacity[:, count:].unsqueeze(2), of_slots[:, :, :-1]], 2)
        return Laid(laid.picture, laid.shapes[:, :count]), left.flatten(1, 2)

    def _look(
        self,
        previous: Tensor,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        memory: Memory,
        trail: Tensor,
        behind: Tensor,
        corners: Tensor | None,
        slots: tuple[Tensor, Laid] | None,
    ) -> tuple[Embedded, Tensor, Tensor, Tensor]:
        """Embed a window, if it has slots with where actors are in them, and let it think; returns
        also the last finished frame's `k` and `v`."""
        seen, grid = previous[:, None, : window.shape[2]], _grid(window)
        past = self.embedder.past(seen, window[:, :1], trail[:, None, 1:], behind)
        followed = trail[:, 2:]
        if slots is not None:
            places, laid = slots
            past = torch.cat([past, past + self.embedder.going(laid)], 1)
            followed = torch.cat([followed, places], 1)
        frames = torch.cat([seen, window[:, 1:]], 1)
        conditions = sigmas.expand(frames.shape[:2]), actions, followed
        embedded = self.embedder(frames, past, *conditions, corners)
        attend = CachedAttention(self.rope, frames.shape[1] - 1, grid, memory)
        x = self._think(embedded, attend, first=1)
        return embedded, x, torch.stack(attend.keys, 1), torch.stack(attend.values, 1)

    def _think(
        self, seen: Embedded, attend: CachedAttention | ClipAttention, first: int = 0
    ) -> Tensor:
        """Let tokens attend to each other; returns those from frame `first` on, (B, F, N, width).

        In the last layer those before are only attended to.
        """
        x = seen.x
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x, seen.cond, attend)
        thought: Tensor = last(x, seen.cond, attend, first)
        return thought


def _predecessors(frames: Tensor) -> Tensor:
    """Return what came before each of (B, F, ...), the sink first.

    The frame right after the sink need not be its successor: it is its own predecessor.
    """
    return torch.cat([frames[:, :2], frames[:, 1:-1]], 1)


def _grid(latents: Tensor) -> tuple[int, int]:
    """Rows and columns of tokens of latents (..., h, w)."""
    return latents.shape[-2] // TOKEN_CELLS, latents.shape[-1] // TOKEN_CELLS
