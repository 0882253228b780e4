"""A play-like scripted player for data collection: it explores, collects, idles and mashes keys.

Sees the game's state; knows nothing about frames or training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import FRAME, PLAYER_H, PLAYER_W, SIZE, SOLID, TILE, Levels
from games.platformer.physics import JUMP, LEFT, RIGHT, State

IDLE, RUN, SEEK, HOP, MASH = range(5)
MODE_SHARES: Final = (0.14, 0.30, 0.34, 0.10, 0.12)
MODE_TICKS: Final = ((4, 20), (6, 40), (20, 80), (10, 40), (8, 30))


@dataclass
class PlayLikePolicy:
    """Holds buttons for a while in one of five moods per game; seeded, vectorised over B games."""

    levels: Levels
    rng: np.random.Generator

    def __post_init__(self) -> None:
        n = len(self.levels)
        self._mode = np.full(n, IDLE)
        self._left = np.zeros(n, np.int64)
        self._dir = np.ones(n, np.int64)
        self._jump_left = np.zeros(n, np.int64)
        self._target = np.zeros((n, 2), np.int64)
        self._mash = np.zeros((n, 3), np.bool_)

    def act(self, state: State) -> NDArray[np.bool_]:
        """Return the held buttons for the next tick, (B, 3) bool."""
        self._left -= 1
        self._renew(np.flatnonzero(self._left < 0), state)
        actions = np.zeros((len(self._mode), 3), np.bool_)
        wish = self._wish(state)
        actions[:, LEFT] = wish < 0
        actions[:, RIGHT] = wish > 0
        actions[:, JUMP] = self._jumps(state, wish)
        mash = self._mode == MASH
        change = self.rng.random((len(mash), 3)) < 0.35
        self._mash ^= change
        actions[mash] = self._mash[mash]
        return actions

    def _renew(self, games: NDArray[np.intp], state: State) -> None:
        """Give each of `games` a new mood, length, direction and target."""
        for game in games:
            mode = self.rng.choice(5, p=MODE_SHARES)
            self._mode[game] = mode
            self._left[game] = self.rng.integers(*MODE_TICKS[mode])
            self._dir[game] = self.rng.choice((-1, 1))
            self._target[game] = self._choose_target(int(game), state)

    def _choose_target(self, game: int, state: State) -> NDArray[np.int64]:
        """Pick a remaining coin, the door, or any tile, as (column, row)."""
        spots = np.argwhere(state.coins[game])
        roll = self.rng.random()
        if roll < 0.65 and len(spots):
            spot = spots[self.rng.integers(len(spots))]
        elif roll < 0.8:
            spot = np.argwhere(self.levels.tiles[game] > SOLID)[-1:].reshape(-1)
            spot = spot if len(spot) else self.rng.integers(SIZE, size=2)
        else:
            spot = self.rng.integers(SIZE, size=2)
        return np.asarray(spot[::-1], np.int64)

    def _wish(self, state: State) -> NDArray[np.int64]:
        dx = self._target[:, 0] * TILE + TILE // 2 - (state.x + PLAYER_W // 2)
        seek = np.where(np.abs(dx) > 3, np.sign(dx), 0)
        stuck = (state.x <= 0) | (state.x >= FRAME - PLAYER_W)
        self._dir = np.where(
            stuck & (self._mode == RUN) & (self._left % 8 == 0), -self._dir, self._dir
        )
        wish = np.where(self._mode == SEEK, seek, self._dir)
        return np.where((self._mode == IDLE) | (self._mode == HOP), 0, wish)

    def _jumps(self, state: State, wish: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Jump at walls, gaps and higher targets, and now and then for joy; hold 1 to 9 ticks."""
        above = (self._mode == SEEK) & (self._target[:, 1] * TILE < state.y - 2)
        blocked = (wish != 0) & (state.vx == 0)
        chance = 0.03 + 0.25 * above + 0.4 * blocked + 0.2 * self._gap_ahead(state, wish)
        chance = np.where(self._mode == HOP, 0.35, chance) * (self._mode != IDLE)
        starts = state.on_ground & (self.rng.random(len(wish)) < chance)
        hold = self.rng.integers(1, 10, len(wish))
        self._jump_left = np.where(starts, hold, np.maximum(self._jump_left - 1, 0))
        return np.asarray(self._jump_left > 0)

    def _gap_ahead(self, state: State, wish: NDArray[np.int64]) -> NDArray[np.bool_]:
        col = ((state.x + PLAYER_W // 2 + 6 * wish) // TILE).clip(0, SIZE - 1)
        row = ((state.y + PLAYER_H) // TILE).clip(0, SIZE - 1)
        below = self.levels.tiles[np.arange(len(wish)), row, col]
        return np.asarray((wish != 0) & (below != SOLID))
