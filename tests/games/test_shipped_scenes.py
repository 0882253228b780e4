"""The scenes in games/: each can be won, every coin can be had, and each looks like itself."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import SIZE, SOLID, Level, Levels
from games.platformer.physics import EVENTS, State
from games.scene import WORLDS, Scene, find_scenes, load_scene, start_frames

HOLDS = np.array(
    [[left, right, jump] for left, right in ((0, 0), (1, 0), (0, 1)) for jump in (0, 1)], np.bool_
)
SCENES = [path.stem for path in find_scenes()]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    """All shipped scenes, as if the worlds they ask for were there."""
    worlds = tmp_path_factory.mktemp("worlds")
    for path in find_scenes():
        (worlds / _world_of(path)).mkdir(exist_ok=True)
    return {path.stem: load_scene(path, worlds=worlds) for path in find_scenes()}


def _world_of(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("world: ") for line in lines if line.startswith("world: "))


@pytest.mark.skipif(not WORLDS.is_dir(), reason="no world is installed")
@pytest.mark.parametrize("name", SCENES)
def test_its_world_is_shipped_too(scenes: dict[str, Scene], name: str) -> None:
    assert load_scene(scenes[name].path).world == scenes[name].world


@pytest.mark.parametrize("name", SCENES)
def test_it_can_be_won_and_all_its_coins_be_had(scenes: dict[str, Scene], name: str) -> None:
    won, out_of_reach = explore(scenes[name].level)
    assert won
    assert not out_of_reach.any()


@pytest.mark.parametrize("name", SCENES)
def test_its_player_and_enemies_stand_on_ground(scenes: dict[str, Scene], name: str) -> None:
    level = scenes[name].level
    levels = Levels.stack([level])
    assert physics.initial(levels).on_ground.all()
    assert all(level.tiles[row, col] != SOLID for col, row in level.enemies)
    state = physics.initial(levels)
    walked = [state.enemy_x]
    for _ in range(8):
        state, _ = physics.step(levels, state, np.zeros((1, 3), np.bool_))
        walked.append(state.enemy_x)
    assert (np.ptp(walked, axis=0)[levels.enemy_alive] > 0).all()


@pytest.mark.parametrize("name", SCENES)
def test_waiting_at_the_start_is_safe(scenes: dict[str, Scene], name: str) -> None:
    levels = Levels.stack([scenes[name].level])
    state = physics.initial(levels)
    for _ in range(400):
        state, events = physics.step(levels, state, np.zeros((1, 3), np.bool_))
        assert not events[0, EVENTS.index("death")]


def test_no_two_look_alike(scenes: dict[str, Scene]) -> None:
    assert len({scene.palette for scene in scenes.values()}) == len(scenes) >= 4
    assert len({start_frames(scene, 2)[1].tobytes() for scene in scenes.values()}) == len(scenes)


def test_one_of_them_paints_its_own_palette() -> None:
    assert any("\npalette:" in path.read_text(encoding="utf-8") for path in find_scenes())


def test_the_shortest_is_under_twenty_lines() -> None:
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in find_scenes()]
    assert min(lengths) < 20


def explore(level: Level) -> tuple[bool, NDArray[np.bool_]]:
    """Try every button in every state that can be reached; enemies can be waited for, so none.

    Returns whether the door was reached, and the coins that were not.
    """
    one = Levels.stack([replace(level, enemies=())])
    front = physics.initial(one)
    seen = _key(front)
    won, taken = False, np.zeros((SIZE, SIZE), np.bool_)
    while len(front.x):
        n = len(front.x) * len(HOLDS)
        levels = Levels(*(np.repeat(getattr(one, f.name), n, 0) for f in fields(Levels)))
        every = front.take(np.repeat(np.arange(len(front.x)), len(HOLDS)))
        after, events = physics.step(levels, every, np.tile(HOLDS, (len(front.x), 1)))
        won |= bool(events[:, EVENTS.index("goal")].any())
        taken |= (levels.coins & ~after.coins).any(0)
        keys, index = np.unique(_key(after), return_index=True)
        new = ~np.isin(keys, seen)
        seen = np.concatenate([seen, keys[new]])
        front = replace(after, coins=levels.coins).take(index[new])
    return won, level.coins & ~taken


def _key(state: State) -> NDArray[np.int64]:
    """Pack what decides a lone player's future into one number per game."""
    parts = ((state.x, 64), (state.y, 128), (state.vx, 8), (state.vy, 32), (state.on_ground, 0))
    key = np.zeros(len(state.x), np.int64)
    for values, offset in parts:
        key = key * 512 + values + offset
    return key
