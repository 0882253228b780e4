"""Hero, enemy and coin: their drawings, and the pose a state shows.

A pose is read off what is visible (place, speed, footing), never off a clock, so that the
next frame can be told from the present one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from games.platformer.inks import CLEAR, FIRST, OUTLINE, Art, art, ink_table
from games.platformer.physics import State
from games.platformer.themes import Palette

POSES = ("stand", "run_a", "run_b", "jump", "fall")
STAND, RUN_A, RUN_B, JUMP, FALL = range(len(POSES))
FACINGS = ("right", "left")
STRIDE_PX = 4

HERO_W, HERO_H = 10, 12
ENEMY_PX = 8

# r coat, R lit coat, d shaded coat; f face and scarf, F lit, e shaded; k outline.
HERO_INKS = {
    ".": CLEAR,
    "k": OUTLINE,
    "d": FIRST["hero"] + 1,
    "r": FIRST["hero"] + 2,
    "R": FIRST["hero"] + 3,
    "e": FIRST["hero_trim"] + 1,
    "f": FIRST["hero_trim"] + 2,
    "F": FIRST["hero_trim"] + 3,
}
HEAD = [
    "...kkkkk..",
    "..kRRrrrk.",
    ".kRrrrrrrk",
    ".krrfFFFFk",
    ".krfFkFkFk",
    ".kdffkFkfk",
]
BODIES = {
    "stand": ["..kdffffk.", ".kkfeeek..", "kfkRrrdk..", ".kkRrrdk..", "..kddddk..", "..kkkkkk.."],
    "run_a": ["..kdffffk.", "kkkfeeek..", "ffkRrrrfk.", "kkRrrrdkk.", "kddkkkddk.", "kkk...kkkk"],
    "run_b": [".kkdffffk.", "kffeeeek..", "k.kRrrdk..", "..kfrrdk..", "..kkdddk..", "...kkkkk.."],
    "jump": [".kkdffffkk", "..kfeeekfk", ".kkRrrrrk.", "kfkRrrdk..", "kkkddkddk.", "..kk.kkk.."],
    "fall": ["kfkdffffk.", "kfkfeeekkk", ".kfRrrdkfk", "kfkRrrdkk.", "kkddkkddk.", ".kkk..kkk."],
}
ENEMY = [
    ".k....k.",
    "k4kkkk3k",
    "k443333k",
    "k33wwwwk",
    "k32wwkwk",
    "k22wwkwk",
    "k122221k",
]
ENEMY_FEET = ("kkk.kkk.", ".kkkkk..")
COIN = [
    "...kk...",
    "..k43k..",
    ".k4433k.",
    ".k4w32k.",
    ".k4332k.",
    ".k3322k.",
    "..k32k..",
    "...kk...",
]


def hero_art() -> Art:
    """Inks of the hero, (poses, facings, HERO_H, HERO_W)."""
    right = np.array(
        [[[HERO_INKS[char] for char in row] for row in HEAD + BODIES[pose]] for pose in POSES],
        dtype=np.uint8,
    )
    return np.stack([right, right[..., ::-1]], axis=1)


def enemy_art() -> Art:
    """Inks of the enemy, (frames, facings, ENEMY_PX, ENEMY_PX)."""
    right = np.stack([art([*ENEMY, feet], "enemy") for feet in ENEMY_FEET])
    return np.stack([right, right[..., ::-1]], axis=1)


def coin_art() -> Art:
    """Inks of the coin in its tile, (TILE, TILE)."""
    return art(COIN, "coin")


def hero_sprites(palette: Palette) -> NDArray[np.uint8]:
    """RGBA of the hero, (poses, facings, 12, 10, 4), in the order of POSES and FACINGS."""
    return _coloured(hero_art(), palette)


def enemy_sprites(palette: Palette) -> NDArray[np.uint8]:
    """RGBA of the enemy, (2 frames, facings, 8, 8, 4), in the order of FACINGS."""
    return _coloured(enemy_art(), palette)


def _coloured(inks: Art, palette: Palette) -> NDArray[np.uint8]:
    alpha = np.where(inks == CLEAR, 0, 255).astype(np.uint8)[..., None]
    return np.concatenate([ink_table(palette)[inks], alpha], axis=-1)


def hero_pose(state: State) -> NDArray[np.intp]:
    """Index into POSES for every hero of the batch, (B,)."""
    running = np.where(state.x // STRIDE_PX % 2 == 0, RUN_A, RUN_B)
    grounded = np.where(state.vx == 0, STAND, running)
    airborne = np.where(state.vy < 0, JUMP, FALL)
    return np.where(state.on_ground, grounded, airborne).astype(np.intp)


def enemy_frame(enemy_x: NDArray[np.int32]) -> NDArray[np.intp]:
    """Which of the two walking frames each enemy shows."""
    return (enemy_x // STRIDE_PX % 2).astype(np.intp)


def facing_index(direction: NDArray[np.int32]) -> NDArray[np.intp]:
    """Index into FACINGS for directions +1 (right) and -1 (left)."""
    return (direction < 0).astype(np.intp)
