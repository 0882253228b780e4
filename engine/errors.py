"""Errors of the engine, whose messages are for the user.

RollplayError              of world_model: something that a user can put right
├── ActionsError           an actions file that cannot be played
├── RecorderError          a folder that a run cannot be recorded in
├── ProfileError           a measurement that cannot be read or compared
└── DeviceError            something that is missing on this machine
    ├── DisplayError       no window can be opened
    └── InputError         a keyboard that cannot be listened to
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from world_model.errors import RollplayError

if TYPE_CHECKING:
    from games.problems import SourceProblem


class ActionsError(RollplayError):
    """An actions file that cannot be played; `problems` holds every reason."""

    def __init__(self, problems: Sequence[SourceProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class RecorderError(RollplayError):
    """A folder that a run cannot be recorded in."""


class ProfileError(RollplayError):
    """A measurement that cannot be read or compared."""


class DeviceError(RollplayError):
    """Something that is missing on this machine."""


class DisplayError(DeviceError):
    """No window can be opened here."""


class InputError(DeviceError):
    """A keyboard that cannot be listened to here."""
