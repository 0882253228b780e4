"""The rules of the platformer: one pure function from state and held buttons to the next state.

Integer pixels and pixels per tick, no randomness, a whole batch at once. States are values:
keeping one saves the game, stepping an old one again branches it. Everything that decides the
next state can be seen in the last two frames (no hidden timers), so a network can learn it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import (
    DOOR,
    EMPTY,
    FRAME,
    LAVA,
    PLATFORM,
    PLAYER_H,
    PLAYER_W,
    SIZE,
    SOLID,
    SPIKES,
    SPRING,
    TILE,
    Levels,
)

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

BUTTONS: Final = ("left", "right", "jump")
LEFT, RIGHT, JUMP = range(3)
EVENTS: Final = ("coin", "death", "goal", "spring", "landed")
TICKS_PER_SECOND: Final = 20

RUN_SPEED: Final = 3
RUN_ACCEL: Final = 2
GRAVITY: Final = 1
FALL_SPEED: Final = 6
JUMP_SPEED: Final = 7
JUMP_CUT_SPEED: Final = 3
SPRING_SPEED: Final = 11
ENEMY_SIZE: Final = TILE

_FEET: Final = PLAYER_H - 1
_RIGHT: Final = PLAYER_W - 1
_BODY_X: Final = np.array([0, _RIGHT, 0, _RIGHT, 0, _RIGHT])
_BODY_Y: Final = np.array([0, 0, PLAYER_H // 2, PLAYER_H // 2, _FEET, _FEET])
_HURT_INSET: Final = 1


@dataclass(frozen=True, eq=False)
class State:
    """Everything that moves in B games, in pixels and pixels per tick.

    `x`, `y` (top left of the player's 6x12 box), `vx`, `vy`, `facing` (+1, -1): (B,) int32;
    `on_ground` (B,) bool; `coins` (B, 16, 16) bool, those still there;
    `enemy_x`, `enemy_y`, `enemy_dir`: (B, 3) int32.
    """

    x: Ints
    y: Ints
    vx: Ints
    vy: Ints
    facing: Ints
    on_ground: Bools
    coins: Bools
    enemy_x: Ints
    enemy_y: Ints
    enemy_dir: Ints

    def take(self, indices: NDArray[np.intp] | slice) -> State:
        """Select games of the batch."""
        return State(*(getattr(self, field.name)[indices] for field in fields(self)))


def initial(levels: Levels) -> State:
    """Return the state at the start of each level."""
    n = len(levels)
    zero = np.zeros(n, np.int32)
    return State(
        x=levels.spawn_x.copy(),
        y=levels.spawn_y.copy(),
        vx=zero,
        vy=zero,
        facing=np.ones(n, np.int32),
        on_ground=_supported(levels.tiles, levels.spawn_x, levels.spawn_y),
        coins=levels.coins.copy(),
        enemy_x=levels.enemy_x.copy(),
        enemy_y=levels.enemy_y.copy(),
        enemy_dir=np.ones_like(levels.enemy_x),
    )


def step(levels: Levels, state: State, actions: Bools) -> tuple[State, Bools]:
    """Advance every game by one tick under the held buttons `actions` (B, 3) bool.

    Returns the next state and the tick's events, (B, 5) bool in the order of `EVENTS`.
    """
    tiles = levels.tiles
    vx, facing = _steer(state, actions)
    vy = _rise_or_fall(state, actions[:, JUMP])
    x, vx = _move_x(tiles, state.x, state.y, vx)
    y, vy_after = _move_y(tiles, x, state.y, vy)
    on_ground = (vy_after >= 0) & _supported(tiles, x, y)
    enemy_x, enemy_dir = _patrol(levels, state)

    touched = _tiles_at(tiles, x[:, None] + _BODY_X, y[:, None] + _BODY_Y)
    sprung = (touched[:, 4:] == SPRING).any(1) & (vy_after >= 0)
    vy_after = np.where(sprung, -SPRING_SPEED, vy_after)
    on_ground &= ~sprung
    landed = on_ground & ~state.on_ground
    coins, got_coin = _collect(state.coins, x, y)
    dead = _hurt(tiles, x, y) | _caught(levels, x, y, enemy_x, state.enemy_y) | (y >= FRAME)
    goal = (touched == DOOR).any(1) & ~dead

    again = dead | goal
    moved = State(
        x=np.where(again, levels.spawn_x, x),
        y=np.where(again, levels.spawn_y, y),
        vx=np.where(again, 0, vx),
        vy=np.where(again, 0, vy_after).astype(np.int32),
        facing=np.where(again, 1, facing).astype(np.int32),
        on_ground=np.where(again, _supported(tiles, levels.spawn_x, levels.spawn_y), on_ground),
        coins=np.where(goal[:, None, None], levels.coins, coins),
        enemy_x=enemy_x,
        enemy_y=state.enemy_y,
        enemy_dir=enemy_dir,
    )
    return moved, np.stack([got_coin, dead, goal, sprung & ~again, landed & ~again], 1)


def _steer(state: State, actions: Bools) -> tuple[Ints, Ints]:
    wish = actions[:, RIGHT].astype(np.int32) - actions[:, LEFT]
    vx = state.vx + np.clip(wish * RUN_SPEED - state.vx, -RUN_ACCEL, RUN_ACCEL)
    return vx.astype(np.int32), np.where(wish != 0, wish, state.facing)


def _rise_or_fall(state: State, jump: Bools) -> Ints:
    """Jump from the ground; in the air fall, and cut the rise short once jump is let go.

    A spring's first ticks are faster than any jump and are not cut.
    """
    falling = np.minimum(state.vy + GRAVITY, FALL_SPEED)
    cut = ~jump & (falling >= -JUMP_SPEED) & (falling < -JUMP_CUT_SPEED)
    in_air = np.where(cut, -JUMP_CUT_SPEED, falling)
    on_ground = np.where(jump, -JUMP_SPEED, 0)
    return np.where(state.on_ground, on_ground, in_air).astype(np.int32)


def _move_x(tiles: NDArray[np.uint8], x: Ints, y: Ints, vx: Ints) -> tuple[Ints, Ints]:
    """Move by `vx`, stopping flush at solid tiles; speeds stay under a tile per tick."""
    target = x + vx
    edge = np.where(vx > 0, target + _RIGHT, target)
    rows = y[:, None] + np.array([0, TILE, _FEET])
    blocked = (_tiles_at(tiles, edge[:, None], rows) == SOLID).any(1) & (vx != 0)
    flush = np.where(vx > 0, (edge // TILE) * TILE - PLAYER_W, (edge // TILE + 1) * TILE)
    return np.where(blocked, flush, target).astype(np.int32), np.where(blocked, 0, vx)


def _move_y(tiles: NDArray[np.uint8], x: Ints, y: Ints, vy: Ints) -> tuple[Ints, Ints]:
    """Move by `vy` in two halves, each under a tile, so that a spring cannot tunnel."""
    first = vy // 2
    y, blocked = _half_move_y(tiles, x, y, first)
    y, blocked_too = _half_move_y(tiles, x, y, np.where(blocked, 0, vy - first))
    return y, np.where(blocked | blocked_too, 0, vy)


def _half_move_y(tiles: NDArray[np.uint8], x: Ints, y: Ints, dy: Ints) -> tuple[Ints, Bools]:
    target = y + dy
    down = dy > 0
    edge = np.where(down, target + _FEET, target)
    met = _tiles_at(tiles, x[:, None] + np.array([0, _RIGHT]), edge[:, None])
    top = (edge // TILE) * TILE
    lands = down[:, None] & (met == PLATFORM) & (top >= y + PLAYER_H)[:, None]
    blocked = ((met == SOLID) | lands).any(1) & (dy != 0)
    flush = np.where(down, top - PLAYER_H, top + TILE)
    return np.where(blocked, flush, target).astype(np.int32), blocked


def _supported(tiles: NDArray[np.uint8], x: Ints, y: Ints) -> Bools:
    """Tell whether solid ground or a platform's top is right under the feet."""
    below = y + PLAYER_H
    met = _tiles_at(tiles, x[:, None] + np.array([0, _RIGHT]), below[:, None])
    on_top = (below % TILE == 0)[:, None] & (met == PLATFORM)
    return np.asarray(((met == SOLID) | on_top).any(1))


def _patrol(levels: Levels, state: State) -> tuple[Ints, Ints]:
    """Walk one pixel a tick; turn (and rest a tick) at walls, hazards and ledges."""
    x = state.enemy_x + state.enemy_dir
    front = np.where(state.enemy_dir > 0, x + ENEMY_SIZE - 1, x)
    ahead = _tiles_at(levels.tiles, front, state.enemy_y)
    floor = _tiles_at(levels.tiles, front, state.enemy_y + ENEMY_SIZE)
    free = (ahead == EMPTY) & ((floor == SOLID) | (floor == PLATFORM))
    walks = free & levels.enemy_alive
    enemy_x = np.where(walks, x, state.enemy_x).astype(np.int32)
    return enemy_x, np.where(walks, state.enemy_dir, -state.enemy_dir).astype(np.int32)


def _collect(coins: Bools, x: Ints, y: Ints) -> tuple[Bools, Bools]:
    rows = (y[:, None] + _BODY_Y) // TILE
    cols = (x[:, None] + _BODY_X) // TILE
    inside = (rows >= 0) & (rows < SIZE) & (cols >= 0) & (cols < SIZE)
    index = (np.arange(len(x))[:, None], rows.clip(0, SIZE - 1), cols.clip(0, SIZE - 1))
    hit = coins[index] & inside
    left = coins.copy()
    left[index] &= ~inside
    return left, hit.any(1)


def _hurt(tiles: NDArray[np.uint8], x: Ints, y: Ints) -> Bools:
    xs = x[:, None] + np.array([_HURT_INSET, _RIGHT - _HURT_INSET])
    met = np.concatenate([_tiles_at(tiles, xs, y[:, None] + dy) for dy in (4, _FEET)], 1)
    return np.asarray(((met == SPIKES) | (met == LAVA)).any(1))


def _caught(levels: Levels, x: Ints, y: Ints, enemy_x: Ints, enemy_y: Ints) -> Bools:
    """Tell whether an enemy's box, one pixel slimmer on each side, meets the player's."""
    dx = enemy_x - x[:, None]
    dy = enemy_y - y[:, None]
    near_x = (dx < PLAYER_W - _HURT_INSET) & (dx > _HURT_INSET - ENEMY_SIZE)
    near_y = (dy < PLAYER_H - _HURT_INSET) & (dy > _HURT_INSET - ENEMY_SIZE)
    return np.asarray((near_x & near_y & levels.enemy_alive).any(1))


def _tiles_at(tiles: NDArray[np.uint8], x: NDArray[np.int_], y: Ints) -> NDArray[np.uint8]:
    """Return the tile under pixels (B, k); the frame's sides and top are solid, below is empty."""
    col, row = x // TILE, y // TILE
    batch = np.arange(len(tiles))[:, None]
    met = tiles[batch, row.clip(0, SIZE - 1), col.clip(0, SIZE - 1)]
    wall = (col < 0) | (col >= SIZE) | (row < 0)
    return np.where(wall, SOLID, np.where(row >= SIZE, EMPTY, met)).astype(np.uint8)
