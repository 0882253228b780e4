"""Proves that a bundle plays on a backend what torch would: same start, actions and noise.

Both play side by side, each with its own bookkeeping. After each tick torch takes over the other's
window and cache: a world that feeds on itself doubles any rounding error every few ticks, on one
backend as on the next, and what is to be compared are the backends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from export.loading import DEFAULT, load_world
from export.onnx_export import read_network
from world_model.actions import encode_actions
from world_model.cast import follow, read_cast
from world_model.config import WorldConfig
from world_model.data import HELD_OUT_SEED, opening_of
from world_model.network.rolling import RollingStep, RollOut
from world_model.schedule import tick_noise

TOLERANCE: Final = 1e-2
"""Of one tick in float32; latents have unit variance."""
REDUCED: Final = ("-bf16", "-fp16")
"""What the names of such backends end with."""
LEAST_SQUARED: Final = 1e-6
"""Mean square error that counts as none: 108 dB."""
REDUCED_PSNR_DB: Final = 40.0
"""What frames must have against torch's where a backend computes in fewer bits than float32."""


@dataclass(frozen=True)
class Parity:
    """How far a backend is from torch over a roll-out: the largest absolute differences of latents,
    and of pixels in 1/255; the PSNR of all its frames; and the first tick at which a frame differs
    by more than 1/255."""

    backend: str
    ticks: int
    max_latent_error: float
    max_pixel_error: int
    psnr_db: float
    first_apart: int | None

    @property
    def failure(self) -> str | None:
        """Why the backend is not to be used, if so."""
        if self.backend.endswith(REDUCED):
            holds, wanted = self.psnr_db >= REDUCED_PSNR_DB, f"PSNR at least {REDUCED_PSNR_DB:g} dB"
        else:
            holds, wanted = self.max_latent_error <= TOLERANCE, f"latents within {TOLERANCE:g}"
        return None if holds else f"parity is worse than wanted ({wanted})"

    def __str__(self) -> str:
        return (
            f"{self.backend} against torch over {self.ticks} ticks: max abs error "
            f"{self.max_latent_error:.2g} in latents, {self.max_pixel_error} / 255 in pixels"
        )


@torch.no_grad()
def roll_out_parity(
    directory: Path,
    ticks: int,
    *,
    backend: str = DEFAULT,
    seed: int = 0,
    frames: NDArray[np.uint8] | None = None,
    done: Callable[[], object] = lambda: None,
) -> Parity:
    """Play `ticks` random actions on both from `frames`, or the start of a held-out level; `done`
    is called after each. Raises WorldError where the backend cannot be had."""
    config, dit = read_network(directory)
    codec = dit.painter.codec
    rng = np.random.default_rng(seed)
    if frames is None:
        frames = opening_of(HELD_OUT_SEED + seed, config.window.start_frames)
    actions = rng.random((ticks, len(config.buttons))) < 0.4
    world = load_world(directory, backend=backend)
    world.reset(frames, seed=seed)
    twin = TorchSession(config, RollingStep(dit), seed)
    cast = read_cast(frames[0], config.cast)
    trail = follow(frames[2:], cast, config.cast)
    latents = codec.encode(torch.from_numpy(frames[1:]))
    twin.reset(torch.from_numpy(cast), latents, torch.from_numpy(trail))
    latent_error = np.zeros(ticks)
    pixel_error, squared = np.zeros((2, ticks))
    for tick, action in enumerate(actions):
        head = twin.denoise(action)
        finished = world.denoise(action)
        latent_error[tick] = np.abs(world.finished - head[0].numpy()).max()
        drawn = codec.decode(head)[0].numpy().astype(np.float32)
        apart = np.abs(world.decode(finished) - drawn)
        pixel_error[tick], squared[tick] = apart.max(), np.square(apart).mean()
        twin.take_over(world.memory)
        done()
    differs = pixel_error > 1
    return Parity(
        backend,
        ticks,
        float(latent_error.max()),
        int(pixel_error.max()),
        float(10 * np.log10(255**2 / max(squared.mean(), LEAST_SQUARED))),
        int(differs.argmax()) + 1 if differs.any() else None,
    )


class TorchSession:
    """`world.RollingWorld` in torch, with the same noise of (seed, tick)."""

    def __init__(self, config: WorldConfig, step: RollingStep, seed: int) -> None:
        self.config, self.seed, self.draw = config, seed, 0
        self.roll = RollOut(step, 1, torch.device("cpu"))

    def reset(self, cast: torch.Tensor, latents: torch.Tensor, trail: torch.Tensor) -> None:
        """Start on drawings (D, 4, H, W), the latents (1 + K, 48, h, w) of scenery and frames, and
        where actors are in these, (K, A, 4)."""
        count, window = len(latents) - 1, self.config.window
        still = torch.from_numpy(encode_actions(np.zeros(len(self.config.buttons), np.bool_)))
        self.roll.start(
            cast[None],
            latents[:1],
            latents[None, 1:],
            trail[None],
            still.expand(1, count, -1),
            latents[None, -1:].expand(-1, window.slots - 1, -1, -1, -1),
            self._noise(2 * count - 2),  # a window a frame, and a tick in between
        )
        self.draw = 2 * count - 1

    def denoise(self, action: NDArray[np.bool_]) -> torch.Tensor:
        """Advance by a tick; returns the head's latents (1, 48, h, w)."""
        token, raising = torch.from_numpy(encode_actions(action[None])), None
        if self.config.window.renoise and not torch.equal(token, self.roll.previous_action):
            raising = self._noise(self.draw)
            self.draw += 1
        head = self.roll.tick(token, self._noise(self.draw), raising=raising).head
        self.draw += 1
        return head

    def take_over(self, memory: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from another session's window, trail and cache."""
        for name, array in memory.items():
            setattr(self.roll, name, torch.from_numpy(array.copy()))

    def _noise(self, draw: int) -> torch.Tensor:
        shape = (self.config.window.slots, *self.config.seen_shape)
        return torch.from_numpy(tick_noise(self.seed, draw, np.zeros(shape, np.float32)))[None]
