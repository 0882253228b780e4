"""Training of the finder: how actors move, from glimpses of moments that are drawn for it.

Physics is near, and a glimpse costs a thousandth of a frame: a step looks at hundreds of moments,
none of which comes again, so there is nothing to know by heart.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.actions import MARKS, encode_actions
from world_model.cast import NOWHERE
from world_model.config import CastConfig, WorldConfig
from world_model.network.codec import LATENT_SCALE
from world_model.network.finding import GLIMPSE, Finder, errors, moved
from world_model.training.arcade import Arcade, Moments
from world_model.training.device import Compute
from world_model.training.optim import build_optimizers

OTHERS_WEIGHT = 0.3
"""Of what is said of another actor, which is easier and costs a game less."""
SHEET_MOMENTS = 4096
SHEET, SHEET_SCALE = (4, 8), 4
TRUE, SAID = (80, 255, 80), (255, 60, 60)


class FinderTask:
    """Trains a world's finder."""

    name = "finder"

    def __init__(
        self,
        config: WorldConfig,
        compute: Compute,
        *,
        moments: int,
        lr: float,
        matrix_lr: float,
    ) -> None:
        self.config, self.compute, self.moments = config, compute, moments
        self.finder = Finder(len(config.buttons) + MARKS, config.cast.drawings)
        self.finder.to(compute.device)
        self.module: nn.Module = self.finder
        self._arcade: Arcade | None = None
        self.optimizers = build_optimizers(
            self.finder,
            lr=lr,
            matrix_lr=matrix_lr,
            matrices=[self.finder.look, self.finder.think],
            dtype=compute.dtype,
        )
        self._weights = torch.tensor([1.0, OTHERS_WEIGHT], device=compute.device)

    def losses(self, step: int, rng: np.random.Generator, /) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the cost of what is said, and the shares of actors that are elsewhere."""
        if self._arcade is None:
            self._arcade = Arcade(self.moments, rng)
        moments = self._arcade.moments()
        last, places = (
            part.to(self.compute.device) for part in (moments.trail[:, -1], moments.places)
        )
        error, wrong = errors(self._ask(moments), places, last)
        there = (last[..., 0] != NOWHERE[0]).float()
        return {
            "loss": (error * there * self._weights).sum() / len(there),
            "missed": wrong[:, 0].mean(),
            "others_missed": (wrong * there)[:, 1:].sum() / there[:, 1:].sum().clamp(min=1),
        }

    def _ask(self, moments: Moments) -> Tensor:
        """Ask how actors go on, logits (n, A, L)."""
        device = self.compute.device
        seen, trail = moments.seen.to(device), moments.trail.to(device)
        actions = torch.from_numpy(encode_actions(moments.held.numpy())).to(device)
        _, before, last = trail.unbind(1)
        inside = seen[:, :, -1:].float()
        shown = (seen[:, :, :-1].float() / 127.5 - 1) * LATENT_SCALE
        with self.compute.autocast():
            seen = torch.cat([shown * inside, inside], 2)
            return self.finder.ask(seen, actions, last, last - before)

    @torch.no_grad()
    def samples(self, module: nn.Module) -> NDArray[np.uint8]:  # noqa: ARG002
        """Draw glimpses after which the player is where the green box is, and the red one was said.

        The first of so many new moments; places stay empty where it was found.
        """
        moments = Arcade(SHEET_MOMENTS, np.random.default_rng(0)).moments()
        start, _, last = moments.trail.unbind(1)
        height, width, _ = self.config.frame_shape
        found = moved(self._ask(moments).cpu(), last, start, (height, width))
        from_last = [(places - last)[:, 0, :2].numpy() for places in (moments.places, found)]
        frames = moments.seen[:, 0, 3:6].permute(0, 2, 3, 1).numpy()
        wrong = np.flatnonzero((from_last[0] != from_last[1]).any(1))
        rows, columns = SHEET
        sheet = np.zeros((rows * columns, *frames.shape[1:]), np.uint8)
        for picture, moment in zip(sheet, wrong, strict=False):
            picture[:] = frames[moment]
            for moves, ink in zip(from_last, (TRUE, SAID), strict=True):
                _outline(picture, moves[moment] - [side[0] for side in GLIMPSE], ink)
        tiled = sheet.reshape(rows, columns, *frames.shape[1:]).swapaxes(1, 2)
        joined = tiled.reshape(rows * frames.shape[1], columns * frames.shape[2], 3)
        return joined.repeat(SHEET_SCALE, 0).repeat(SHEET_SCALE, 1)


def _outline(picture: NDArray[np.uint8], corner: NDArray[np.int64], ink: tuple[int, ...]) -> None:
    """Draw a box around a drawing with this top left corner into a picture (H, W, 3)."""
    top, left = (int(at) for at in corner)
    bottom, right = top + CastConfig.height, left + CastConfig.width
    box = np.zeros((2, *picture.shape[:2]), np.bool_)
    for inset, mask in enumerate(box):
        rows = slice(max(0, top + inset), max(0, bottom - inset))
        mask[rows, max(0, left + inset) : max(0, right - inset)] = True
    picture[box[0] & ~box[1]] = ink
