"""The arcade: games that are always being played, for moments that nobody has seen before.

Physics, players and drawing are cheap next to a training step, so nothing here is recorded: every
moment is drawn when it is asked for, on levels that are soon replaced by others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from games.platformer import physics
from games.platformer.policy import PlayLikePolicy
from games.platformer.render import Renderer
from world_model.data import HELD_OUT_SEED, places_of, stage
from world_model.network.codec import to_cells
from world_model.network.finding import glimpses

ROOM = 128
"""Games whose levels are built, and replaced, together."""
LIFE_TICKS = 96
"""How long a level is played."""
MOST_APART_TICKS = 7
"""Two moments of a game are 1 to so many ticks apart, as neighbours look alike. Were it always the
same number, what walks at a steady pace would only ever be seen in step with it."""
TRIED_SHARE = 0.5
"""Of the moments, those in which any buttons at all are held, and not what the player held."""


class Moments(NamedTuple):
    """One tick each of n games, as the player (A = 0) and one other actor (A = 1) live it.

    `seen` (n, 2, 7, h, w) uint8: glimpses of scenery and of the frame before, and whether a pixel
    is in the frame; `trail` (n, 3, 2, 4): where they were at the start, two frames before and in
    the frame before, see `data.places_of`; `held` (n, 3) bool: the buttons; `places` (n, 2, 4):
    where they are.
    """

    seen: Tensor
    trail: Tensor
    held: Tensor
    places: Tensor


class Arcade:
    """Keeps `games` games going; the same `rng` plays the same games."""

    def __init__(self, games: int, rng: np.random.Generator) -> None:
        self._rng = rng
        sizes = [min(ROOM, games - start) for start in range(0, games, ROOM)]
        # Not all rooms are to be renewed at once.
        self._rooms = [_Room(size, rng) for size in sizes]
        for room in self._rooms:
            for _ in range(int(rng.integers(LIFE_TICKS))):
                room.play()

    def moments(self) -> Moments:
        """Return the next moment of every game."""
        for index, room in enumerate(self._rooms):
            if room.ticks >= LIFE_TICKS:
                self._rooms[index] = _Room(room.games, self._rng)
        moments = [room.moment() for room in self._rooms]
        return Moments(*(torch.cat(part) for part in zip(*moments, strict=True)))


class _Room:
    """Games on fresh levels, none of them held out."""

    def __init__(self, games: int, rng: np.random.Generator) -> None:
        self.games, self.ticks, self._rng = games, 0, rng
        self._levels, palettes = stage(rng.integers(HELD_OUT_SEED, size=games))
        self._renderer = Renderer(self._levels, palettes)
        scenery = np.stack([self._renderer.background(i) for i in range(games)])
        self._scenery = _in_cells(scenery)
        self._policy = PlayLikePolicy(self._levels, rng)
        self._state = physics.initial(self._levels)
        self._start = places_of(self._levels, self._state)

    def play(self) -> None:
        """Play a tick."""
        held = self._policy.act(self._state)
        self._state, _ = physics.step(self._levels, self._state, held)
        self.ticks += 1

    def moment(self) -> Moments:
        """Play on to the next moment, and see what comes of the buttons; the game is not moved."""
        for _ in range(int(self._rng.integers(MOST_APART_TICKS))):
            self.play()
        before = places_of(self._levels, self._state)
        self.play()
        held = self._policy.act(self._state)
        tries = self._rng.random(self.games) < TRIED_SHARE
        held[tries] = self._rng.random((int(tries.sum()), held.shape[1])) < 0.5
        after, events = physics.step(self._levels, self._state, held)
        steps = self._start, before, places_of(self._levels, self._state)
        known = np.stack([*steps, places_of(self._levels, after, events)], 1)
        other = self._rng.integers(1, known.shape[2], size=self.games)
        pair = np.stack([np.zeros_like(other), other], 1)[:, None, :, None]
        places = torch.from_numpy(np.take_along_axis(known, pair, 2))
        frame = _in_cells(self._renderer.render(self._state))
        behind, seen = (glimpses(picture, places[:, 2]) for picture in (self._scenery, frame))
        return Moments(
            torch.cat([behind[:, :, :-1], seen], 2),
            places[:, :3],
            torch.from_numpy(held),
            places[:, 3],
        )


def _in_cells(frames: NDArray[np.uint8]) -> Tensor:
    """See frames (B, H, W, 3) as glimpses want them, (B, 3, 16, h, w)."""
    return torch.unflatten(to_cells(torch.from_numpy(frames)), 1, (3, -1))
