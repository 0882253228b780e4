"""Turn key presses into an action token: held keys, and taps shorter than a tick.

Knows keys as opaque values, of whatever kind the keyboard source uses, and buttons by index; knows
no window system.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from engine.sample import Sample

Key = TypeVar("Key", int, str)


class HeldKeys(Generic[Key]):
    """The keys that are down, and the buttons pressed since the last sample.

    A button is held while any of its keys is. A key pressed and released between two samples still
    counts for one tick: a tap must never be lost to the tick rate.
    """

    def __init__(self, buttons: int, buttons_of: Mapping[Key, Sequence[int]]) -> None:
        self._buttons_of: Mapping[Key, Sequence[int]] = buttons_of
        self._down: set[Key] = set()
        self._down_count = np.zeros(buttons, dtype=np.int64)
        self._tapped = np.zeros(buttons, dtype=np.bool_)
        self._event_ns = 0

    def press(self, key: Key, at_ns: int) -> None:
        """Note a key going down; foreign keys and auto-repeat are ignored."""
        if key not in self._buttons_of or key in self._down:
            return
        self._down.add(key)
        for button in self._buttons_of[key]:
            self._down_count[button] += 1
            self._tapped[button] = True
        self._event_ns = at_ns

    def release(self, key: Key, at_ns: int) -> None:
        """Note a key going up."""
        if key not in self._down:
            return
        self._down.remove(key)
        for button in self._buttons_of[key]:
            self._down_count[button] -= 1
        self._event_ns = at_ns

    def release_all(self) -> None:
        """Let go of everything, as when the window loses the keyboard."""
        self._down.clear()
        self._down_count.fill(0)

    def forget_taps(self) -> None:
        """Drop what was pressed and released before anybody sampled."""
        self._tapped.fill(False)
        self._event_ns = 0

    def take(self, sample: Sample) -> None:
        """Fill `sample` with what counts for this tick, and begin the next."""
        np.greater(self._down_count, 0, out=sample.action)
        np.logical_or(sample.action, self._tapped, out=sample.action)
        sample.event_ns = self._event_ns
        self.forget_taps()
