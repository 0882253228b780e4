"""Stage 1: the codec learns to draw the game's frames, what moves most of all."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.codec import CELL, Codec, to_unit
from world_model.config import CodecConfig
from world_model.data import Recording, sample_frames
from world_model.device import Compute
from world_model.optim import build_optimizers

LATENT_NOISE = 0.02
"""Noise on training latents: the decoder must forgive the small errors of a dream."""
MOVING_WEIGHT = 4.0
ALIVE_WEIGHT = 3.0
FIT_EPISODES, FIT_MOMENTS = 256, 8
MOMENTS_BATCH = 256
POOL_EPISODES = 64
POOL_STEPS = 32
SHEET_FRAMES = 8


class CodecTask:
    """Frames in, the same frames out: components by eigenvectors, the decoder by descent."""

    name = "codec"

    def __init__(
        self,
        config: CodecConfig,
        recording: Recording,
        compute: Compute,
        *,
        batch: int,
        lr: float,
        seed: int,
    ) -> None:
        self.recording, self.compute, self.seed = recording, compute, seed
        episodes = min(POOL_EPISODES, len(recording))
        self.moments = min(recording.ticks, -(-POOL_STEPS * batch // episodes))
        self.codec = Codec(config).to(compute.device)
        frames, alive = sample_frames(
            recording, FIT_MOMENTS, np.random.default_rng(0), FIT_EPISODES
        )
        self.codec.fit_components(second_moments(frames, alive))
        self.codec.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module: nn.Module = self.codec
        self.optimizers = build_optimizers(
            self.codec, lr=lr, matrix_lr=0.0, matrices=(), dtype=compute.dtype
        )
        self._pool: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]
        self._pool_number = -1

    def losses(self, step: int, _rng: np.random.Generator, /) -> dict[str, Tensor]:
        """Return L1 + MSE over pixels in [-1, 1], those of players, enemies and coins weighted."""
        frames, moving = self._batch_of(step)
        unit = to_unit(frames)
        latents = self.codec.project(unit)
        latents += torch.randn_like(latents) * LATENT_NOISE
        with self.compute.autocast():
            error = self.codec.draw(latents).float() - unit
        weight = 1 + MOVING_WEIGHT * moving[:, None].float()
        loss = (weight * (error.abs() + 2 * error.square())).mean()
        return {"loss": loss, "mse": error.square().mean()}

    def samples(self, module: nn.Module) -> NDArray[np.uint8]:
        """Draw a row of frames above their reconstruction, and print the PSNR on the way."""
        frames, _ = sample_frames(self.recording, 1, np.random.default_rng(1), SHEET_FRAMES)
        tensor = torch.from_numpy(frames).to(self.compute.device)
        assert isinstance(module, Codec)
        with torch.no_grad():
            drawn = module.decode(module.encode(tensor)).cpu().numpy()
        return np.concatenate([np.concatenate(list(row), 1) for row in (frames, drawn)])

    def _batch_of(self, step: int) -> tuple[Tensor, Tensor]:
        """Return a step's batch; a function of (seed, step), so that a resumed run repeats it."""
        pool, place = divmod(step, POOL_STEPS)
        if pool != self._pool_number:
            rng = np.random.Generator(np.random.Philox(key=[self.seed, pool]))
            frames, masks = sample_frames(self.recording, self.moments, rng, POOL_EPISODES)
            self._pool, self._pool_number = (frames, masks, rng.permutation(len(frames))), pool
        frames, masks, order = self._pool
        part = np.array_split(order, POOL_STEPS)[place]
        device = self.compute.device
        return torch.from_numpy(frames[part]).to(device), torch.from_numpy(masks[part]).to(device)


@torch.no_grad()
def second_moments(frames: NDArray[np.uint8], moving: NDArray[np.bool_]) -> Tensor:
    """Return the second moments (48, 48) of patches, those with something alive weighted.

    frames (n, H, W, 3); moving (n, H, W) marks players, enemies and coins.
    """
    size = 3 * CELL**2
    every, alive = torch.zeros(size, size), torch.zeros(size, size)
    for start in range(0, len(frames), MOMENTS_BATCH):
        part = slice(start, start + MOMENTS_BATCH)
        patches = F.pixel_unshuffle(to_unit(torch.from_numpy(frames[part])), CELL)
        patches = patches.permute(0, 2, 3, 1).flatten(0, 2)
        marks = torch.from_numpy(moving[part])[:, None].float()
        chosen = patches[F.max_pool2d(marks, CELL).flatten() > 0]
        every += patches.T @ patches
        alive += chosen.T @ chosen
    return every / every.trace() + ALIVE_WEIGHT * alive / alive.trace().clamp(min=1e-9)


@torch.no_grad()
def measure_psnr(codec: Codec, recording: Recording, compute: Compute) -> float:
    """Return a codec's PSNR in dB on random frames of a recording."""
    frames, _ = sample_frames(recording, 8, np.random.default_rng(2), POOL_EPISODES)
    batches = torch.from_numpy(frames).to(compute.device).split(64)
    errors = [(codec.decode(codec.encode(b)).float() - b.float()).square().mean() for b in batches]
    return float(20 * np.log10(255) - 10 * torch.stack(errors).mean().log10())
