"""Recordings and their held branches, against branching the game by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import FRAME, MAX_ENEMIES, PLAYER_H
from games.platformer.render import Renderer
from world_model.cast import ANEW, GOES_ON, NOWHERE, PUT_BACK, locate, read_cast
from world_model.config import CastConfig
from world_model.data import (
    HELD_OUT_SEED,
    Recording,
    collect,
    follow_actors,
    index_branches,
    looks,
    model_sheets,
    replay,
    sample_frames,
    stage,
)
from world_model.errors import DataError

SLOTS = 3


@pytest.fixture(scope="module")
def recording() -> Recording:
    return collect(5, 12, seed=40)


def branch_by_hand(recording: Recording, episode: int, tick: int, k: int) -> NDArray[np.uint8]:
    """Render frame `tick` + k of an episode as it would be if the action of `tick` stayed held."""
    levels, palettes = stage(recording.seeds[episode : episode + 1])
    state, action = physics.initial(levels), np.zeros((1, 3), np.bool_)
    for now in range(tick):
        action = recording.actions[episode, now : now + 1]
        state, _ = physics.step(levels, state, action)
    for _ in range(k):
        state, _ = physics.step(levels, state, action)
    return Renderer(levels, palettes).render(state)[0]


def test_replayed_frames_are_those_of_branching_the_game_by_hand(recording: Recording) -> None:
    branches = index_branches(recording.actions, SLOTS)
    frames = np.zeros((branches.frames, 128, 128, 3), np.uint8)
    seen = np.zeros(branches.frames, np.int64)
    for index, pictures in replay(recording, SLOTS, chunk=2):
        frames[index] = pictures
        seen[index] += 1
    assert (seen == 1).all(), "every distinct frame comes once"
    for episode, tick, k in np.ndindex(branches.held.shape):
        expected = branch_by_hand(recording, episode, tick, k)
        np.testing.assert_array_equal(frames[branches.held[episode, tick, k]], expected)


@given(arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(1, 8), st.just(3))),
       st.integers(1, 4))  # fmt: skip
@settings(max_examples=40)
def test_branches_the_recording_followed_are_not_counted_twice(
    actions: NDArray[np.bool_], slots: int
) -> None:
    branches = index_branches(actions, slots)
    episodes, ticks = actions.shape[:2]
    assert branches.held.shape == (episodes, ticks + 1, slots)
    assert set(branches.held.ravel()) == set(range(branches.frames))
    acted = np.pad(actions, ((0, 0), (1, 0), (0, 0)))
    for episode, tick, k in np.ndindex(episodes, ticks, slots - 1):
        followed = bool((acted[episode, tick] == acted[episode, tick + 1]).all())
        same = branches.held[episode, tick, k + 1] == branches.held[episode, tick + 1, k]
        assert same == followed


def test_actors_are_followed_to_where_the_game_draws_them(recording: Recording) -> None:
    places = follow_actors(recording, SLOTS)
    held = index_branches(recording.actions, SLOTS).held
    assert places.shape == (*held.shape, 1 + MAX_ENEMIES, len(NOWHERE))
    frames = {}
    for index, pictures in replay(recording, SLOTS):
        frames |= dict(zip(index.tolist(), pictures, strict=True))
    config = CastConfig()
    assert config.actors == places.shape[3]
    casts = [read_cast(sheet, config) for sheet in model_sheets(recording)]
    enemies = 0
    for episode, tick in np.ndindex(len(recording), recording.ticks + 1):
        k = tick % SLOTS
        told, cast = places[episode, tick, k], casts[episode]
        apart = np.abs(told[1:, :2] - told[0, :2]).max(-1) > PLAYER_H
        if told[0, 0] > FRAME - PLAYER_H or not apart.all():  # it falls, or hides one
            continue
        player, *others = locate(frames[held[episode, tick, k]], cast, config).tolist()
        there = [place for place in others if place != [*NOWHERE]]
        drawn = sorted(place for place in told[1:].tolist() if place != [*NOWHERE])
        for place, expected in zip([player, *there], [told[0].tolist(), *drawn], strict=True):
            assert place[:2] == expected[:2]
            np.testing.assert_array_equal(cast[place[2]], cast[expected[2]])
        enemies += len(there)
    assert enemies > 20


def test_levels_with_fewer_enemies_have_actors_that_are_nowhere(recording: Recording) -> None:
    places = follow_actors(recording, SLOTS)
    alive = stage(recording.seeds)[0].enemy_alive
    assert not alive.all()
    there = (places[:, :, :, 1:] != NOWHERE).any(-1)
    np.testing.assert_array_equal(there, np.broadcast_to(alive[:, None, None], there.shape))


def test_a_held_branchs_actors_are_where_the_recording_finds_them_if_it_follows_it(
    recording: Recording,
) -> None:
    places = follow_actors(recording, SLOTS)
    held = index_branches(recording.actions, SLOTS).held
    followed = held[:, :-1, 1] == held[:, 1:, 0]
    assert followed.any()
    np.testing.assert_array_equal(places[:, :-1, 1][followed], places[:, 1:, 0][followed])


def test_a_player_comes_back_to_its_start_alone_or_with_everything_else() -> None:
    recording = collect(48, 60, seed=7)
    places = follow_actors(recording, 1)[:, :, 0]
    players, came = places[:, :, 0, :2], places[:, :, 0, 3]
    for how in (PUT_BACK, ANEW):
        assert (came == how).sum() > 5
    for episode, tick in np.argwhere(came != GOES_ON):
        np.testing.assert_array_equal(players[episode, tick], players[episode, 0])
    leaps = np.abs(np.diff(players, axis=1)).max(-1) > 16
    assert leaps.any()
    assert (came[:, 1:][leaps] != GOES_ON).all()
    assert (places[:, :, 1:, 3] == GOES_ON).all(), "nobody else comes back"


def test_coins_come_back_where_everything_starts_anew_and_nowhere_else() -> None:
    recording, returned = collect(48, 60, seed=7), set()
    came = follow_actors(recording, 1)[:, :, 0, 0, 3]
    levels, _ = stage(recording.seeds)
    state = physics.initial(levels)
    for tick, held in enumerate(recording.actions.swapaxes(0, 1), 1):
        coins = state.coins
        state, _ = physics.step(levels, state, held)
        back = (state.coins & ~coins).any((1, 2))
        returned |= set(came[back, tick].tolist())
        np.testing.assert_array_equal(
            state.coins[came[:, tick] == ANEW], levels.coins[came[:, tick] == ANEW]
        )
    assert returned == {ANEW}


def test_each_episode_has_frames_of_its_own(recording: Recording) -> None:
    held = index_branches(recording.actions, SLOTS).held
    owners = [set(episode.ravel()) for episode in held]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_collecting_again_gives_the_same_recording(recording: Recording) -> None:
    again = collect(5, 12, seed=40)
    np.testing.assert_array_equal(again.actions, recording.actions)
    np.testing.assert_array_equal(again.seeds, recording.seeds)
    assert again.seeds.tolist() == [40, 41, 42, 43, 44]
    assert (len(again), again.ticks) == (5, 12)
    assert not np.array_equal(collect(5, 12, seed=41).actions, recording.actions)


def test_levels_that_are_held_out_are_never_collected() -> None:
    assert collect(2, 1, seed=HELD_OUT_SEED - 2).seeds[-1] == HELD_OUT_SEED - 1
    with pytest.raises(DataError, match="held out; choose a smaller seed"):
        collect(2, 1, seed=HELD_OUT_SEED - 1)


def test_the_looks_of_a_level_depend_on_its_seed_alone() -> None:
    assert looks(3) == looks(3)
    assert len({looks(seed) for seed in range(30)}) > 20


@pytest.mark.parametrize("ticks", [1, 7, 8, 13])
def test_a_recording_survives_its_file(tmp_path: Path, ticks: int) -> None:
    rng = np.random.default_rng(ticks)
    kept = Recording(np.arange(4) + 10**8, rng.random((4, ticks, 3)) < 0.5)
    path = tmp_path / "deep" / "play.npz"
    kept.save(path)
    read = Recording.load(path)
    np.testing.assert_array_equal(read.seeds, kept.seeds)
    np.testing.assert_array_equal(read.actions, kept.actions)
    assert read.actions.dtype == np.bool_


def test_a_missing_recording_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such recording; make it with `rollplay collect`"):
        Recording.load(tmp_path / "play.npz")


@pytest.mark.parametrize("damage", ["empty", "cut", "garbled", "text", "array"])
def test_a_file_that_is_no_recording_is_called_so(
    tmp_path: Path, recording: Recording, damage: str
) -> None:
    path = tmp_path / "play.npz"
    recording.save(path)
    whole = path.read_bytes()
    middle = len(whole) // 3
    garbled = whole[:middle] + bytes(40) + whole[middle + 40 :]
    broken = {"empty": b"", "cut": whole[:-50], "garbled": garbled, "text": b"left right jump"}
    if damage == "array":
        with path.open("wb") as file:
            np.save(file, recording.seeds)
    else:
        path.write_bytes(broken[damage])
    with pytest.raises(DataError, match="not a recording"):
        Recording.load(path)


@pytest.mark.parametrize(
    "contents",
    [
        {"seeds": np.arange(2), "actions": np.zeros((2, 1, 3), np.uint8)},
        {"seeds": np.arange(2), "actions": np.zeros((2, 1, 3)), "ticks": np.array(8)},
        {"seeds": np.arange(3), "actions": np.zeros((2, 1, 3), np.uint8), "ticks": np.array(8)},
        {"seeds": np.arange(2), "actions": np.zeros((2, 1, 4), np.uint8), "ticks": np.array(8)},
        {"seeds": np.arange(2), "actions": np.zeros((2, 1), np.uint8), "ticks": np.array(1)},
        {"seeds": np.arange(2), "actions": np.zeros((2, 1, 3), np.uint8), "ticks": np.arange(2)},
    ],
    ids=["entry missing", "wrong type", "too many seeds", "four buttons", "flat", "two lengths"],
)
def test_arrays_that_do_not_fit_together_are_no_recording(
    tmp_path: Path, contents: dict[str, NDArray[np.generic]]
) -> None:
    path = tmp_path / "play.npz"
    np.savez(path, **contents)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not a recording"):
        Recording.load(path)


def test_sampled_frames_come_with_masks_of_what_moves(recording: Recording) -> None:
    frames, masks = sample_frames(recording, 3, np.random.default_rng(0), 2)
    assert (frames.shape, masks.shape) == ((6, 128, 128, 3), (6, 128, 128))
    assert masks.any((1, 2)).all(), "the player is always there"
    assert (masks.mean((1, 2)) < 0.25).all(), "most of a level stays"


def test_a_short_recording_gives_as_many_moments_as_it_has(recording: Recording) -> None:
    frames, _ = sample_frames(recording, 100, np.random.default_rng(0), 1)
    assert len(frames) == recording.ticks
