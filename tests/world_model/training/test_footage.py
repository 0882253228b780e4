"""A recording's frames: drawn once, kept as long as the recording stays the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from world_model.actions import encode_actions
from world_model.cast import NOWHERE, read_cast
from world_model.config import CastConfig
from world_model.data import (
    Recording,
    bare_frames,
    collect,
    follow_actors,
    index_branches,
    model_sheets,
    replay,
)
from world_model.network.codec import VALUES, Codec, to_cells
from world_model.training.device import Compute
from world_model.training.distributed import Ranks
from world_model.training.footage import Footage, _draw, frames_path, load_footage

SLOTS = 2
CPU = torch.device("cpu")
COMPUTE = Compute(CPU, torch.float32, "test")


@pytest.fixture(scope="module")
def codec() -> Codec:
    """One of a random basis."""
    patches = torch.randn(500, VALUES, generator=torch.Generator().manual_seed(0))
    codec = Codec()
    codec.fit(patches.T @ patches)
    return codec


@pytest.fixture(scope="module")
def recording() -> Recording:
    return collect(2, 6, seed=7)


def load(recording: Recording, codec: Codec, path: Path) -> Footage:
    return load_footage(recording, codec, SLOTS, path, COMPUTE, Ranks())


@pytest.fixture(scope="module")
def footage(
    recording: Recording, codec: Codec, tmp_path_factory: pytest.TempPathFactory
) -> Footage:
    return load(recording, codec, tmp_path_factory.mktemp("footage") / "play.npz")


def test_every_frame_is_kept_in_bytes_and_every_tick_has_its_action(
    footage: Footage, recording: Recording, codec: Codec
) -> None:
    assert (footage.episodes, footage.ticks) == (2, 6)
    branches = index_branches(recording.actions, SLOTS)
    np.testing.assert_array_equal(footage.held, branches.held)
    assert (footage.cells.shape, footage.cells.dtype) == (
        (branches.frames, VALUES, 32, 32),
        torch.uint8,
    )
    for index, frames in replay(recording, SLOTS):
        pictures = torch.from_numpy(frames)
        assert torch.equal(footage.cells[torch.from_numpy(index)], to_cells(pictures))
        gathered = footage.gather(index[:, None], CPU)
        assert gathered.shape == (len(index), 1, VALUES, 32, 32)
        torch.testing.assert_close(gathered[:, 0], codec.encode(pictures))
    np.testing.assert_array_equal(footage.actions[:, 1:], encode_actions(recording.actions))
    np.testing.assert_array_equal(footage.actions[:, 0], encode_actions(np.zeros((2, 3), bool)))


def test_frames_are_gathered_in_any_shape(footage: Footage) -> None:
    index = footage.held[:, :3]
    gathered = footage.gather(index, CPU)
    assert gathered.shape == (2, 3, SLOTS, VALUES, 32, 32)
    assert torch.equal(gathered[1, 2, 1], footage.gather(index[1, 2, 1:], CPU)[0])


def test_changes_are_the_ticks_at_which_other_buttons_act(footage: Footage) -> None:
    changed = {tuple(change) for change in footage.changes.tolist()}
    for episode, tick in np.ndindex(2, 6):
        before = footage.actions[episode, tick]
        now = footage.actions[episode, tick + 1]
        assert ((episode, tick + 1) in changed) == (before != now).any()


def test_frames_are_drawn_once_and_again_for_another_recording(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    path = tmp_path / "deep" / "play.npz"
    first = load(recording, codec, path)
    kept = frames_path(path, SLOTS)
    written = kept.stat().st_mtime_ns
    again = load(recording, Codec(), path)
    assert kept.stat().st_mtime_ns == written, "any codec reads the same frames"
    assert torch.equal(again.cells, first.cells)
    other = load(replace(recording, actions=~recording.actions), codec, path)
    assert kept.stat().st_mtime_ns > written
    assert not torch.equal(other.cells, first.cells)


def test_of_trainings_that_begin_at_once_one_draws(
    tmp_path: Path, recording: Recording, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def draw(*given: object) -> None:
        drawn.append(given)
        _draw(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("world_model.training.footage._draw", draw)
    with ThreadPoolExecutor(3) as pool:
        begun = [pool.submit(load, recording, codec, tmp_path / "play.npz") for _ in range(3)]
        footages = [one.result() for one in begun]
    assert len(drawn) == 1
    assert all(torch.equal(footage.cells, footages[0].cells) for footage in footages)


def test_frames_of_a_run_that_was_cut_off_are_drawn_again(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    path = tmp_path / "play.npz"
    np.save(frames_path(path, SLOTS), np.zeros((3, VALUES, 32, 32), np.uint8))
    footage = load(recording, codec, path)
    assert len(footage.cells) == index_branches(recording.actions, SLOTS).frames


def test_scenery_is_the_level_with_nobody_in_it(
    footage: Footage, recording: Recording, codec: Codec
) -> None:
    scenery = footage.scenery(np.arange(2), CPU)
    bare = np.concatenate(list(bare_frames(recording)))
    torch.testing.assert_close(scenery, codec.encode(torch.from_numpy(bare)))


def test_every_episode_has_the_cast_of_its_model_sheet_and_all_actors_places(
    footage: Footage, recording: Recording
) -> None:
    for episode, sheet in enumerate(model_sheets(recording)):
        cast = footage.cast(np.array([episode]), CPU)[0].numpy()
        np.testing.assert_array_equal(cast, read_cast(sheet, CastConfig()))
    np.testing.assert_array_equal(footage.places, follow_actors(recording, SLOTS))
    assert (footage.places[:, :, :, 0] != NOWHERE).any(-1).all(), "there is always a player"


def test_recorded_futures_are_what_was_recorded_and_stand_still_at_the_end(
    footage: Footage,
) -> None:
    other = footage.recorded_futures()
    for tick, slot in np.ndindex(footage.ticks + 1, SLOTS):
        then = min(tick + slot, footage.ticks)
        np.testing.assert_array_equal(other.held[:, tick, slot], footage.held[:, then, 0])
        np.testing.assert_array_equal(other.places[:, tick, slot], footage.places[:, then, 0])
    assert (other.held != footage.held).any(), "the buttons do change"
