"""Judges whether the tiles of a dreamt frame still show what the level has there.

Knows one level in its looks; knows neither worlds nor who plays.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import EMPTY, FRAME, SIZE, TILE, Level, Levels
from games.platformer.render import Renderer
from games.platformer.themes import Palette
from world_model.evaluation.metrics import (
    MOST_TILE_ERROR,
    Tiles,
    tile_quality,
    tiles_of,
    touched_tiles,
)

# An enemy walks a pixel a tick and rests one at each end: there and back, whatever the route.
_ROUND_TRIP_TICKS: Final = 2 * FRAME + 2


class TileJudge:
    """The true pictures of a level's tiles, and the tiles that something alive may cover."""

    def __init__(self, level: Level, palette: Palette) -> None:
        levels = Levels.stack([level])
        bare = Level(np.full_like(level.tiles, EMPTY), level.coins, level.spawn, ())
        self.background = Renderer(levels, [palette]).background(0)
        self._own = _pictures(self.background)
        self._bare = _pictures(Renderer(Levels.stack([bare]), [palette]).background(0))
        self._kinds = level.tiles.reshape(-1)
        self._others = {int(kind): self._distinct_but(int(kind)) for kind in set(self._kinds)}
        self.never_static: Tiles = level.coins | enemy_routes(levels)

    def _distinct_but(self, kind: int) -> NDArray[np.int16]:
        """The different pictures that tiles of all other kinds, empty ones apart, have here."""
        other = (self._kinds != kind) & (self._kinds != EMPTY)
        return np.unique(self._own[other], axis=0)

    def right(self, frame: NDArray[np.uint8]) -> Tiles:
        """Tell which tiles (16, 16) are nearest to their own picture, and near.

        Nearness is mean absolute error in RGB; the rivals of a tile's own picture are those that
        the level's other kinds of tile have, and for a tile that is not empty, the backdrop
        behind it.
        """
        shown = _pictures(frame)
        own = _distance(shown, self._own)
        rival = np.where(self._kinds == EMPTY, np.inf, _distance(shown, self._bare))
        for kind, pictures in self._others.items():
            mine = np.flatnonzero((self._kinds == kind) & (own <= MOST_TILE_ERROR))
            if len(pictures) and len(mine):
                nearest = _distance(shown[mine, None], pictures).min(1)
                rival[mine] = np.minimum(rival[mine], nearest)
        return ((own <= MOST_TILE_ERROR) & (own <= rival)).reshape(SIZE, SIZE)

    def quality(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the quality of every tile, (16, 16) in (0, 1]."""
        return tile_quality(frame, self.background)


def enemy_routes(levels: Levels) -> Tiles:
    """Return the tiles (16, 16) that the enemies of a single level ever cover."""
    state = physics.initial(levels)
    idle = np.zeros((1, len(physics.BUTTONS)), np.bool_)
    alive = levels.enemy_alive[0]
    covered = np.zeros((SIZE, SIZE), np.bool_)
    for _ in range(_ROUND_TRIP_TICKS if alive.any() else 0):
        places = zip(state.enemy_x[0][alive], state.enemy_y[0][alive], strict=True)
        covered |= touched_tiles((int(x), int(y), TILE, TILE) for x, y in places)
        state, _ = physics.step(levels, state, idle)
    return covered


def _pictures(frame: NDArray[np.uint8]) -> NDArray[np.int16]:
    return tiles_of(frame).reshape(SIZE * SIZE, -1).astype(np.int16)


def _distance(shown: NDArray[np.int16], pictures: NDArray[np.int16]) -> NDArray[np.float64]:
    return np.asarray(np.abs(shown - pictures).mean(-1))
