"""Which places of the KV cache the next finished frame takes, and how old each place is.

First the sink, then a ring of the `recent_frames` last ones. Knows indices only, so that numpy
play, torch training and every backend share it.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from world_model.config import WindowConfig

Sink = Literal["pinned", "refresh", "off"]
"""Which frames the sink holds: the first ones for ever; the first ones, replaced one by one by
later ones (for worlds whose camera moves); none."""
REFRESH_TICKS: Final = 64
"""With `refresh`, a finished frame takes the place of the oldest sink every so many ticks."""


class CacheIndex:
    """Places of a cache; frames are pushed in the order in which they are finished."""

    def __init__(self, config: WindowConfig, sink: Sink = "pinned") -> None:
        self._sinks, self._recents = config.sink_frames, config.recent_frames
        self.ages: NDArray[np.float32] = np.zeros(config.cache_frames, np.float32)
        self.sink: Sink = sink
        self._anchored = self._ringed = 0

    def clear(self) -> None:
        """Empty every place."""
        self._anchored = self._ringed = 0
        self.ages[:] = 0

    def push(self) -> tuple[int, ...]:
        """Return the places that the next finished frame takes, and age all others by a tick.

        `ages` then says how many frames before the next head each place stands; 0 is empty. The
        frame just pushed is two behind it (the one between rides in the window). Sinks stand
        right before the oldest recent frame, however long ago they were.
        """
        if self.sink != "off" and self._anchored < self._sinks:
            return (self._anchor(),)
        recents = self.ages[self._sinks :]
        recents[recents > 0] += 1
        place = self._ringed % self._recents
        recents[place] = 2
        self._ringed += 1
        renews = self.sink == "refresh" and self._sinks and self._ringed % REFRESH_TICKS == 0
        ring = self._sinks + place
        return (ring, self._anchor()) if renews else (ring,)

    def _anchor(self) -> int:
        """Return the place of a new sink, which stands nearest; the others move back by one."""
        place = self._anchored % self._sinks
        self._anchored += 1
        sinks = self.ages[: self._sinks]
        sinks[sinks > 0] += 1
        sinks[place] = self._recents + 2
        return place
