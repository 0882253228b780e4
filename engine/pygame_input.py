"""The keyboard of the game window, through pygame events.

Knows pygame's event queue and key names; needs an open pygame display. SDL stamps an event when it
is pumped, and events are pumped by `poll`, so a key event counts as happening then.
"""

from collections.abc import Mapping, Sequence

import pygame

from engine.controls import CONTROL_KEYS, Command
from engine.errors import InputError
from engine.input import NO_COMMANDS
from engine.keys import HeldKeys
from engine.pacing import Clock
from engine.sample import Sample


def key_code(name: str) -> int:
    """Return pygame's code of a key, raising InputError for an unknown one."""
    try:
        return pygame.key.key_code(name)
    except ValueError as error:
        raise InputError(f"pygame knows no key {name!r}") from error


class PygameInput:
    """Held keys and commands from the window's event queue.

    keys: for each button of the world the names of its keys; buttons without keys stay up.
    """

    def __init__(
        self, buttons: Sequence[str], keys: Mapping[str, Sequence[str]], clock: Clock
    ) -> None:
        buttons_of: dict[int, list[int]] = {}
        for index, button in enumerate(buttons):
            for name in keys.get(button, ()):
                buttons_of.setdefault(key_code(name), []).append(index)
        self._keys = HeldKeys[int](len(buttons), buttons_of)
        self._controls = {key_code(name): command for name, command in CONTROL_KEYS.items()}
        self._clock = clock
        self._sample = Sample.empty(len(buttons))
        self._commands: list[Command] = []

    def start(self) -> None:
        """Forget what was tapped while nothing ran; commands wait for the first `poll`."""
        self._pump()
        self._keys.forget_taps()

    def poll(self) -> Sequence[Command]:
        """Pump the event queue and return the commands in it."""
        self._pump()
        if not self._commands:
            return NO_COMMANDS
        commands, self._commands = self._commands, []
        return commands

    def sample(self) -> Sample:
        """Return what was held or tapped since the last sample, as of the last `poll`."""
        self._keys.take(self._sample)
        return self._sample

    def close(self) -> None:
        """The display owns the event queue."""

    def _pump(self) -> None:
        for event in pygame.event.get():
            self._handle(event)

    def _handle(self, event: pygame.event.Event) -> None:
        if event.type == pygame.KEYDOWN:
            command = self._controls.get(event.key)
            if command is None:
                self._keys.press(event.key, self._clock.now_ns())
            else:
                self._commands.append(command)
        elif event.type == pygame.KEYUP:
            self._keys.release(event.key, self._clock.now_ns())
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._keys.release_all()
        elif event.type == pygame.QUIT:
            self._commands.append(Command.QUIT)
