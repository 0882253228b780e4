"""Clips of a recording: which to train on, as those that teach most come most often, and what is in
them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from world_model.cast import ANEW, COMING, PUT_BACK
from world_model.training.crops import crop, crop_places, moving_corners
from world_model.training.footage import Footage

CLIP_FRAMES: Final = 6
"""Finished frames of a clip, after the sink."""
CLIP_TICKS: Final = 4
"""Windows of a clip: those headed by the ticks after its last so many frames."""

EARLY_TICKS: Final = 12
CHANGE_SHARE: Final = 0.5
EARLY_SHARE: Final = 0.2
RESTART_SHARE: Final = 0.125
"""Of either way in which the player comes back to the start."""


class ClipChooser:
    """Chooses clips; in half of them or more the buttons change within the last `late` ticks.

    Some begin within an episode's first ticks: the sink then still shows the player where it
    is, which is how every session starts and rare in a recording. In some the player is put back
    to the start, in as many everything starts anew.
    """

    def __init__(self, data: Footage, late: int) -> None:
        came = data.places[:, :, 0, 0, COMING]
        self._changes = data.changes
        self._put_back, self._anew = (np.argwhere(came == how) for how in (PUT_BACK, ANEW))
        self._episodes, self._ticks, self._late = data.episodes, data.ticks, late

    def __call__(
        self, rng: np.random.Generator, length: int, batch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return episodes and starts of clips of `length` + 1 frames."""
        episodes = rng.integers(self._episodes, size=batch)
        last = self._ticks - length
        starts = rng.integers(0, last + 1, size=batch)
        kinds = rng.random(batch)
        early = (kinds > CHANGE_SHARE) & (kinds < CHANGE_SHARE + EARLY_SHARE)
        starts[early] = rng.integers(0, min(EARLY_TICKS, last) + 1, size=int(early.sum()))
        changed, back = kinds <= CHANGE_SHARE, kinds > 1 - 2 * RESTART_SHARE
        anew = kinds > 1 - RESTART_SHARE
        for late, rows in (
            (self._changes, changed),
            (self._put_back, back & ~anew),
            (self._anew, anew),
        ):
            count = int(rows.sum()) if len(late) else 0
            if not count:
                continue
            picked = late[rng.integers(len(late), size=count)]
            before = length - rng.integers(0, min(self._late, length), size=count)
            episodes[rows] = picked[:, 0]
            starts[rows] = np.clip(picked[:, 1] - before, 0, last)
        return episodes, starts


class Clip(NamedTuple):
    """Recorded play, and what comes of it if the newest keys stay held.

    Of L finished frames and the sink before them: latents `clean` (B, 1 + L, 48, h, w), the
    `actions` that caused them, tokens (B, 1 + L, ...), and where actors are in them, `trail` (B,
    1 + L, A, 4). Of the windows of P ticks: `plan` (B, P, T - 1, 48, h, w), their slots as foreseen
    a tick before, but the last; `target` (B, P, T, 48, h, w), what they are to become; `keys`, the
    slots' tokens (B, P, T, ...); `places` (B, P, T, A, 4), where actors are; and whether the keys
    are new, `changed` (B, P). scenery (B, 48, h, w), cast, and `corners` (B, 2) of crops.
    """

    scenery: Tensor
    cast: Tensor
    clean: Tensor
    actions: Tensor
    trail: Tensor
    plan: Tensor
    target: Tensor
    keys: Tensor
    places: Tensor
    changed: Tensor
    corners: Tensor | None = None

    @property
    def before(self) -> Tensor:
        """The frame before each window, (B, P, 48, h, w)."""
        return self.clean[:, -self.target.shape[1] :]

    @property
    def anew(self) -> Tensor:
        """Whether everything starts anew in the windows' slots, (B, P, T)."""
        return self.places[..., 0, COMING] == ANEW

    def cropped(self, size: int) -> Clip:
        """Cut all that is shown to `size` x `size` tokens around something that moves."""
        corners = moving_corners(self.before, self.target[:, :, 0], size)
        latents, places = ("scenery", "clean", "plan", "target"), ("places", "trail")
        cut = {name: crop(getattr(self, name), corners, size) for name in latents}
        moved = {name: crop_places(getattr(self, name), corners) for name in places}
        return self._replace(**cut, **moved, corners=corners)


def recorded_clip(
    data: Footage, episodes: NDArray[np.int64], starts: NDArray[np.int64], device: torch.device
) -> Clip:
    """Read clips that begin at `starts`; the sink is each episode's first frame."""
    rows, frames = episodes[:, None], starts[:, None] + np.arange(CLIP_FRAMES)
    times = np.pad(frames, ((0, 0), (1, 0)))
    heads = frames[:, -CLIP_TICKS:] + 1
    changed = (data.actions[rows, heads] != data.actions[rows, heads - 1]).any(-1)
    return Clip(
        scenery=data.scenery(episodes, device),
        cast=data.cast(episodes, device),
        clean=data.gather(data.held[rows, times, 0], device),
        actions=torch.from_numpy(data.actions[rows, times]).to(device),
        trail=torch.from_numpy(data.places[rows, times, 0]).to(device),
        plan=data.gather(data.held[rows, heads - 1, 1:], device),
        target=data.gather(data.held[rows, heads], device),
        keys=data.keys(np.broadcast_to(rows, heads.shape), heads).to(device),
        places=torch.from_numpy(data.places[rows, heads]).to(device),
        changed=torch.from_numpy(changed).to(device),
    )
