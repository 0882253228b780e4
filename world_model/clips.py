"""Which moments of a recording to train on: those that teach most come most often."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from world_model.footage import Footage

EARLY_TICKS: Final = 12
CHANGE_SHARE: Final = 0.5
EARLY_SHARE: Final = 0.2
RESTART_SHARE: Final = 0.25


class ClipChooser:
    """Chooses clips; in half of them or more the buttons change within the last `late` ticks.

    Some begin within an episode's first ticks: the sink then still shows the player where it
    is, which is how every session starts and rare in a recording. In some the player restarts.
    """

    def __init__(self, data: Footage, late: int) -> None:
        self._changes, self._restarts = data.changes, np.argwhere(data.restarts)
        self._episodes, self._ticks, self._late = data.episodes, data.ticks, late

    def __call__(
        self, rng: np.random.Generator, length: int, batch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return episodes and starts of clips of `length` + 1 frames."""
        episodes = rng.integers(self._episodes, size=batch)
        last = self._ticks - length
        starts = rng.integers(0, last + 1, size=batch)
        kinds = rng.random(batch)
        early = (kinds > CHANGE_SHARE) & (kinds < CHANGE_SHARE + EARLY_SHARE)
        starts[early] = rng.integers(0, min(EARLY_TICKS, last) + 1, size=int(early.sum()))
        changed, restarted = kinds <= CHANGE_SHARE, kinds > 1 - RESTART_SHARE
        for late, rows in ((self._changes, changed), (self._restarts, restarted)):
            count = int(rows.sum()) if len(late) else 0
            if not count:
                continue
            picked = late[rng.integers(len(late), size=count)]
            back = length - rng.integers(0, min(self._late, length), size=count)
            episodes[rows] = picked[:, 0]
            starts[rows] = np.clip(picked[:, 1] - back, 0, last)
        return episodes, starts
