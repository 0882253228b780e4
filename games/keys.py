"""Which keyboard keys a scene may name, by pygame's names, without pygame.

Knows names only: reading the keyboard is the engine's work.
"""

from __future__ import annotations

from string import ascii_lowercase, digits
from typing import Final

# What the engine itself listens to: pause, single step, reset, HUD, quit.
RESERVED_KEYS: Final = frozenset({"p", "n", ".", "r", "f3", "escape"})

_MODIFIERS: Final = ("shift", "ctrl", "alt", "meta")

KEY_NAMES: Final = frozenset(
    [
        *ascii_lowercase,
        *digits,
        *(f"f{number}" for number in range(1, 13)),
        *"`-=[]\\;',./",
        *(f"[{key}]" for key in "0123456789.+-*/"),  # the keypad
        *("left", "right", "up", "down"),
        *("space", "return", "enter", "tab", "backspace", "escape"),
        *("insert", "delete", "home", "end", "page up", "page down"),
        *(f"left {key}" for key in _MODIFIERS),
        *(f"right {key}" for key in _MODIFIERS),
    ]
)

# What a platformer scene gets where it names no keys of its own.
PLATFORMER_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "left": ("left", "a"),
    "right": ("right", "d"),
    "jump": ("space", "up", "w"),
}
