"""The keys that command the engine itself, by pygame key name.

Knows names only. Scenes may not use them: `games.keys.RESERVED_KEYS` lists the same ones for
whoever checks a scene, and a test keeps the two equal.
"""

from collections.abc import Mapping
from enum import Enum


class Command(Enum):
    """Something the person at the keyboard asks of the engine, never of the world."""

    PAUSE = "pause"
    STEP = "single step"
    RESET = "reset"
    HUD = "HUD"
    QUIT = "quit"


CONTROL_KEYS: Mapping[str, Command] = {
    "p": Command.PAUSE,
    "n": Command.STEP,
    ".": Command.STEP,
    "r": Command.RESET,
    "f3": Command.HUD,
    "escape": Command.QUIT,
}
