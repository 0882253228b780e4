"""Keep a run on disk: every frame as a PNG, the actions as a file that replays it, its hash.

Knows file names and formats, not where frames come from. Files are complete after every tick, so
whatever ends a run leaves a valid recording of the ticks before it.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pygame
from numpy.typing import NDArray

from engine.actions import format_action
from engine.errors import RecorderError

FRAME_NAME = "frame_{:06d}.png"
ACTIONS_NAME = "actions.txt"
RUN_NAME = "run.json"


class NullRecorder:
    """Keeps nothing."""

    def reset(self) -> None:
        """Ignore a reset."""

    def write(self, frame: NDArray[np.uint8], action: NDArray[np.bool_]) -> None:
        """Ignore a tick."""

    def close(self) -> None:
        """Nothing is open."""


class DirectoryRecorder:
    """Writes a run into a directory of its own.

    `run.json` holds scene, seed, ticks, and the SHA-256 of all frames' bytes in order; its
    `complete` is false, and ticks and hash null, while the run goes on or where it was killed.
    """

    def __init__(
        self, directory: Path, *, scene: str, world: str, seed: int, buttons: tuple[str, ...]
    ) -> None:
        if (directory / RUN_NAME).exists():
            raise RecorderError(f"{directory} already holds a recording; name another directory")
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._about = {"scene": scene, "world": world, "seed": seed, "buttons": list(buttons)}
        self._buttons = buttons
        self._hash = hashlib.sha256()
        self._ticks = 0
        self._reset_next = False
        self._write_run(ticks=None, sha256=None, complete=False)
        self._actions = (directory / ACTIONS_NAME).open("w", encoding="utf-8")

    def reset(self) -> None:
        """Note that the scene starts anew before the next frame."""
        self._reset_next = True

    def write(self, frame: NDArray[np.uint8], action: NDArray[np.bool_]) -> None:
        """Keep one tick."""
        line = format_action(action, self._buttons, reset=self._reset_next)
        self._actions.write(line + "\n")
        self._actions.flush()
        self._save_png(frame, self._directory / FRAME_NAME.format(self._ticks))
        self._hash.update(np.ascontiguousarray(frame).data)
        self._reset_next = False
        self._ticks += 1

    def close(self) -> None:
        """Complete `run.json`."""
        self._actions.close()
        self._write_run(ticks=self._ticks, sha256=self._hash.hexdigest(), complete=True)

    def _save_png(self, frame: NDArray[np.uint8], path: Path) -> None:
        height, width, _ = frame.shape
        pixels = np.ascontiguousarray(frame).data
        surface = pygame.image.frombuffer(pixels, (width, height), "RGB")
        partial = self._directory / "partial.png"
        pygame.image.save(surface, partial)
        partial.replace(path)

    def _write_run(self, *, ticks: int | None, sha256: str | None, complete: bool) -> None:
        about = {**self._about, "ticks": ticks, "sha256": sha256, "complete": complete}
        partial = self._directory / "partial.json"
        partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        partial.replace(self._directory / RUN_NAME)
