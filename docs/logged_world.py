"""A world with a mistake, for docs/profiling.md: a log of every tick that only ever grows.

    python docs/logged_world.py profile meadow --headless --ticks 300

Every note points to the one before it, so the garbage collector walks all of them, again and again.
"""

from __future__ import annotations

from typing import Any

from engine.cli import main
from engine.commands.parts import BackendOptions, Parts, load_shipped_world

NOTES_A_TICK = 2000


class LoggedWorld:
    """A world that notes what is held."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._last: dict[str, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def denoise(self, action: Any) -> Any:
        """Advance by one tick, and note it."""
        for _ in range(NOTES_A_TICK):
            self._last = {"held": action.tolist(), "before": self._last}
        return self._world.denoise(action)


def load(name: str, options: BackendOptions) -> Any:
    """Load a shipped world, logged."""
    return LoggedWorld(load_shipped_world(name, options))


if __name__ == "__main__":
    main(parts=Parts(load_world=load))
