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
from torch.nn import functional as F

from world_model.actions import MARKS
from world_model.cast import COMING, COMINGS
from world_model.config import DiTConfig, WorldConfig
from world_model.network.attention import CachedAttention, ClipAttention, Memory
from world_model.network.blocks import ConvBlock, TokenBlock
from world_model.network.codec import CELL
from world_model.network.finding import Finder, box, mark
from world_model.network.painter import PIXELS, SOURCE_BIAS, Laid, Painter, lay
from world_model.network.rope import AxialRope

SIGMA_FREQS = 32
TOKEN_CELLS = DiTConfig.TOKEN_CELLS


class StepOutput(NamedTuple):
    """`x0` (B, T, 48, h, w) of the slots; raw `k`, `v` (B, depth, N, width) of the clean frame;
    `places` (B, T, A, 4): where actors are, see `finding`."""

    x0: Tensor
    k: Tensor
    v: Tensor
    places: Tensor


class Embedding(NamedTuple):
    """Frames as the network first sees them: tokens `x` (B, F, N, width) and conditions `cond`
    (B, F, width); `tiles`, `cells` (B, F, ..., h, w) are for the way back."""

    x: Tensor
    cond: Tensor
    tiles: Tensor
    cells: Tensor

    def slots(self, first: int) -> Embedding:
        """Leave out the frames before `first`."""
        return Embedding(*(part[:, first:] for part in self))


class RollingDiT(nn.Module):
    """Predicts every slot's clean latents from the staircase window, the cache and the action."""

    def __init__(self, config: WorldConfig) -> None:
        super().__init__()
        self.config = config
        self.window = config.window
        dit, channels = config.dit, config.codec.channels
        width, of_tiles, of_cells = dit.width, dit.tile_width, dit.cell_width
        self.painter = Painter()
        token = len(config.buttons) + MARKS
        self.action = nn.Linear(token, width)
        self.coming = nn.Embedding(len(COMINGS), width)
        nn.init.zeros_(self.coming.weight)
        self.sigma = nn.Sequential(
            nn.Linear(2 * SIGMA_FREQS, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.cells_in = nn.Conv2d(channels, of_cells, 3, padding=1)
        self.past_in = nn.Conv2d(4 * channels, of_cells, 3, padding=1, bias=False)
        self.player_in, self.others_in = (
            nn.Conv2d(2 * PIXELS, of_cells, 3, padding=1, bias=False) for _ in range(2)
        )
        self.going_in = nn.Conv2d(3 * PIXELS, of_cells, 3, padding=1, bias=False)
        for marked_in in (self.player_in, self.others_in, self.going_in):
            nn.init.zeros_(marked_in.weight)
        self.cell_block_in = ConvBlock(of_cells, width)
        self.to_tiles = nn.Conv2d(of_cells, of_tiles, 2, stride=2)
        self.tile_block_in = ConvBlock(of_tiles, width)
        self.to_tokens = nn.Conv2d(of_tiles, width, 2, stride=2)
        self.place = nn.Parameter(torch.randn(config.tokens, width) * 0.02)
        self.rope = AxialRope(width // dit.heads, *config.grid)
        self.blocks = nn.ModuleList(
            TokenBlock(width, dit.heads, dit.mlp_ratio) for _ in range(dit.depth)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-5)
        self.from_tokens = nn.ConvTranspose2d(width, of_tiles, 2, stride=2)
        self.tile_block_out = ConvBlock(of_tiles, width)
        self.from_tiles = nn.ConvTranspose2d(of_tiles, of_cells, 2, stride=2)
        self.cell_block_out = ConvBlock(of_cells, width)
        self.tell = nn.Conv2d(of_cells, self.painter.channels, 3, padding=1)
        nn.init.zeros_(self.tell.weight)
        self.tell.bias = nn.Parameter(torch.full((self.painter.channels,), SOURCE_BIAS))
        self.finder = Finder(token, config.cast.drawings)
        self.glance = nn.Linear(width, width)
        nn.init.zeros_(self.glance.weight)
        nn.init.zeros_(self.glance.bias)

    @property
    def matrices(self) -> list[nn.Module]:
        """The inner layers: those that neither read latents nor say what to paint."""
        return [
            self.blocks, self.cell_block_in, self.to_tiles, self.tile_block_in, self.to_tokens,
            self.from_tokens, self.tile_block_out, self.from_tiles, self.cell_block_out,
            self.finder.look, self.finder.think,
        ]  # fmt: skip

    def step(
        self,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        memory: Memory,
        trail: Tensor,
        cast: Tensor,
        corners: Tensor | None = None,
        places: Tensor | None = None,
    ) -> StepOutput:
        """Denoise one window: the single forward pass of a tick.

        window (B, 4 + T, 48, h, w): the scenery (the first frame with nobody in it), the first
        frame (sink), the last but one, the last finished one, then the slots; of the first three
        no tokens are made, every cell sees them at its place. sigmas (1 + T,), or (B, 1 + T), and
        actions, tokens (B, 1 + T, ...), of the others; trail (B, 3, A, 4): where actors were in the
        first, the last but one and the last finished frame, see `finding`; cast (B, D, 4, H, W):
        their drawings; `corners` (B, 2): row and column of the top left token, where the latents
        are crops; `places` (B, T, A, 4): where actors are, if not the network is to find them.
        """
        base, scenery = window[:, 3] / (1 - sigmas[..., 0, None, None, None]), window[:, 0]
        if places is None:
            places = self.finder(self._pictures(scenery, base), actions[:, 1:], trail)
        laid, left, first = self._laid(cast, places[:, None], trail[:, 2:], trail[:, :1], base)
        slots = places, laid
        seen, x, k, v = self._look(window, sigmas, actions, memory, trail, corners, slots)
        told = self._tell(x, seen.slots(1))
        sources = self.painter.sources(scenery, window[:, 1], first)
        x0 = self.painter(told, base, sources, laid, left)
        return StepOutput(x0, k, v, places)

    def remember(
        self,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        memory: Memory,
        trail: Tensor,
        corners: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return `k` and `v` of the last finished frame, as `step` does, from a window without
        slots (B, 4, 48, h, w); sigmas (1,) and actions (B, 1, ...)."""
        _, _, k, v = self._look(window, sigmas, actions, memory, trail, corners, None)
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
        whole, bare = clean, scenery
        clean, scenery = clean[:, :, :channels], scenery[:, :channels]
        sink = clean[:, :1].expand_as(clean)
        trails = torch.stack([_predecessors(trail), trail], 2)
        around = sink, scenery[:, None].expand_as(clean)
        past = self._past(clean, _predecessors(clean), *around, trails)
        there = places.flatten(1, 2)
        laid, left, first = self._laid(cast, places, trail[:, -ticks:], trail[:, :1], clean)
        of_slots = past[:, -ticks:].unsqueeze(2)
        of_slots = of_slots + self._going(laid, there).unflatten(1, (ticks, width))
        seen = self._embed(
            torch.cat([clean, slots.flatten(1, 2)], 1),
            torch.cat([past, of_slots.flatten(1, 2)], 1),
            torch.cat([clean_sigmas, slot_sigmas.flatten(1, 2)], 1),
            torch.cat([clean_actions, slot_actions.flatten(1, 2)], 1),
            torch.cat([trail, there], 1),
            self._places(corners, grid),
        )
        x = self._think(seen, ClipAttention(self.rope, self.window, grid, split, ticks))
        seen = seen.slots(split)
        told = self._tell(x[:, split:], seen)
        told = torch.unflatten(told, 1, (ticks, width)).flatten(0, 1)
        base = whole[:, -ticks:] / (1 - clean_sigmas[:, -ticks:, None, None, None])
        sources = self.painter.sources(bare, whole[:, 0], first).repeat_interleave(ticks, 0)
        *covers, left = (part.unflatten(1, (ticks, width)).flatten(0, 1) for part in (*laid, left))
        x0: Tensor = self.painter(told, base.flatten(0, 1), sources, Laid(*covers), left)
        return torch.unflatten(x0, 0, (batch, ticks))

    def _laid(
        self, cast: Tensor, places: Tensor, last: Tensor, first: Tensor, latents: Tensor
    ) -> tuple[Laid, Tensor, Laid]:
        """Lay actors out over `latents` (..., h, w): as they are in the slots of P windows,
        `places` (B, P, T, A, 4), and in the `first` frame (B, 1, A, 4).

        Between these, how much of every pixel they covered in the frame before each slot, (B, P *
        T, 16, h, w): the one before it in its window, or the `last` before that (B, P, A, 4).
        """
        windows, slots = places.shape[1:3]
        count = windows * slots
        laid = lay(cast, torch.cat([places.flatten(1, 2), last, first], 1), latents.shape[-2:])
        opacity = laid.opacity
        of_slots = opacity[:, :count].unflatten(1, (windows, slots))
        left = torch.cat([opacity[:, count:-1].unsqueeze(2), of_slots[:, :, :-1]], 2)
        return laid.frames(slice(count)), left.flatten(1, 2), laid.frames(slice(-1, None))

    def _pictures(self, scenery: Tensor, previous: Tensor) -> Tensor:
        """See scenery and last finished frame (B, 48, h, w) as one picture (B, H, W, 6)."""
        codec = self.painter.codec
        parts = [F.pixel_shuffle(codec.to_pixels(part), CELL) for part in (scenery, previous)]
        return torch.cat(parts, 1).permute(0, 2, 3, 1).contiguous()

    def _look(
        self,
        window: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        memory: Memory,
        trail: Tensor,
        corners: Tensor | None,
        slots: tuple[Tensor, Laid] | None,
    ) -> tuple[Embedding, Tensor, Tensor, Tensor]:
        """Embed a window, if it has slots with where actors are in them, and let it think; returns
        also the last finished frame's `k` and `v`."""
        window = window[:, :, : self.config.codec.channels]
        scenery, sink, before, previous = (window[:, i : i + 1] for i in range(4))
        frames, grid = window[:, 3:], _grid(window)
        past = self._past(previous, before, sink, scenery, trail[:, None, 1:])
        followed = trail[:, 2:]
        if slots is not None:
            places, laid = slots
            past = torch.cat([past, past + self._going(laid, places)], 1)
            followed = torch.cat([followed, places], 1)
        conditions = sigmas.expand(frames.shape[:2]), actions, followed
        seen = self._embed(frames, past, *conditions, self._places(corners, grid))
        attend = CachedAttention(self.rope, frames.shape[1] - 1, grid, memory)
        x = self._think(seen, attend, first=1)
        return seen, x, torch.stack(attend.keys, 1), torch.stack(attend.values, 1)

    def _past(
        self, previous: Tensor, before: Tensor, sink: Tensor, scenery: Tensor, trails: Tensor
    ) -> Tensor:
        """See the two last finished frames, sink and scenery, each (B, F, C, h, w), as cells.

        Every cell of a slot sees them at its own place: what moves, and what it hides, need not
        be found by attention. So it does the places of actors, trails (B, F, 2, A, 4).
        """
        past = self.past_in(_images(torch.cat([previous, before, sink, scenery], 2)))
        places = trails.flatten(0, 1)
        for marked_in, actors in (
            (self.player_in, places[:, :, :1]),
            (self.others_in, places[:, :, 1:]),
        ):
            past = past + marked_in(mark(actors, previous.shape[-2:]).flatten(1, 2))
        return torch.unflatten(past, 0, previous.shape[:2])

    def _going(self, laid: Laid, places: Tensor) -> Tensor:
        """See what the player and the others cover in slots, as cells; and the player's box, which
        is the same in every pose: what it touches does not follow from its silhouette."""
        boxes = box(places[:, :, :1], laid.player.shape[-2:])
        cells: Tensor = self.going_in(_images(torch.cat([laid.player, laid.others, boxes], 2)))
        return torch.unflatten(cells, 0, laid.player.shape[:2])

    def _embed(
        self,
        latents: Tensor,
        past: Tensor,
        sigmas: Tensor,
        actions: Tensor,
        actors: Tensor,
        place: Tensor,
    ) -> Embedding:
        """Turn frames (B, F, C, h, w), seen together with their `past`, or one of all, into tokens;
        where `actors` are in them, (B, F, A, 4)."""
        frames = latents.shape[:2]
        cond = self.condition(sigmas, actions, actors[:, :, 0, COMING])
        each = cond.flatten(0, 1)
        cells = self.cells_in(_images(latents)).unflatten(0, frames) + past
        cells = self.cell_block_in(cells.flatten(0, 1), each)
        tiles = self.tile_block_in(self.to_tiles(cells), each)
        tokens = self.to_tokens(tiles).flatten(2).transpose(1, 2)
        x = tokens.unflatten(0, frames) + place
        return Embedding(x, cond, tiles.unflatten(0, frames), cells.unflatten(0, frames))

    def condition(self, sigmas: Tensor, actions: Tensor, coming: Tensor) -> Tensor:
        """Embed noise levels (...), actions (..., A + 3) and how the player comes to its place,
        `coming` (...), see `cast`: (..., width)."""
        freqs = torch.exp(torch.linspace(0.0, 5.0, SIGMA_FREQS, device=sigmas.device))
        angles = sigmas.float()[..., None] * freqs
        cond = self.sigma(torch.cat([angles.cos(), angles.sin()], -1)) + self.action(actions)
        return F.silu(cond + self.coming(coming))

    def _think(
        self, seen: Embedding, attend: CachedAttention | ClipAttention, first: int = 0
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

    def _tell(self, x: Tensor, seen: Embedding) -> Tensor:
        """Turn tokens back into what the painter is told, (B, F, channels, h, w).

        A glance at all tokens at once conditions every cell: whether anybody is there at all
        decides what is drawn at the start.
        """
        cond, tiles, cells = (part.flatten(0, 1) for part in seen[1:])
        rows, columns = _grid(seen.cells)
        tokens = self.norm(x).flatten(0, 1)
        cond = cond + self.glance(tokens.mean(1))
        tokens = tokens.transpose(1, 2).unflatten(-1, (rows, columns))
        tiles = self.tile_block_out(tiles + self.from_tokens(tokens), cond)
        cells = self.cell_block_out(cells + self.from_tiles(tiles), cond)
        cells = F.relu(cells)
        return torch.unflatten(self.tell(cells), 0, x.shape[:2])

    def _places(self, corners: Tensor | None, grid: tuple[int, int]) -> Tensor:
        """Return the embeddings of the tokens' places, (N, width), or (B, 1, N, width) of crops."""
        if corners is None:
            return self.place
        whole = self.place.reshape(*self.config.grid, -1)
        rows = corners[:, :1] + torch.arange(grid[0], device=corners.device)
        cols = corners[:, 1:] + torch.arange(grid[1], device=corners.device)
        return whole[rows[:, :, None], cols[:, None]].flatten(1, 2)[:, None]


def _predecessors(frames: Tensor) -> Tensor:
    """Return what came before each of (B, F, ...), the sink first.

    The frame right after the sink need not be its successor: it is its own predecessor.
    """
    return torch.cat([frames[:, :2], frames[:, 1:-1]], 1)


def _images(latents: Tensor) -> Tensor:
    """Flatten frames (B, F, C, h, w) for convolutions, in the layout that is fastest for them."""
    return latents.flatten(0, 1).contiguous(memory_format=torch.channels_last)


def _grid(latents: Tensor) -> tuple[int, int]:
    """Rows and columns of tokens of latents (..., h, w)."""
    return latents.shape[-2] // TOKEN_CELLS, latents.shape[-1] // TOKEN_CELLS
