"""Latents of a recording: encoded once, kept as long as codec and recording stay the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from world_model.actions import encode_actions
from world_model.codec import Codec
from world_model.config import CodecConfig
from world_model.data import Recording, bare_frames, collect, index_branches, replay
from world_model.device import Compute
from world_model.distributed import Ranks
from world_model.latents import LatentSet, load_latents

SLOTS = 2
CPU = torch.device("cpu")
COMPUTE = Compute(CPU, torch.float32, "test")


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    return Codec(CodecConfig(4, 8, 1)).eval()


@pytest.fixture(scope="module")
def recording() -> Recording:
    return collect(2, 6, seed=7)


def load(recording: Recording, codec: Codec, path: Path) -> LatentSet:
    return load_latents(recording, codec, SLOTS, path, COMPUTE, Ranks())


@torch.no_grad()
def test_every_frame_has_its_latents_and_every_tick_its_action(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    latents = load(recording, codec, tmp_path / "play.npy")
    assert (latents.episodes, latents.ticks) == (2, 6)
    np.testing.assert_array_equal(latents.held, index_branches(recording.actions, SLOTS).held)
    for index, frames in replay(recording, SLOTS):
        expected = codec.encode(torch.from_numpy(frames))
        gathered = latents.gather(index[:, None], CPU)[:, 0]
        torch.testing.assert_close(gathered, expected, atol=2e-3, rtol=2e-3)
    np.testing.assert_array_equal(latents.actions[:, 1:], encode_actions(recording.actions))
    np.testing.assert_array_equal(latents.actions[:, 0], encode_actions(np.zeros((2, 3), bool)))


def test_changes_are_the_ticks_at_which_other_buttons_act(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    latents = load(recording, codec, tmp_path / "play.npy")
    changed = {tuple(change) for change in latents.changes.tolist()}
    for episode, tick in np.ndindex(2, 6):
        before = latents.actions[episode, tick]
        now = latents.actions[episode, tick + 1]
        assert ((episode, tick + 1) in changed) == (before != now).any()


def test_latents_are_encoded_once_and_again_for_another_codec_or_recording(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    path = tmp_path / "play.npy"
    load(recording, codec, path)
    written = path.stat().st_mtime_ns
    load(recording, codec, path)
    assert path.stat().st_mtime_ns == written
    load(replace(recording, actions=~recording.actions), codec, path)
    again = path.stat().st_mtime_ns
    assert again > written
    other = Codec(codec.config)
    other.components.neg_()
    load(replace(recording, actions=~recording.actions), other, path)
    assert path.stat().st_mtime_ns > again


@torch.no_grad()
def test_scenery_is_the_level_with_nobody_in_it_and_the_player_is_where_it_differs(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    latents = load(recording, codec, tmp_path / "play.npy")
    episodes, start = np.arange(2), np.zeros(2, np.int64)
    scenery = latents.scenery(episodes, CPU)
    first = latents.gather(latents.held[episodes, start, 0], CPU)
    cells = latents.player_cells(episodes, start)
    assert cells.shape == (2, 32, 32)
    assert ((cells.sum((1, 2)) >= 9) & (cells.sum((1, 2)) <= 16)).all(), "10x12 pixels"
    differs = (first - scenery).abs().amax(1).numpy() > 0.02
    assert (differs & cells).sum((1, 2)).min() >= 6
    bare = np.concatenate(list(bare_frames(recording)))
    torch.testing.assert_close(scenery, codec.encode(torch.from_numpy(bare)), atol=2e-3, rtol=2e-3)


def test_restarts_are_the_ticks_after_which_a_player_is_back_at_its_start(
    tmp_path: Path, codec: Codec
) -> None:
    recording = collect(24, 60, seed=7)
    latents = load(recording, codec, tmp_path / "play.npy")
    restarts = np.argwhere(latents.restarts[:, :, 0])
    assert len(restarts) > 5
    for episode, tick in restarts:
        np.testing.assert_array_equal(
            latents.players[episode, tick, 0, :2], latents.players[episode, 0, 0, :2]
        )
    leaps = np.abs(np.diff(latents.players[:, :, 0, :2], axis=1)).max(-1) > 16
    assert leaps.any()
    assert latents.restarts[:, 1:, 0][leaps].all()


def test_a_held_branchs_players_are_where_the_recording_finds_them_if_it_follows_it(
    tmp_path: Path, recording: Recording, codec: Codec
) -> None:
    latents = load(recording, codec, tmp_path / "play.npy")
    followed = latents.held[:, :-1, 1] == latents.held[:, 1:, 0]
    assert followed.any()
    ahead, later = latents.players[:, :-1, 1], latents.players[:, 1:, 0]
    np.testing.assert_array_equal(ahead[followed], later[followed])
