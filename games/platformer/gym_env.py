"""The platformer as a Gymnasium environment: one game, its frames, and a reward from its events.

The only module of the game that needs gymnasium (the `gym` extra). Knows nothing about the rules:
they are `physics`.
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.generator import generate
from games.platformer.level import FRAME, Level, Levels
from games.platformer.physics import BUTTONS, EVENTS, TICKS_PER_SECOND
from games.platformer.render import Renderer
from games.platformer.themes import THEMES

Frame = NDArray[np.uint8]

REWARDS: Final = {"coin": 1.0, "death": -1.0, "goal": 5.0, "spring": 0.0, "landed": 0.0}
LEVEL_SEEDS: Final = 1_000_000_000
"""Generated levels have seeds below this; those from here on are kept for evaluation."""


class PlatformerEnv(gymnasium.Env[Frame, NDArray[np.int8]]):
    """Play `level`, or a newly generated level each reset; with `theme`, or a random one.

    Observation: the frame, (128, 128, 3) uint8. Action: MultiBinary(3), the held buttons left,
    right and jump. Reward: the sum over the tick's events of `REWARDS`: +1 for a coin, -1 for a
    death, +5 for the goal. `info["events"]` names the events. A death or a goal puts the player
    back at the start, as in the game, so no episode ends by itself: wrap it in
    `gymnasium.wrappers.TimeLimit`.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (gymnasium declares it so)
        "render_modes": ["rgb_array"],
        "render_fps": TICKS_PER_SECOND,
    }

    def __init__(
        self,
        level: Level | None = None,
        *,
        theme: str | None = None,
        render_mode: str | None = None,
    ) -> None:
        if theme is not None and theme not in THEMES:
            raise ValueError(f"no theme {theme!r}; there are {', '.join(THEMES)}")
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"no render mode {render_mode!r}; there is rgb_array")
        self.observation_space = spaces.Box(0, 255, (FRAME, FRAME, 3), np.uint8)
        self.action_space = spaces.MultiBinary(len(BUTTONS))
        self.render_mode = render_mode
        self._level, self._theme = level, theme
        self._levels: Levels | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Start a level; the same `seed` gives the same level and theme."""
        super().reset(seed=seed, options=options)
        level_seed = int(self.np_random.integers(LEVEL_SEEDS))
        themes = list(THEMES)
        theme = themes[self.np_random.integers(len(themes))]
        self._levels = Levels.stack([self._level or generate(level_seed)])
        self._renderer = Renderer(self._levels, [THEMES[self._theme or theme]])
        self._state = physics.initial(self._levels)
        return self._frame(), {"events": ()}

    def step(self, action: NDArray[np.int8]) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Hold the buttons `action` (3,) for a tick; returns the frame that they caused."""
        if self._levels is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        held = np.asarray(action, np.bool_).reshape(1, len(BUTTONS))
        self._state, happened = physics.step(self._levels, self._state, held)
        events = tuple(name for name, here in zip(EVENTS, happened[0], strict=True) if here)
        reward = sum(REWARDS[name] for name in events)
        return self._frame(), float(reward), False, False, {"events": events}

    def render(self) -> Frame | None:
        """Return the current frame in the mode rgb_array, else None."""
        if self._levels is None:
            raise gymnasium.error.ResetNeeded("call reset() before render()")
        return self._frame() if self.render_mode == "rgb_array" else None

    def _frame(self) -> Frame:
        frame: Frame = self._renderer.render(self._state)[0]
        return frame
