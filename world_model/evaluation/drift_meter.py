"""A live drift meter: how sound the last ten seconds of a dream are, without the true game.

Takes two measures of an evaluation that need no true frame beside each dreamt one, the quality of
still tiles and the share of moves that the keys explain; and of every few ticks only, as somebody
is playing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import Level
from world_model.config import CastConfig
from world_model.evaluation.inverse_dynamics import ActionJudge, box_of
from world_model.evaluation.metrics import tile_quality, touched_tiles

STRETCH_TICKS: Final = 20
STRETCHES: Final = 10
JUDGED_TICKS: Final = 5
"""At the start of each stretch; the first two of them only tell how fast the player is."""
SEEN_TICKS: Final = (9, 17)
"""Those of a stretch whose pictures are judged."""


class Followed(Protocol):
    """A world that says where its actors are."""

    @property
    def places(self) -> NDArray[np.int64]: ...


class Reading(NamedTuple):
    """`quality`: mean quality of still tiles, of 1, None where none were judged yet; the held
    buttons explained `explained` of `asked` moves."""

    quality: float | None
    explained: int
    asked: int


@dataclass
class _Stretch:
    qualities: list[float] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)


class DriftMeter:
    """Watches a dream of one level, tick by tick."""

    def __init__(self, world: Followed, level: Level, scenery: NDArray[np.uint8]) -> None:
        """Take the level's picture without anything alive or to collect, (H, W, 3)."""
        self._world, self._scenery = world, scenery
        self._judge, self._coins = ActionJudge(level), level.coins
        self._tick = 0
        self._stretches: deque[_Stretch] = deque(maxlen=STRETCHES)

    def restart(self) -> None:
        """Forget what was seen; what comes next need not follow on it."""
        self._tick = 0
        self._stretches.clear()

    def see(self, frame: NDArray[np.uint8], held: NDArray[np.bool_]) -> None:
        """Take in the frame (H, W, 3) of a tick, and the buttons (A,) that caused it."""
        at = self._tick % STRETCH_TICKS
        self._tick += 1
        if at == 0:
            self._stretches.append(_Stretch())
            self._judge.forget()
        if at < JUDGED_TICKS:
            answer = self._judge.see(box_of(self._world.places[0].tolist()), held)
            if answer is not None:
                self._stretches[-1].answers.append(answer)
        elif at in SEEN_TICKS:
            self._stretches[-1].qualities.append(self._quality(frame))

    def _quality(self, frame: NDArray[np.uint8]) -> float:
        boxes = [
            (left, top, CastConfig.width, CastConfig.height)
            for top, left, *_ in self._world.places.tolist()
        ]
        still = ~(touched_tiles(boxes) | self._coins)
        return float(tile_quality(frame, self._scenery)[still].mean())

    def reading(self) -> Reading:
        """Return what the last ten seconds were like."""
        qualities = [value for stretch in self._stretches for value in stretch.qualities]
        answers = [answer for stretch in self._stretches for answer in stretch.answers]
        quality = sum(qualities) / len(qualities) if qualities else None
        return Reading(quality, sum(answers), len(answers))
