"""Errors of worlds.

RollplayError      something that a user can put right; the message names the cure
├── ConfigError    a config that cannot be read
├── WorldError     a world bundle that is missing, broken or does not fit
│   └── BackendError   what runs it has failed, and its bundle may be good
└── DataError      a recorded data set or checkpoint that is missing, broken or does not fit
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RollplayError(Exception):
    """Base of every error whose message is for the user."""


class ConfigError(RollplayError):
    """A config with an unknown, missing or ill-typed entry."""


class WorldError(RollplayError):
    """A world bundle that cannot be played."""


class BackendError(WorldError):
    """A device or a library that cannot run a world, or has stopped to; the message says why."""


class DataError(RollplayError):
    """Recorded data or a checkpoint that cannot be used."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a hint at the nearest of these names, and a space; nothing where none is near."""
    near = get_close_matches(name, list(names), 1)
    return f"did you mean {near[0]}? " if near else ""
