"""Worlds whose quality is known, for tests of what measures worlds.

All are the true game behind a world's face, perfect or spoilt in one known way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import FRAME, SIZE, TILE
from games.platformer.render import HERO_LEFT_PX
from games.platformer.sprites import HERO_H, HERO_W
from world_model.evaluation.side_by_side import Course, TrueGame

Frame = NDArray[np.uint8]
Action = NDArray[np.bool_]


class PerfectWorld:
    """Dreams exactly what the game does, on any of the given courses."""

    def __init__(self, courses: Sequence[Course]) -> None:
        self.name, self.buttons, self.backend = "perfect", physics.BUTTONS, "none"
        self.frame_shape, self.start_frames, self.passes_per_tick = (FRAME, FRAME, 3), 5, 1
        self._courses = tuple(courses)
        self._frame: Frame = np.zeros(self.frame_shape, np.uint8)
        self.tick = 0

    def anchor(self, sink: str) -> None:
        """Do without: there is nothing to remember."""

    def reset(self, frames: Frame, *, seed: int) -> Frame:  # noqa: ARG002
        """Find the course that starts like this."""
        for course in self._courses:
            game = TrueGame(course)
            if np.array_equal(game.start(len(frames)), frames):
                self.course, self.game, self.tick = course, game, 0
                return self._show(frames[-1])
        raise ValueError("no course starts like this")

    def denoise(self, action: Action) -> NDArray[np.float32]:
        """Play a tick; the latents are the frame itself."""
        self.tick += 1
        return self.spoil(self.game.step(action)).astype(np.float32)

    def decode(self, latents: NDArray[np.float32]) -> Frame:
        """Show a frame, in the same array each time, as a world does."""
        return self._show(latents)

    def step(self, action: Action) -> Frame:
        """Return the frame that `action` causes."""
        return self.decode(self.denoise(action))

    def spoil(self, frame: Frame) -> NDArray[np.generic]:
        """Do to a true frame what this world is bad at."""
        return frame

    def _show(self, frame: NDArray[np.generic]) -> Frame:
        self._frame[:] = np.clip(frame, 0, 255)
        return self._frame

    def _hero(self) -> tuple[slice, slice]:
        x, y = self.game.player
        return slice(y, y + HERO_H), slice(max(0, x - HERO_LEFT_PX), x - HERO_LEFT_PX + HERO_W)


class LateWorld(PerfectWorld):
    """Answers to every key some ticks late."""

    def __init__(self, courses: Sequence[Course], *, lag_ticks: int) -> None:
        super().__init__(courses)
        self._lag_ticks = lag_ticks

    def reset(self, frames: Frame, *, seed: int) -> Frame:
        """Start with nothing held on its way."""
        idle = np.zeros(len(self.buttons), np.bool_)
        self._waiting = deque([idle] * self._lag_ticks)
        return super().reset(frames, seed=seed)

    def denoise(self, action: Action) -> NDArray[np.float32]:
        """Play what was held some ticks ago."""
        self._waiting.append(action.copy())
        return super().denoise(self._waiting.popleft())


class FadingWorld(PerfectWorld):
    """Its hero fades away between two ticks."""

    def __init__(self, courses: Sequence[Course], *, first: int, last: int) -> None:
        super().__init__(courses)
        self._first, self._last = first, last

    def spoil(self, frame: Frame) -> NDArray[np.generic]:
        """Mix the background into where the hero is."""
        background = self.game.background
        gone = float(np.clip((self.tick - self._first) / (self._last - self._first), 0, 1))
        faded, hero = frame.astype(np.float32), self._hero()
        faded[hero] += gone * (background[hero].astype(np.float32) - faded[hero])
        return faded


class WearingWorld(PerfectWorld):
    """From a tick on, the left part of its frames, but for the hero, shows other colours."""

    def __init__(self, courses: Sequence[Course], *, first: int, share: float) -> None:
        super().__init__(courses)
        self._first, self._columns = first, round(share * SIZE) * TILE

    def spoil(self, frame: Frame) -> NDArray[np.generic]:
        """Turn every channel by half its range, which is far from any tile's own picture."""
        worn = frame.copy()
        if self.tick >= self._first:
            worn[:, : self._columns] += np.uint8(128)
            worn[self._hero()] = frame[self._hero()]
        return worn


class BlurringWorld(PerfectWorld):
    """Each frame is blurred a little more than the one before; fully after `ticks`."""

    def __init__(self, courses: Sequence[Course], *, ticks: int) -> None:
        super().__init__(courses)
        self._ticks = ticks

    def spoil(self, frame: Frame) -> NDArray[np.generic]:
        """Mix in a binomial blur of 3x3 pixels."""
        sharp = frame.astype(np.float64)
        blurred = sharp
        for axis in (0, 1):
            before, after = np.roll(blurred, 1, axis), np.roll(blurred, -1, axis)
            blurred = (before + 2 * blurred + after) / 4
        return np.asarray(sharp + min(1.0, self.tick / self._ticks) * (blurred - sharp))
