"""The keyboard of the whole desktop, through pynput: keys count even without window focus.

Knows pynput's names for keys. Its listener runs in a thread of its own and stamps each event as it
arrives. It gives no commands: a key typed into another window must not quit the game.
"""

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from engine.controls import Command
from engine.errors import InputError
from engine.input import NO_COMMANDS
from engine.keys import HeldKeys
from engine.pacing import Clock
from engine.sample import Sample

_SPECIAL_KEYS: Mapping[str, tuple[str, ...]] = {
    "return": ("enter",),
    "escape": ("esc",),
    "left shift": ("shift", "shift_l"),
    "right shift": ("shift_r",),
    "left ctrl": ("ctrl", "ctrl_l"),
    "right ctrl": ("ctrl_r",),
    "left alt": ("alt", "alt_l"),
    "right alt": ("alt_r", "alt_gr"),
    "left meta": ("cmd", "cmd_l"),
    "right meta": ("cmd_r",),
}


class Listener(Protocol):
    """A running or runnable source of key events."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


OnKey = Callable[[Any], None]
Listen = Callable[[OnKey, OnKey], Listener]


def listen_with_pynput(on_press: OnKey, on_release: OnKey) -> Listener:
    """Make pynput's listener; raises InputError where pynput cannot work."""
    try:
        keyboard = importlib.import_module("pynput.keyboard")
    except ImportError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"--input pynput cannot listen to the keyboard here ({reason}); use --input pygame"
        ) from error
    listener: Listener = keyboard.Listener(on_press=on_press, on_release=on_release)
    return listener


def pynput_names(key: str) -> tuple[str, ...]:
    """Return what pynput calls a key that pygame calls `key`."""
    if key.startswith("[") and key.endswith("]"):
        return (key[1:-1],)  # The keypad: pynput reports the character alone.
    return _SPECIAL_KEYS.get(key, (key.replace(" ", "_"),))


def name_of(key: Any) -> str:
    """Return the name of a key as pynput reports it: a special key's, or a character."""
    return str(getattr(key, "name", None) or getattr(key, "char", None) or "").lower()


class PynputInput:
    """Held keys from anywhere on the desktop.

    keys: for each button of the world the pygame names of its keys.
    """

    def __init__(
        self,
        buttons: Sequence[str],
        keys: Mapping[str, Sequence[str]],
        clock: Clock,
        *,
        listen: Listen = listen_with_pynput,
    ) -> None:
        buttons_of: dict[str, list[int]] = {}
        for index, button in enumerate(buttons):
            for key in keys.get(button, ()):
                for name in pynput_names(key.lower()):
                    buttons_of.setdefault(name, []).append(index)
        self._keys = HeldKeys[str](len(buttons), buttons_of)
        self._clock = clock
        self._sample = Sample.empty(len(buttons))
        self._lock = threading.Lock()
        self._listener = listen(self._on_press, self._on_release)

    def start(self) -> None:
        """Start listening."""
        self._listener.start()

    def poll(self) -> Sequence[Command]:
        """Global keys never command the engine."""
        return NO_COMMANDS

    def sample(self) -> Sample:
        """Return what was held or tapped since the last sample."""
        with self._lock:
            self._keys.take(self._sample)
        return self._sample

    def close(self) -> None:
        """Stop listening."""
        self._listener.stop()

    def _on_press(self, key: Any) -> None:
        with self._lock:
            self._keys.press(name_of(key), self._clock.now_ns())

    def _on_release(self, key: Any) -> None:
        with self._lock:
            self._keys.release(name_of(key), self._clock.now_ns())
