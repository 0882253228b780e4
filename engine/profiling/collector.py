"""Python's garbage collector, watched while a scene is played."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.pacing import Clock

MOST_PAUSES = 4096


class CollectorLog:
    """When the collector ran, and for how long; the last `MOST_PAUSES` pauses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows = np.full((MOST_PAUSES, 2), 0, dtype=np.int64)
        self._began_ns = 0
        self.count = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Log every pause from here on."""
        gc.callbacks.append(self._note)
        try:
            yield
        finally:
            gc.callbacks.remove(self._note)

    def _note(self, phase: Literal["start", "stop"], _info: Mapping[str, int]) -> None:
        now_ns = self._clock.now_ns()
        if phase == "start":
            self._began_ns = now_ns
        else:
            self._rows[self.count % MOST_PAUSES] = self._began_ns, now_ns
            self.count += 1

    def pauses_ns(self) -> NDArray[np.int64]:
        """Return begin and end of the pauses kept, (n, 2), oldest first."""
        kept = min(self.count, MOST_PAUSES)
        return self._rows[np.arange(self.count - kept, self.count) % MOST_PAUSES]
