"""How a session opens: the frames that a world is shown before it dreams on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import Level, Levels
from games.platformer.render import Renderer
from games.platformer.sheet import model_sheet
from games.platformer.themes import Palette


def opening(level: Level, palette: Palette, count: int) -> NDArray[np.uint8]:
    """Render the first `count` frames of a level, (count, 128, 128, 3) RGB.

    The first is the model sheet, the second the scenery: the level with nobody and nothing to
    collect in it. The third shows its start; before each later one a tick without buttons has
    passed.
    """
    levels = Levels.stack([level])
    renderer = Renderer(levels, [palette])
    state = physics.initial(levels)
    idle = np.zeros((1, len(physics.BUTTONS)), np.bool_)
    frames = [model_sheet(palette), renderer.background(0)]
    for index in range(count - 2):
        if index:
            state, _ = physics.step(levels, state, idle)
        frames.append(renderer.render(state)[0])
    return np.stack(frames)
