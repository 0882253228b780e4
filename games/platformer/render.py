"""The renderer: batches of states to frames, with the static part of every level painted once.

Knows how to put art on screen; knows neither the rules of the game nor what the art looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from games.platformer import sprites
from games.platformer.backdrop import backdrop_art
from games.platformer.inks import CLEAR, Art, ink_table
from games.platformer.level import FRAME, SIZE, TILE, Levels
from games.platformer.physics import State
from games.platformer.textures import tile_set
from games.platformer.themes import Palette
from games.platformer.tiling import tile_choice

Frames = NDArray[np.uint8]
HERO_LEFT_PX = 2  # the sprite is wider than the player's box by this much on each side


class Renderer:
    """Paints states of fixed levels; level i is drawn with palette i."""

    def __init__(self, levels: Levels, palettes: Sequence[Palette]) -> None:
        if len(palettes) != len(levels.tiles):
            raise ValueError(
                f"{len(levels.tiles)} levels need as many palettes, got {len(palettes)}"
            )
        self._enemy_alive = levels.enemy_alive
        tables = {palette: ink_table(palette) for palette in set(palettes)}
        self._inks = np.stack([tables[palette] for palette in palettes])
        self._plain, self._coins = _paint(levels, palettes, self._inks)
        self._hero, self._enemy = sprites.hero_art(), sprites.enemy_art()

    def __len__(self) -> int:
        return len(self._plain)

    def background(self, index: int) -> Frames:
        """Level `index` without coins, enemies and hero, (FRAME, FRAME, 3), read-only."""
        view: Frames = self._plain[index].view()
        view.flags.writeable = False
        return view

    def take(self, indices: NDArray[np.integer] | Sequence[int]) -> Self:
        """A renderer of the chosen levels, in that order, sharing no memory with this one."""
        picked = np.asarray(indices, dtype=np.intp)
        other = object.__new__(type(self))
        other._enemy_alive = self._enemy_alive[picked]
        other._inks = self._inks[picked]
        other._plain, other._coins = self._plain[picked], self._coins[picked]
        other._hero, other._enemy = self._hero, self._enemy
        return other

    def render(self, state: State, out: Frames | None = None) -> Frames:
        """Frames of a batch of states, (B, FRAME, FRAME, 3); written into `out` where given."""
        if len(state.x) != len(self):
            raise ValueError(f"renderer has {len(self)} levels, state has {len(state.x)}")
        if out is None:
            out = np.empty_like(self._plain)
        elif out.shape != self._plain.shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-contiguous uint8 {self._plain.shape}")
        np.copyto(out, self._plain)
        self._draw_coins(state, out)
        self._draw_enemies(state, out)
        self._draw_heroes(state, out)
        return out

    def _draw_coins(self, state: State, out: Frames) -> None:
        level, row, column = np.nonzero(state.coins)
        _tiled(out)[level, row, :, column] = _tiled(self._coins)[level, row, :, column]

    def _draw_enemies(self, state: State, out: Frames) -> None:
        """Draw one over the other from the left on, so that who is in front can be seen."""
        facing = sprites.facing_index(state.enemy_dir)
        alive = np.nonzero(self._enemy_alive)
        order = np.lexsort([of[alive] for of in (facing, state.enemy_y, state.enemy_x)])
        level, number = (index[order] for index in alive)
        x, y = state.enemy_x[level, number], state.enemy_y[level, number]
        self._blit(self._enemy[sprites.enemy_frame(x), facing[level, number]], level, x, y, out)

    def _draw_heroes(self, state: State, out: Frames) -> None:
        art = self._hero[sprites.hero_pose(state), sprites.facing_index(state.facing)]
        self._blit(art, np.arange(len(self)), state.x - HERO_LEFT_PX, state.y, out)

    def _blit(
        self,
        art: Art,
        level: NDArray[np.intp],
        x: NDArray[np.int32],
        y: NDArray[np.int32],
        out: Frames,
    ) -> None:
        """Put N drawings (N, h, w) at pixels (x, y) of the frames `level`, cut at the borders."""
        height, width = art.shape[1:]
        rows = (y[:, None] + np.arange(height))[:, :, None]
        columns = (x[:, None] + np.arange(width))[:, None, :]
        shown = (art != CLEAR) & (rows >= 0) & (rows < FRAME) & (columns >= 0) & (columns < FRAME)
        frame = level[:, None, None]
        pixel = ((frame * FRAME + rows) * FRAME + columns)[shown]
        ink = (frame * self._inks.shape[1] + art)[shown]
        out.reshape(-1, 3)[pixel] = self._inks.reshape(-1, 3)[ink]


def _tiled(frames: Frames) -> Frames:
    """Frames seen as (B, tile row, pixel row, tile column, pixel column, RGB)."""
    return frames.reshape(-1, SIZE, TILE, SIZE, TILE, 3)


def _paint(
    levels: Levels, palettes: Sequence[Palette], inks: NDArray[np.uint8]
) -> tuple[Frames, Frames]:
    """Static frames of all levels: without coins, and with a coin in every cell."""
    choice = tile_choice(levels.tiles)
    coin = np.tile(sprites.coin_art(), (SIZE, SIZE))
    plain = np.empty((len(palettes), FRAME, FRAME, 3), dtype=np.uint8)
    coins = np.empty_like(plain)
    for i, palette in enumerate(palettes):
        tiles = tile_set(palette.ground_style)[choice[i]]
        front = tiles.transpose(0, 2, 1, 3).reshape(FRAME, FRAME)
        behind = backdrop_art(palette.backdrop_style, palette.backdrop_seed)
        image = np.where(front == CLEAR, behind, front)
        np.take(inks[i], image, axis=0, out=plain[i], mode="clip")
        np.take(inks[i], np.where(coin == CLEAR, image, coin), axis=0, out=coins[i], mode="clip")
    return plain, coins
