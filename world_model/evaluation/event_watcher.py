"""Sees from pictures alone what happens in a dream: coins taken, springs, restarts.

Knows one level in its looks; told where the player was found, it looks at the coins itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import Level, Levels
from games.platformer.render import Renderer
from games.platformer.themes import Palette
from world_model.evaluation.metrics import tiles_of

WATCHED: Final = ("coin", "spring", "restart")
SPRING_PX: Final = 9
"""A player that rises by so much in a tick has met a spring: nothing else is as fast."""
LEAP_PX: Final = 16
"""One that moves farther than this, to the start, has died or reached the door."""
AT_START_PX: Final = 3
LEAST_SEEN: Final = 0.2
"""Of a coin's tile; one that is hidden more than that is taken to be as it was."""

Box = tuple[int, int, int, int]


class EventWatcher:
    """Takes in one frame after the other, and tells what has happened since the last."""

    def __init__(self, level: Level, palette: Palette) -> None:
        levels = Levels.stack([level])
        renderer, state = Renderer(levels, [palette]), physics.initial(levels)
        self._coins = level.coins
        self._with = tiles_of(renderer.render(state)[0])[level.coins].astype(np.int16)
        self._without = tiles_of(renderer.background(0))[level.coins].astype(np.int16)
        self._start = int(state.x[0]), int(state.y[0])
        self._there = np.ones(len(self._with), np.bool_)
        self._rises = False
        self._last: tuple[int, int] | None = self._start

    def see(
        self, frame: NDArray[np.uint8], player: tuple[int, int] | None, boxes: list[Box]
    ) -> NDArray[np.bool_]:
        """Return (3,) in the order of `WATCHED`.

        player: top left of its box, if it was found; boxes (x, y, width, height) that hide coins.
        """
        restart = spring = False
        if player and self._last:
            moved = np.subtract(player, self._last)
            leapt = np.abs(moved).max() > LEAP_PX
            restart = bool(leapt and np.abs(np.subtract(player, self._start)).max() <= AT_START_PX)
            rises = bool(not leapt and moved[1] <= -SPRING_PX)
            spring, self._rises = rises and not self._rises, rises
        self._last = player or self._last
        return np.array([self._coin_taken(frame, boxes), spring, restart])

    def _coin_taken(self, frame: NDArray[np.uint8], boxes: list[Box]) -> bool:
        """Tell whether a coin is gone that was there; one that is hidden stays as it was."""
        visible = np.ones((*frame.shape[:2], 1), np.bool_)
        for x, y, width, height in boxes:
            visible[max(0, y) : y + height, max(0, x) : x + width] = False
        seen = tiles_of(np.repeat(visible, 3, 2))[self._coins]
        shown = tiles_of(frame)[self._coins].astype(np.int16)
        to_coin, to_bare = (
            (np.abs(shown - picture) * seen).sum(-1) for picture in (self._with, self._without)
        )
        hidden = seen.mean(-1) < LEAST_SEEN
        there = np.where(hidden, self._there, to_coin < to_bare)
        taken = bool((self._there & ~there).any())
        self._there = there
        return taken
