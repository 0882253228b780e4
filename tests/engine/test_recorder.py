"""Recordings: complete after every tick, and they replay."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pygame
import pytest
from numpy.typing import NDArray

from engine.actions import read_actions
from engine.errors import RecorderError
from engine.recorder import DirectoryRecorder

BUTTONS = ("left", "right", "jump")
RIGHT = np.array([False, True, False])
NOTHING = np.zeros(3, np.bool_)


def make(directory: Path) -> DirectoryRecorder:
    return DirectoryRecorder(directory, scene="meadow", world="fake", seed=3, buttons=BUTTONS)


def frame(value: int) -> NDArray[np.uint8]:
    return np.random.default_rng(value).integers(0, 256, (128, 128, 3), dtype=np.uint8)


def read_png(path: Path) -> NDArray[np.uint8]:
    return pygame.surfarray.array3d(pygame.image.load(path)).swapaxes(0, 1)


def test_a_frame_is_kept_exactly(tmp_path: Path) -> None:
    recorder = make(tmp_path / "run")
    recorder.write(frame(0), RIGHT)
    recorder.write(frame(1), NOTHING)
    recorder.close()
    assert np.array_equal(read_png(tmp_path / "run" / "frame_000000.png"), frame(0))
    assert np.array_equal(read_png(tmp_path / "run" / "frame_000001.png"), frame(1))


def test_actions_read_back_as_a_script_with_its_resets(tmp_path: Path) -> None:
    recorder = make(tmp_path)
    recorder.write(frame(0), RIGHT)
    recorder.reset()
    recorder.write(frame(1), NOTHING)
    recorder.write(frame(2), RIGHT)
    recorder.close()
    script = read_actions(tmp_path / "actions.txt", BUTTONS)
    assert script.held.tolist() == [RIGHT.tolist(), NOTHING.tolist(), RIGHT.tolist()]
    assert script.resets.tolist() == [False, True, False]


def test_the_hash_is_of_all_frames_in_order(tmp_path: Path) -> None:
    recorder = make(tmp_path)
    recorder.write(frame(0), RIGHT)
    recorder.write(frame(1), RIGHT)
    recorder.close()
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["sha256"] == hashlib.sha256(frame(0).tobytes() + frame(1).tobytes()).hexdigest()
    assert (run["scene"], run["seed"], run["ticks"], run["complete"]) == ("meadow", 3, 2, True)


def test_what_is_there_before_the_end_is_already_valid(tmp_path: Path) -> None:
    recorder = make(tmp_path)
    recorder.write(frame(0), RIGHT)
    assert json.loads((tmp_path / "run.json").read_text())["complete"] is False
    assert len(read_actions(tmp_path / "actions.txt", BUTTONS)) == 1
    assert np.array_equal(read_png(tmp_path / "frame_000000.png"), frame(0))
    recorder.close()


def test_frames_that_lie_oddly_in_memory_are_kept_too(tmp_path: Path) -> None:
    recorder = make(tmp_path)
    recorder.write(frame(0)[::-1, ::2], RIGHT)
    recorder.close()
    assert np.array_equal(read_png(tmp_path / "frame_000000.png"), frame(0)[::-1, ::2])


def test_two_runs_are_never_mixed(tmp_path: Path) -> None:
    make(tmp_path).close()
    with pytest.raises(RecorderError, match="already holds"):
        make(tmp_path)
