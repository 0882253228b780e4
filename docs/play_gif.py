"""Draws the README's animation: the shipped scenes being dreamt, side by side, frame for frame.

Who plays is the scripted player, who sees the true game and holds the keys; every frame shown is
the world's. Run from the repository: `python docs/play_gif.py docs/images/play.gif`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export.loading import load_world
from games.scene import Scene, bundle_directory, find_scenes, load_scene
from world_model.evaluation.side_by_side import Course, TrueGame, play_like

TICKS = 240
EVERY = 2
FRAME_MS = 100
SCALE = 2
PLAYER_SEED = 1


def dream(scene: Scene) -> list[NDArray[np.uint8]]:
    """Return every other frame (128, 128, 3) of a scene as its world dreams it."""
    course = Course(scene.title, scene.level, scene.palette)
    game, player = TrueGame(course), play_like(course, PLAYER_SEED)
    world = load_world(bundle_directory(scene.world))
    world.reset(game.start(world.start_frames), seed=scene.seed)
    frames = []
    for tick in range(TICKS):
        held = player(game.state, tick)
        game.step(held)
        frames.append(world.step(held).copy())
    return frames[::EVERY]


def main(out: str) -> None:
    """Write the animation to `out`."""
    joined = []
    for row in zip(*(dream(load_scene(path)) for path in find_scenes()), strict=True):
        big = np.concatenate(row, 1).repeat(SCALE, 0).repeat(SCALE, 1)
        joined.append(Image.fromarray(big).quantize(192, dither=Image.Dither.NONE))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    joined[0].save(out, save_all=True, append_images=joined[1:], duration=FRAME_MS, loop=0)


if __name__ == "__main__":
    main(sys.argv[1])
