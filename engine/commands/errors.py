"""What a command says when it cannot go on: its reason on stderr, an exit code, no traceback.

exit 2   bad usage or input: scenes, actions files, world bundles, folders
exit 1   failed at run time: no display, no keyboard, a full disk
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from engine.errors import ActionsError, DeviceError
from games.problems import SceneErrors
from world_model.errors import RollplayError

FAILED = 1
BAD_INPUT = 2


@contextmanager
def told_to_the_user() -> Iterator[None]:
    """Turn errors that a user can mend into a message and an exit code."""
    try:
        yield
    except (SceneErrors, ActionsError) as error:
        _fail(str(error), BAD_INPUT)  # Already says "path:line:column: error".
    except (DeviceError, OSError) as error:
        _fail(f"error: {error}", FAILED)
    except RollplayError as error:
        _fail(f"error: {error}", BAD_INPUT)


def one_line(error: Exception) -> str:
    """Return the first line of an error's message that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), "no reason given")


def _fail(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(code)
