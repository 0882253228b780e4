"""Stage 1: the codec learns to draw the game's frames, what moves most of all."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from world_model.codec import Codec, to_unit
from world_model.config import CodecConfig
from world_model.data import Recording, sample_frames
from world_model.device import Compute
from world_model.optim import build_optimizers

LATENT_NOISE = 0.06
"""Noise on training latents, in their standard deviations: small errors must stay small."""
MOVING_WEIGHT = 4.0
POOL_EPISODES = 64
POOL_STEPS = 32
SHEET_FRAMES = 8


class CodecTask:
    """Frames in, the same frames out, through a noisy, bounded bottleneck."""

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
        self.codec.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module: nn.Module = self.codec
        self.optimizers = build_optimizers(
            self.codec, lr=lr, matrix_lr=0.0, matrices=None, dtype=compute.dtype
        )
        self._pool: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]
        self._pool_number = -1

    def losses(self, step: int, _rng: np.random.Generator, /) -> dict[str, Tensor]:
        """Return L1 + MSE over pixels in [-1, 1], those of players, enemies and coins weighted."""
        frames, moving = self._batch_of(step)
        unit = to_unit(frames)
        with self.compute.autocast():
            latents = self.codec.bounded(unit)
            noise = torch.randn_like(latents) * latents.detach().std() * LATENT_NOISE
            error = self.codec.decoder(latents + noise).float() - unit
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
def fit_normalisation(codec: Codec, recording: Recording, compute: Compute) -> float:
    """Set the codec's per-channel mean and deviation; returns its PSNR in dB on random frames."""
    frames, _ = sample_frames(recording, 8, np.random.default_rng(2), POOL_EPISODES)
    device = compute.device
    batches = torch.from_numpy(frames).to(device).split(64)
    codec.mean.zero_()
    codec.std.fill_(1)
    latents = torch.cat([codec.encode(batch) for batch in batches])
    codec.mean.copy_(latents.mean((0, 2, 3))[:, None, None])
    codec.std.copy_(latents.std((0, 2, 3))[:, None, None])
    errors = [(codec.decode(codec.encode(b)).float() - b.float()).square().mean() for b in batches]
    return float(20 * np.log10(255) - 10 * torch.stack(errors).mean().log10())
