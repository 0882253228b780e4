"""A recording as training sees it: every distinct frame drawn once, kept as bytes.

Built by replaying the recording; the file is tied to it by a hash, so that stale frames are never
trained on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from games.platformer.level import FRAME
from world_model.actions import encode_actions
from world_model.cast import read_cast
from world_model.config import CastConfig
from world_model.data import (
    Recording,
    bare_frames,
    follow_actors,
    index_branches,
    model_sheets,
    replay,
)
from world_model.network.codec import CELL, VALUES, Codec, to_cells
from world_model.training.device import Compute
from world_model.training.distributed import Ranks


@dataclass(frozen=True, eq=False)
class Footage:
    """A recording's frames and held branches.

    `cells` (M, 48, h, w) uint8: frames, see `codec.to_cells`; `held` (N, K + 1, T) indexes them
    (see `data.Branches`); `actions` (N, K + 1, A + 3) tokens, those that caused each frame (NOOP
    for the first); `changes` (n, 2): the (episode, tick) at which the held buttons changed; `bare`
    (N, 48, h, w) uint8 the levels with nobody in them; `casts` (N, D, 4, H, W) the actors'
    drawings; `places` (N, K + 1, T, A, 4): where actors are in the frames of `held`;
    `own_keys`: every frame of a future has the key that caused it, not the newest.
    """

    codec: Codec
    cells: Tensor
    held: NDArray[np.int64]
    actions: NDArray[np.float32]
    changes: NDArray[np.int64]
    bare: Tensor
    casts: Tensor
    places: NDArray[np.int64]
    own_keys: bool = False

    @property
    def episodes(self) -> int:
        return len(self.held)

    @property
    def ticks(self) -> int:
        """The last tick of every episode."""
        return int(self.held.shape[1]) - 1

    def recorded_futures(self, *, own_keys: bool = False) -> Footage:
        """Return the same footage in which no key stays held: slots hold the future as recorded.

        The last frame stands still after an episode's end.
        """
        times = np.arange(self.held.shape[1])[:, None] + np.arange(self.held.shape[2])
        times = times.clip(max=self.ticks)
        held, places = self.held[:, times, 0], self.places[:, times, 0]
        return replace(self, held=held, places=places, own_keys=own_keys)

    def keys(self, episodes: NDArray[np.int64], heads: NDArray[np.int64]) -> Tensor:
        """Return the tokens (..., T, A + 3) of windows' slots, by episodes and heads (...)."""
        later = np.arange(self.held.shape[2]) * self.own_keys
        times = (heads[..., None] + later).clip(max=self.ticks)
        return torch.from_numpy(self.actions[episodes[..., None], times])

    def cast(self, episodes: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return the actors' drawings (n, D, 4, H, W)."""
        return self.casts[torch.from_numpy(episodes)].to(device)

    def scenery(self, episodes: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return latents (n, 48, h, w) float32 of the levels with nobody in them."""
        return self._latents(self.bare, episodes, device)

    def gather(self, index: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return latents (*index.shape, 48, h, w) float32 on `device`."""
        return self._latents(self.cells, index, device)

    def _latents(self, cells: Tensor, index: NDArray[np.int64], device: torch.device) -> Tensor:
        flat = torch.from_numpy(index.reshape(-1)).to(cells.device)
        latents = self.codec.encode_cells(cells.index_select(0, flat).to(device))
        return latents.reshape(*index.shape, *latents.shape[1:])


def load_footage(
    recording: Recording, codec: Codec, slots: int, data: Path, compute: Compute, ranks: Ranks
) -> Footage:
    """Read the frames kept beside `data`, the recording's file, or replay it into that file.

    Windows of other lengths need other frames, kept in files of their own. Where several trainings
    begin at once, one draws, and the others wait. On a GPU the frames stay there.
    """
    path = frames_path(data, slots)
    branches = index_branches(recording.actions, slots)
    if ranks.first:
        _keep_drawn(recording, slots, path, branches.frames)
    ranks.wait()
    cells = torch.from_numpy(np.load(path))
    held = np.pad(recording.actions, ((0, 0), (1, 0), (0, 0)))
    changed = (held[:, 1:] != held[:, :-1]).any(-1)
    episode, tick = np.nonzero(changed)
    sheets = model_sheets(recording)
    bare = [to_cells(torch.from_numpy(frames)) for frames in bare_frames(recording)]
    return Footage(
        codec.to(compute.device),
        cells.to(compute.device),
        branches.held,
        encode_actions(held),
        np.stack([episode, tick + 1], 1),
        torch.cat(bare).to(compute.device),
        torch.from_numpy(np.stack([read_cast(sheet, CastConfig()) for sheet in sheets])),
        follow_actors(recording, slots),
    )


def frames_path(data: Path, slots: int) -> Path:
    """Return where the frames of a recording's file are kept, for windows of so many slots."""
    return data.with_suffix(f".{slots}-slots.frames.npy")


def _keep_drawn(recording: Recording, slots: int, path: Path, frames: int) -> None:
    """Draw a recording's frames into a file, unless they are there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key, stamp = _key(recording, slots), path.with_suffix(".key")
    with FileLock(path.with_suffix(".lock")):
        if not path.exists() or not stamp.exists() or stamp.read_text() != key:
            _draw(recording, slots, path, frames)
            stamp.write_text(key)


def _draw(recording: Recording, slots: int, path: Path, frames: int) -> None:
    shape = (frames, VALUES, FRAME // CELL, FRAME // CELL)
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with tqdm(total=frames, desc="draw", unit="frame", dynamic_ncols=True) as bar:
        for index, pictures in replay(recording, slots):
            store[index] = to_cells(torch.from_numpy(pictures)).numpy()
            bar.update(len(index))
    store.flush()


def _key(recording: Recording, slots: int) -> str:
    digest = hashlib.sha256(f"cells, {slots} slots".encode())
    for array in (recording.seeds, recording.actions):
        digest.update(array.tobytes())
    return digest.hexdigest()
