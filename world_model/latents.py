"""A recording as the transformer sees it: every distinct frame encoded once, kept as float16.

Built by replaying the recording through the codec; the file is tied to both by a hash of the
encoder's weights and the recording, so that stale latents are never trained on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from world_model.actions import encode_actions
from world_model.cast import read_cast
from world_model.codec import Codec
from world_model.config import CastConfig, CodecConfig
from world_model.data import (
    Recording,
    bare_frames,
    follow_players,
    index_branches,
    model_sheets,
    replay,
)
from world_model.device import Compute
from world_model.distributed import Ranks

ENCODE_BATCH = 256
CELL = CodecConfig.CELL_PX


@dataclass(frozen=True, eq=False)
class LatentSet:
    """Latents of a recording's frames and held branches.

    `latents` (M, C, h, w) float16; `held` (N, K + 1, T) indexes them (see `data.Branches`);
    `actions` (N, K + 1, A + 3) tokens, those that caused each frame (NOOP for the first);
    `changes` (n, 2): the (episode, tick) at which the held buttons changed; `bare` (N, C, h, w)
    the levels with nobody in them; `casts` (N, D, 4, H, W) the players' drawings; `players` (N,
    K + 1, T, 3): top, left and drawing of the player in the frames of `held`; `restarts` (N,
    K + 1, T): whether it has just been put back to the start there.
    """

    latents: Tensor
    held: NDArray[np.int64]
    actions: NDArray[np.float32]
    changes: NDArray[np.int64]
    bare: Tensor
    casts: Tensor
    players: NDArray[np.int64]
    restarts: NDArray[np.bool_]

    @property
    def episodes(self) -> int:
        return len(self.held)

    @property
    def ticks(self) -> int:
        """The last tick of every episode."""
        return int(self.held.shape[1]) - 1

    def player_cells(
        self, episodes: NDArray[np.int64], times: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell which cells (..., h, w) the player covers."""
        top, left, _ = np.moveaxis(self.players[episodes, times, 0], -1, 0)[..., None]
        height, width = (np.arange(size) * CELL for size in self.latents.shape[-2:])
        rows = (height + CELL > top) & (height < top + self.casts.shape[-2])
        columns = (width + CELL > left) & (width < left + self.casts.shape[-1])
        return np.asarray(rows[..., None] & columns[..., None, :])

    def cast(self, episodes: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return the players' drawings (n, D, 4, H, W)."""
        return self.casts[torch.from_numpy(episodes)].to(device)

    def scenery(self, episodes: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return latents (n, C, h, w) float32 of the levels with nobody in them."""
        rows = torch.from_numpy(episodes).to(self.bare.device)
        return self.bare.index_select(0, rows).to(device).float()

    def gather(self, index: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return latents (*index.shape, C, h, w) float32 on `device`."""
        flat = torch.from_numpy(index.reshape(-1)).to(self.latents.device)
        picked = self.latents.index_select(0, flat).to(device).float()
        return picked.reshape(*index.shape, *self.latents.shape[1:])


def load_latents(
    recording: Recording, codec: Codec, slots: int, path: Path, compute: Compute, ranks: Ranks
) -> LatentSet:
    """Read `path`, or encode the recording into it; on a GPU the latents stay there."""
    branches = index_branches(recording.actions, slots)
    key = _key(recording, codec, slots)
    stamp = path.with_suffix(".key")
    stale = not path.exists() or not stamp.exists() or stamp.read_text() != key
    if stale and ranks.first:
        _encode(recording, codec, slots, path, compute, branches.frames)
        stamp.write_text(key)
    ranks.wait()
    latents = torch.from_numpy(np.load(path))
    held = np.pad(recording.actions, ((0, 0), (1, 0), (0, 0)))
    changed = (held[:, 1:] != held[:, :-1]).any(-1)
    episode, tick = np.nonzero(changed)
    sheets = model_sheets(recording)
    players, restarts = follow_players(recording, slots)
    return LatentSet(
        latents.to(compute.device),
        branches.held,
        encode_actions(held),
        np.stack([episode, tick + 1], 1),
        _encode_bare(recording, codec, compute),
        torch.from_numpy(np.stack([read_cast(sheet, CastConfig()) for sheet in sheets])),
        players,
        restarts,
    )


@torch.no_grad()
def _encode_bare(recording: Recording, codec: Codec, compute: Compute) -> Tensor:
    """Encode every level with nobody in it, (N, C, h, w) float16."""
    parts = [
        codec.encode(torch.from_numpy(frames).to(compute.device)).half()
        for frames in bare_frames(recording)
    ]
    return torch.cat(parts)


@torch.no_grad()
def _encode(
    recording: Recording, codec: Codec, slots: int, path: Path, compute: Compute, frames: int
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (frames, *_latent_shape(codec, compute))
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    with tqdm(total=frames, desc="encode", unit="frame", dynamic_ncols=True) as bar:
        for index, pictures in replay(recording, slots):
            for start in range(0, len(index), ENCODE_BATCH):
                part = slice(start, start + ENCODE_BATCH)
                batch = torch.from_numpy(pictures[part]).to(compute.device)
                with compute.autocast():
                    store[index[part]] = codec.encode(batch).cpu().numpy()
            bar.update(len(index))
    store.flush()


def _latent_shape(codec: Codec, compute: Compute) -> tuple[int, ...]:
    frame = torch.zeros(1, 128, 128, 3, dtype=torch.uint8, device=compute.device)
    return tuple(codec.encode(frame).shape[1:])


def _key(recording: Recording, codec: Codec, slots: int) -> str:
    digest = hashlib.sha256(f"{slots}".encode())
    for array in (recording.seeds, recording.actions):
        digest.update(array.tobytes())
    digest.update(codec.components.cpu().numpy().tobytes())
    return digest.hexdigest()
