"""What the platformer's tests share: small rooms, and one game played key by key."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from games.platformer import physics
from games.platformer.level import PLAYER_H, Level, Levels, parse_level

KEYS = "lrj"


class Game:
    """One game; `press("rj", 3)` holds right and jump for three ticks."""

    def __init__(self, level: Level) -> None:
        self.levels = Levels.stack([level])
        self.state = physics.initial(self.levels)
        self.happened: list[str] = []

    def press(self, keys: str = "", ticks: int = 1) -> list[str]:
        """Play, and return the names of what happened meanwhile."""
        held = np.array([[key in keys for key in KEYS]])
        now = []
        for _ in range(ticks):
            self.state, events = physics.step(self.levels, self.state, held)
            now += [name for name, here in zip(physics.EVENTS, events[0], strict=True) if here]
        self.happened += now
        return now

    def heights(self, *presses: tuple[str, int]) -> list[int]:
        """Play (keys, ticks) after one another; the height over the start after each tick."""
        start, found = self.feet, []
        for keys, ticks in presses:
            for _ in range(ticks):
                self.press(keys)
                found.append(self.feet - start)
        return found

    @property
    def x(self) -> int:
        return int(self.state.x[0])

    @property
    def y(self) -> int:
        return int(self.state.y[0])

    @property
    def feet(self) -> int:
        """Pixels between the player's soles and the bottom of the frame."""
        return 128 - self.y - PLAYER_H

    @property
    def on_ground(self) -> bool:
        return bool(self.state.on_ground[0])


def room(*rows: str) -> Level:
    """Read the lowest rows of a level; above and beside them is air, the door far up right."""
    text = [row.ljust(16, ".") for row in rows]
    above = ["." * 15 + "D"] + ["." * 16] * 15
    if any("D" in row for row in rows):
        above[0] = "." * 16
    return parse_level("\n".join(above[: 16 - len(text)] + text))


@pytest.fixture
def play() -> Callable[..., Game]:
    """Start a game in the room of these rows."""
    return lambda *rows: Game(room(*rows))
