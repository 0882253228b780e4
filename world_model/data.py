"""Recorded play of the platformer: actions on disk, everything else replayed from them.

A recording is seeds and held buttons; exact replay gives back states, frames and *held branches*:
frame t + k as it would come if the newest buttons stayed held. Branches that the recording itself
followed are not rendered twice, so a data set of N ticks needs about 1.4 N distinct frames.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.generator import generate
from games.platformer.level import MAX_ENEMIES, Levels
from games.platformer.opening import opening
from games.platformer.policy import PlayLikePolicy
from games.platformer.render import HERO_LEFT_PX, Renderer
from games.platformer.sheet import drawing_of, drawing_of_enemies, model_sheet
from games.platformer.themes import THEMES, Palette, jitter
from world_model.cast import ANEW, GOES_ON, NOWHERE, PUT_BACK
from world_model.errors import DataError

HELD_OUT_SEED = 1_000_000_000
"""Levels of seeds from here on are never trained on."""

RESTARTING = [physics.EVENTS.index(event) for event in ("death", "goal")]

BROKEN_FILE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)
"""What numpy raises, one or the other, for a file that is no whole .npz."""


@dataclass(frozen=True, eq=False)
class Recording:
    """N episodes of K ticks: `seeds` (N,) of level and looks, `actions` (N, K, 3) held buttons.

    Frame 0 is the level's start; frame t is caused by `actions[:, t - 1]`.
    """

    seeds: NDArray[np.int64]
    actions: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def ticks(self) -> int:
        return int(self.actions.shape[1])

    def save(self, path: Path) -> None:
        """Write a .npz file, buttons packed to bits."""
        path.parent.mkdir(parents=True, exist_ok=True)
        packed = np.packbits(self.actions, axis=1)
        np.savez_compressed(path, seeds=self.seeds, actions=packed, ticks=np.array(self.ticks))

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a recording; raises DataError for anything else."""
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                ticks = int(file["ticks"])
                actions = np.unpackbits(file["actions"], axis=1, count=ticks).astype(np.bool_)
                seeds = file["seeds"]
            if actions.shape != (len(seeds), ticks, len(physics.BUTTONS)):
                raise ValueError(f"actions {actions.shape} of {len(seeds)} episodes")
        except FileNotFoundError:
            raise DataError(f"{path}: no such recording; make it with `rollplay collect`") from None
        except BROKEN_FILE as error:
            raise DataError(f"{path}: not a recording ({error})") from None
        return cls(seeds, actions)


def collect(episodes: int, ticks: int, seed: int) -> Recording:
    """Let the play-like policy play levels `seed`, `seed` + 1, ...; same arguments, same result."""
    if seed + episodes > HELD_OUT_SEED:
        raise DataError(f"level seeds from {HELD_OUT_SEED} on are held out; choose a smaller seed")
    seeds = np.arange(seed, seed + episodes)
    levels, _ = stage(seeds)
    policy = PlayLikePolicy(levels, np.random.Generator(np.random.Philox(key=[seed, 0xAC7])))
    state = physics.initial(levels)
    actions = np.zeros((episodes, ticks, len(physics.BUTTONS)), np.bool_)
    for tick in range(ticks):
        actions[:, tick] = policy.act(state)
        state, _ = physics.step(levels, state, actions[:, tick])
    return Recording(seeds, actions)


def stage(seeds: NDArray[np.int64]) -> tuple[Levels, list[Palette]]:
    """Build the levels and palettes of `seeds`."""
    return Levels.stack([generate(int(seed)) for seed in seeds]), [looks(int(s)) for s in seeds]


def looks(seed: int) -> Palette:
    """Choose a theme for a level: a third as drawn, the others jittered from slightly to wildly."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0x10CC5]))
    palette = list(THEMES.values())[rng.integers(len(THEMES))]
    strength = float(rng.choice((0.0, rng.uniform(0, 0.4), 1.0), p=(0.35, 0.45, 0.2)))
    return jitter(palette, rng, strength)


def opening_of(seed: int, count: int) -> NDArray[np.uint8]:
    """Render the frames that a session on the level of `seed` starts from (see `opening`)."""
    return opening(generate(seed), looks(seed), count)


@dataclass(frozen=True, eq=False)
class Branches:
    """Which distinct frame shows what: `held` (N, K + 1, T) indexes frames in replay order.

    `held[n, t, k]` is frame t + k of episode n if action t stays held; k = 0 is what happened.
    """

    held: NDArray[np.int64]
    frames: int


def index_branches(actions: NDArray[np.bool_], slots: int) -> Branches:
    """Number the distinct frames of a recording in the order in which `replay` yields them."""
    episodes, ticks = actions.shape[:2]
    held = np.zeros((episodes, ticks + 1, slots), np.int64)
    fresh = _fresh(actions, slots)
    count = 0
    for tick in range(ticks + 1):
        for k in range(slots):
            new = fresh[:, tick, k]
            held[new, tick, k] = count + np.arange(new.sum())
            count += int(new.sum())
    for k in range(1, slots):
        for tick in range(ticks - 1, -1, -1):
            followed = ~fresh[:, tick, k]
            held[followed, tick, k] = held[followed, tick + 1, k - 1]
    return Branches(held, count)


def _fresh(actions: NDArray[np.bool_], slots: int) -> NDArray[np.bool_]:
    """Tell which (episode, tick, k) must be rendered: where the recording left the held branch."""
    episodes, ticks = actions.shape[:2]
    fresh = np.zeros((episodes, ticks + 1, slots), np.bool_)
    fresh[:, :, 0] = True
    left = np.any(actions[:, 1:] != actions[:, :-1], -1, keepdims=True)
    fresh[:, 1:ticks, 1:] = left
    fresh[:, 0, 1:] = np.any(actions[:, 0], -1, keepdims=True)
    fresh[:, ticks, 1:] = True
    return fresh


def replay(
    recording: Recording, slots: int, chunk: int = 256
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield (frame numbers, frames (n, 128, 128, 3)) of all distinct frames, in chunks."""
    branches = index_branches(recording.actions, slots)
    fresh = _fresh(recording.actions, slots)
    for start in range(0, len(recording), chunk):
        part = slice(start, start + chunk)
        levels, palettes = stage(recording.seeds[part])
        renderer = Renderer(levels, palettes)
        actions = recording.actions[part]
        state = physics.initial(levels)
        for tick in range(recording.ticks + 1):
            action = actions[:, tick - 1] if tick else np.zeros_like(actions[:, 0])
            if tick:
                state, _ = physics.step(levels, state, action)
            branch = state
            for k in range(slots):
                if k:
                    branch, _ = physics.step(levels, branch, action)
                new = np.flatnonzero(fresh[part, tick, k])
                if len(new):
                    frames = renderer.take(new).render(branch.take(new))
                    yield branches.held[part, tick, k][new], frames


def follow_actors(recording: Recording, slots: int) -> NDArray[np.int64]:
    """Tell where every actor is, in the frames that `Branches.held` numbers, (N, K + 1, T, A, 4);
    see `places_of`."""
    levels = Levels.stack([generate(int(seed)) for seed in recording.seeds])
    actions = np.pad(recording.actions, ((0, 0), (1, 0), (0, 0)))
    places = np.zeros((*actions.shape[:2], slots, 1 + MAX_ENEMIES, len(NOWHERE)), np.int64)
    state, events = physics.initial(levels), None
    for tick in range(recording.ticks + 1):
        if tick:
            state, events = physics.step(levels, state, actions[:, tick])
        branch, come = state, events
        for k in range(slots):
            if k:
                branch, come = physics.step(levels, branch, actions[:, tick])
            places[:, tick, k] = places_of(levels, branch, come)
    return places


def places_of(
    levels: Levels, state: physics.State, events: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Tell where every actor is drawn, the player first, (B, A, 4), see `cast`.

    `events` (B, 5) are of the tick that led there: after a death the player is put back to the
    start, behind the door everything starts anew. An enemy that the level does not have is nowhere.
    """
    none = np.zeros((len(levels), len(physics.EVENTS)), np.bool_)
    dead, goal = (none if events is None else events)[:, RESTARTING].T
    came = np.select([dead, goal], [PUT_BACK, ANEW], GOES_ON)
    players = np.stack([state.y, state.x - HERO_LEFT_PX, drawing_of(state), came], -1)
    still = np.full_like(state.enemy_y, GOES_ON)
    enemies = np.stack([state.enemy_y, state.enemy_x, drawing_of_enemies(state), still], -1)
    enemies = np.where(levels.enemy_alive[..., None], enemies, np.array(NOWHERE))
    return np.concatenate([players[:, None], enemies], 1).astype(np.int64)


def model_sheets(recording: Recording) -> list[NDArray[np.uint8]]:
    """Draw every episode's model sheet."""
    return [model_sheet(looks(int(seed))) for seed in recording.seeds]


def bare_frames(recording: Recording, chunk: int = 256) -> Iterator[NDArray[np.uint8]]:
    """Yield every level without player, enemies and coins, in chunks (n, 128, 128, 3)."""
    for start in range(0, len(recording), chunk):
        levels, palettes = stage(recording.seeds[start : start + chunk])
        renderer = Renderer(levels, palettes)
        yield np.stack([renderer.background(i) for i in range(len(levels))])


def sample_frames(
    recording: Recording, moments: int, rng: np.random.Generator, episodes: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Render up to `moments` random moments of random `episodes`, and say where something lives.

    Returns frames (n, 128, 128, 3) and masks (n, 128, 128): pixels that differ from the level's
    bare background (player, enemies, coins).
    """
    chosen = rng.choice(len(recording), size=min(episodes, len(recording)), replace=False)
    levels, palettes = stage(recording.seeds[chosen])
    renderer = Renderer(levels, palettes)
    bare = np.stack([renderer.background(i) for i in range(len(levels))])
    moments = min(moments, recording.ticks)
    wanted = set(rng.choice(recording.ticks, size=moments, replace=False).tolist())
    state = physics.initial(levels)
    frames = []
    for tick in range(recording.ticks):
        state, _ = physics.step(levels, state, recording.actions[chosen, tick])
        if tick in wanted:
            frames.append(renderer.render(state))
    stacked = np.concatenate(frames)
    masks = (stacked != np.tile(bare, (len(frames), 1, 1, 1))).any(-1)
    return stacked, masks
