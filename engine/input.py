"""Where action tokens come from when nobody sits at a keyboard: a script, or a random player.

Knows buttons by index and a clock; knows nothing about keys, windows or worlds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.actions import Script
from engine.controls import Command
from engine.loop import Input
from engine.pacing import Clock
from engine.sample import Sample

NO_COMMANDS: Sequence[Command] = ()
RESET_ONLY: Sequence[Command] = (Command.RESET,)


class ScriptedInput:
    """Plays a script, then holds nothing. The script's resets are its only commands."""

    def __init__(self, script: Script, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self._tick = 0
        self._sample = Sample.empty(script.held.shape[1])

    def start(self) -> None:
        """A script needs no device."""

    def poll(self) -> Sequence[Command]:
        """Return the commands due before the next sample."""
        ended = self._tick >= len(self._script)
        return NO_COMMANDS if ended or not self._script.resets[self._tick] else RESET_ONLY

    def sample(self) -> Sample:
        """Return the next tick's action, stamped now."""
        if self._tick < len(self._script):
            np.copyto(self._sample.action, self._script.held[self._tick])
        else:
            self._sample.action.fill(False)
        self._tick += 1
        self._sample.event_ns = self._clock.now_ns()
        return self._sample

    def close(self) -> None:
        """A script needs no device."""


class _Finger:
    """Rests or holds one random button, for a random while."""

    def __init__(self, buttons: int, *, rest: float, hold_ticks: tuple[int, int]) -> None:
        self._buttons = buttons
        self._rest = rest
        self._hold_ticks = hold_ticks
        self._left = 0
        self._button = -1

    def press(self, action: NDArray[np.bool_], rng: np.random.Generator) -> None:
        if self._left == 0:
            self._left = int(rng.integers(*self._hold_ticks, endpoint=True))
            resting = rng.random() < self._rest
            self._button = -1 if resting else int(rng.integers(self._buttons))
        self._left -= 1
        if self._button >= 0:
            action[self._button] = True


class RandomInput:
    """Plays like a restless person: one finger holds for a while, another one taps beside it."""

    def __init__(self, buttons: int, *, seed: int, clock: Clock) -> None:
        self._rng = np.random.default_rng(seed)
        self._clock = clock
        self._sample = Sample.empty(buttons)
        self._fingers = (
            _Finger(buttons, rest=0.15, hold_ticks=(6, 30)),
            _Finger(buttons, rest=0.6, hold_ticks=(1, 8)),
        )

    def start(self) -> None:
        """A random player needs no device."""

    def poll(self) -> Sequence[Command]:
        """A random player never commands the engine."""
        return NO_COMMANDS

    def sample(self) -> Sample:
        """Return the next tick's action, stamped now."""
        self._sample.action.fill(False)
        for finger in self._fingers:
            finger.press(self._sample.action, self._rng)
        self._sample.event_ns = self._clock.now_ns()
        return self._sample

    def close(self) -> None:
        """A random player needs no device."""


class WindowControlled:
    """Takes actions from one source and adds the commands given in the window."""

    def __init__(self, actions: Input, window: Input) -> None:
        self._actions = actions
        self._window = window
        self.sample = actions.sample

    def start(self) -> None:
        """Start both."""
        self._window.start()
        self._actions.start()

    def poll(self) -> Sequence[Command]:
        """Return the window's commands, then the source's own."""
        commands = self._window.poll()
        own = self._actions.poll()
        return (*commands, *own) if own else commands

    def close(self) -> None:
        """Close both."""
        self._actions.close()
        self._window.close()
