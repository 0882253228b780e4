"""Mishaps of a dream, put into recorded history on purpose, with what should come of them.

A player that has half faded comes back whole; a ghost left behind goes; a player that is lost
altogether starts anew where the session began, as after a death. Recorded play shows none of
this, so a network trained on it alone would never recover. Latents are linear: what a frame has
that the bare scene has not is a layer that can be thinned, or laid elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from world_model.latents import LatentSet

FADED, GHOST, LOST = range(3)
SHARES_OF_WHOLE, SHARES_OF_CROPS = (0.3, 0.2, 0.5), (0.5, 0.5, 0.0)
LEFT_OF_LOST = 0.15
LEFT_OF_FADED = (0.3, 0.9)
SEEN_OF_GHOST = (0.1, 0.6)
GHOST_TICKS = 40
"""A ghost is the player as it was up to so many ticks ago."""


@dataclass
class Lesson:
    """Clips and their windows: `clean` (B, 1 + L, C, h, w), sink first; `plan` (B, P, T - 1, C, h,
    w) and `target` (B, P, T, C, h, w); `sigmas` and `judged` (B, P, T): noise levels of the slots,
    and 0 where no target is known.
    """

    clean: Tensor
    plan: Tensor
    target: Tensor
    sigmas: Tensor

    def __post_init__(self) -> None:
        self.judged = torch.ones_like(self.sigmas)


def befall(
    lesson: Lesson,
    data: LatentSet,
    episodes: NDArray[np.int64],
    times: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    share: float,
    whole: bool,
) -> None:
    """Let something happen to a `share` of the clips, in place; players are lost in `whole` frames
    only, as one that a crop does not show may be elsewhere.

    `times` (B, L) are those of the clean frames but the sink. Every mishap starts at one of the
    frames that head a window and lasts. The recorded plan would give it away: windows after it get
    none, and one of a player that is lost shows what there is. (Were it none, a network would take
    having no plan for the sign of a loss.)
    """
    rows = np.flatnonzero(rng.random(len(episodes)) < share)
    if not len(rows):
        return
    device, (length, ticks) = lesson.clean.device, (times.shape[1], lesson.target.shape[1])
    shares = SHARES_OF_WHOLE if whole else SHARES_OF_CROPS
    kinds = torch.from_numpy(rng.choice(len(shares), size=len(rows), p=shares)).to(device)
    since = torch.from_numpy(rng.integers(length - ticks, length, len(rows))).to(device)
    affected = torch.arange(length, device=device) >= since[:, None]
    index = torch.from_numpy(rows).to(device)

    own = _layers(lesson.clean[index, 1:], data, episodes[rows], times[rows])
    seen = rng.integers(0, GHOST_TICKS, (len(rows), 1))
    past = (times[rows, -ticks, None] - seen).clip(min=0)
    frames = data.gather(data.held[episodes[rows, None], past, 0], device)
    ghosts = _layers(frames, data, episodes[rows], past)
    each = (-1, 1, 1, 1, 1)
    left, shown = (
        torch.from_numpy(rng.uniform(*bounds, len(rows))).float().to(device).reshape(each)
        for bounds in (LEFT_OF_FADED, SEEN_OF_GHOST)
    )
    kind = kinds.reshape(each)
    left = torch.where(kind == LOST, LEFT_OF_LOST * torch.rand_like(left), left)
    happened = torch.where(kind == GHOST, shown * ghosts, (left - 1) * own)
    happened = happened * affected[:, :, None, None, None]
    lesson.clean[index, 1:] += happened

    windows = affected[:, -ticks:]
    lost = windows & (kinds == LOST)[:, None]
    sigmas, plan = lesson.sigmas[index], lesson.plan[index]
    unplanned = (windows & ~lost)[..., None]
    lesson.sigmas[index] = torch.where(unplanned, torch.ones_like(sigmas), sigmas)
    seen_now = lesson.clean[index, -ticks:, None].expand_as(plan)
    lesson.plan[index] = torch.where(lost[..., None, None, None, None], seen_now, plan)
    _start_anew(lesson, data, index[lost.any(1)], lost[lost.any(1)], episodes, times)


def _start_anew(
    lesson: Lesson,
    data: LatentSet,
    index: Tensor,
    lost: Tensor,
    episodes: NDArray[np.int64],
    times: NDArray[np.int64],
) -> None:
    """Put the player where the sink shows it, in the heads of windows that have `lost` (n, P) it.

    What it would do from there on is not known: later slots are not judged.
    """
    if not len(index):
        return
    rows = index.cpu().numpy()
    ticks = lost.shape[1]
    own, heads = episodes[rows], times[rows, -ticks:] + 1
    start = _layers(lesson.clean[index, :1], data, own, np.zeros_like(heads[:, :1]))
    head = lesson.target[index, :, 0]
    anew = head - _layers(head, data, own, heads) + start
    lesson.target[index, :, 0] = torch.where(lost[:, :, None, None, None], anew, head)
    judged = lesson.judged[index]
    judged[:, :, 1:] *= ~lost[..., None]
    lesson.judged[index] = judged


def _layers(
    frames: Tensor, data: LatentSet, episodes: NDArray[np.int64], times: NDArray[np.int64]
) -> Tensor:
    """Return what the player adds to the bare scene in frames (n, F, C, h, w) of `times` (n, F)."""
    bare = data.scenery(episodes, frames.device)
    mask = torch.from_numpy(data.player_cells(episodes[:, None], times)).to(frames)
    return (frames - bare[:, None]) * mask[:, :, None]
