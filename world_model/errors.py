"""Errors of worlds.

RollplayError      something that a user can put right; the message names the cure
├── ConfigError    a config that cannot be read
├── WorldError     a world bundle that is missing, broken or does not fit
└── DataError      a recorded data set or checkpoint that is missing, broken or does not fit
"""

from __future__ import annotations


class RollplayError(Exception):
    """Base of every error whose message is for the user."""


class ConfigError(RollplayError):
    """A config with an unknown, missing or ill-typed entry."""


class WorldError(RollplayError):
    """A world bundle that cannot be played."""


class DataError(RollplayError):
    """Recorded data or a checkpoint that cannot be used."""
