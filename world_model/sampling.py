"""Few-step sampling, frame by frame: the control for a window, which takes one pass a frame.

Noise, a pass, re-noise to the next lower level, a pass, and so on (Self Forcing, arXiv 2506.08009);
the levels are those of a window of as many slots.
"""

from __future__ import annotations

from itertools import pairwise

from world_model.backend import Backend, Resident
from world_model.config import WorldConfig
from world_model.errors import ConfigError
from world_model.schedule import staircase
from world_model.world import RollingWorld


class SampledWorld(RollingWorld):
    """A world of one slot that takes several passes for each frame."""

    def __init__(self, config: WorldConfig, backend: Backend, passes: int) -> None:
        """Raises ConfigError for a world of more than one slot."""
        if config.window.slots != 1:
            raise ConfigError(f"{config.name}: only frame-by-frame worlds take several passes")
        super().__init__(config, backend)
        self._stairs = staircase(passes, config.window.shift)[::-1]

    def _advance(self, ticks: Resident) -> None:
        home = self._home
        slot = home.window[0, 1]
        for level, lower in pairwise(self._stairs):
            home.sigmas[1] = level
            ticks.tick(self._inputs)
            self._draw_noise()
            slot[:] = (1 - lower) * home.latents[0, : len(slot)] + lower * home.noise[0, 0]
        home.sigmas[1] = self._stairs[-1]
        super()._advance(ticks)
