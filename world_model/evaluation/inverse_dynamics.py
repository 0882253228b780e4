"""Inverse dynamics by the game's own rules: which buttons explain how a player has moved.

Needs no truth: a dream is asked whether its player, from where it was and as fast as it was, went
where the held buttons send it. What is not to be seen in a place, the speed, is kept as a few
hypotheses, which the following moves confirm or refute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import SIZE, Level, Levels
from games.platformer.physics import BUTTONS, SPRING_SPEED, State
from games.platformer.render import HERO_LEFT_PX

Place = tuple[int, int]
Speeds = frozenset[tuple[int, int, bool]]
"""Hypotheses: pixels per tick to the right and down, and whether the player stands."""

COMBINATIONS: Final = np.array(list(product((False, True), repeat=len(BUTTONS))))
MOST_SPEEDS: Final = 12
AT_REST: Final[Speeds] = frozenset({(0, 0, True), (0, 0, False)})


def box_of(place: Sequence[int]) -> Place:
    """Return where a player's box is whose drawing is at a place, see `cast`."""
    top, left = place[:2]
    return left + HERO_LEFT_PX, top


class ActionJudge:
    """Takes in where a player is found, tick by tick, and tells whether its buttons explain it."""

    def __init__(self, level: Level) -> None:
        alone = replace(level, enemies=())
        self._levels = Levels.stack([alone] * (MOST_SPEEDS * len(COMBINATIONS)))
        self._spawn = int(self._levels.spawn_x[0]), int(self._levels.spawn_y[0])
        self._last: Place | None = None
        self._speeds: Speeds = frozenset()

    def see(self, player: Place | None, held: NDArray[np.bool_]) -> bool | None:
        """Tell whether `held` (3,) explains that the player is now here, top left of its box.

        None where that cannot be asked: it was not found now or in the two frames before, an enemy
        may have put it back to the start, or all buttons lead to the same place.
        """
        if player is None:
            self.forget()
            return None
        last, self._last = self._last, player
        if last is None:
            return None
        if not self._speeds:
            self._speeds = self._guess(last, player)
            return None
        outcomes = self._outcomes(last)
        chosen = int(np.flatnonzero((held == COMBINATIONS).all(1))[0])
        explained = frozenset(speed for place, speed in outcomes[chosen] if place == player)
        matters = len({frozenset(place for place, _ in some) for some in outcomes}) > 1
        self._speeds = explained or self._guess(last, player)
        caught = not explained and player == self._spawn
        return bool(explained) if matters and not caught else None

    def forget(self) -> None:
        """Start anew: what comes next need not follow on what came last."""
        self._last, self._speeds = None, frozenset()

    def _outcomes(self, last: Place) -> list[list[tuple[Place, tuple[int, int, bool]]]]:
        """Play every combination of buttons from every hypothesis: places and speeds after it."""
        speeds = sorted(self._speeds)
        count = len(speeds) * len(COMBINATIONS)
        vx, vy, stands = (
            np.tile([speed[part] for speed in speeds], len(COMBINATIONS)) for part in range(3)
        )
        levels = Levels(**{name: values[:count] for name, values in vars(self._levels).items()})
        nobody = np.zeros((count, levels.enemy_x.shape[1]), np.int32)
        state = State(
            x=np.full(count, last[0], np.int32), y=np.full(count, last[1], np.int32),
            vx=vx.astype(np.int32), vy=vy.astype(np.int32),
            facing=np.ones(count, np.int32), on_ground=stands.astype(np.bool_),
            coins=np.zeros((count, SIZE, SIZE), np.bool_),
            enemy_x=nobody, enemy_y=nobody, enemy_dir=nobody,
        )  # fmt: skip
        after, _ = physics.step(levels, state, COMBINATIONS.repeat(len(speeds), 0))
        columns = (after.x, after.y, after.vx, after.vy, after.on_ground)
        rows = [((x, y), (dx, dy, ground)) for x, y, dx, dy, ground in
                zip(*(column.tolist() for column in columns), strict=True)]  # fmt: skip
        return [rows[at : at + len(speeds)] for at in range(0, count, len(speeds))]

    def _guess(self, last: Place, player: Place) -> Speeds:
        """Return how fast a player may be that has come from `last`: as it moved, or stopped."""
        if player == self._spawn:
            return AT_REST
        dx, dy = (int(now - before) for now, before in zip(player, last, strict=True))
        speeds = product({dx, 0}, {dy, 0, -SPRING_SPEED}, (True, False))
        return frozenset(speed for speed in speeds if not (speed[2] and speed[1]))
