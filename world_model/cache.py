"""Which place of the KV cache the next finished frame takes, and how old each place is.

The first `sink_frames` stay for ever; after them a ring of `recent_frames`. Knows indices only,
so that numpy play, torch training and every backend share it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from world_model.config import WindowConfig


class CacheIndex:
    """Places of a cache; frames are pushed in the order in which they are finished."""

    def __init__(self, config: WindowConfig) -> None:
        self._sinks, self._recents = config.sink_frames, config.recent_frames
        self.ages: NDArray[np.float32] = np.zeros(config.cache_frames, np.float32)
        self.pushed = 0

    def clear(self) -> None:
        """Empty every place."""
        self.pushed = 0
        self.ages[:] = 0

    def push(self) -> int:
        """Return the place of the next finished frame, and age all others by a tick.

        `ages` then says how many frames before the next head each place stands; 0 is empty. The
        frame just pushed is two behind it (the one between rides in the window). Sinks stand
        right before the oldest recent frame, however long ago they were.
        """
        if self.pushed < self._sinks:
            place = self.pushed
        else:
            place = self._sinks + (self.pushed - self._sinks) % self._recents
            recents = self.ages[self._sinks :]
            recents[recents > 0] += 1
        self.pushed += 1
        is_sink = place < self._sinks
        self.ages[place] = self._recents + 1 + self._sinks - place if is_sink else 2
        return place
