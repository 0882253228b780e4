"""The numbers that define a world: shapes, window, cache and network sizes.

Torch-free: the runtime, the exporter and the training all read the same frozen dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from world_model.errors import ConfigError
from world_model.strict import from_dict, to_dict


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the frame autoencoder; it maps 16x16 pixels to one token of `channels`."""

    channels: int = 48
    encoder_widths: tuple[int, int, int] = (64, 128, 192)
    decoder_widths: tuple[int, int, int, int] = (192, 128, 64, 32)

    PATCH_PX = 16


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the rolling diffusion transformer."""

    width: int = 256
    depth: int = 6
    heads: int = 4
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 8:
            raise ConfigError(f"width {self.width} needs heads of a multiple of 8 channels")


@dataclass(frozen=True)
class WindowConfig:
    """The rolling denoise window and its KV cache, in frames.

    `shift` warps the staircase of noise levels (paper: sigma' = shift s / (1 + (shift - 1) s));
    `context_sigma` is the noise on the finished frame that is fed back, in training and play.
    """

    slots: int = 3
    sink_frames: int = 1
    recent_frames: int = 2
    shift: float = 3.0
    context_sigma: float = 0.04

    @property
    def cache_frames(self) -> int:
        return self.sink_frames + self.recent_frames

    @property
    def start_frames(self) -> int:
        """Frames that a session starts from: the sink, the recent ones, and the previous one."""
        return self.cache_frames + 1


@dataclass(frozen=True)
class WorldConfig:
    """Everything that play must know about a world, beside its weights."""

    name: str
    game: str
    buttons: tuple[str, ...]
    fps: int
    frame_height: int = 128
    frame_width: int = 128
    window: WindowConfig = field(default_factory=WindowConfig)
    dit: DiTConfig = field(default_factory=DiTConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return self.frame_height, self.frame_width, 3

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        patch = CodecConfig.PATCH_PX
        return self.codec.channels, self.frame_height // patch, self.frame_width // patch

    @property
    def tokens(self) -> int:
        """Tokens of one frame."""
        return self.latent_shape[1] * self.latent_shape[2]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, data: object) -> WorldConfig:
        """Read the JSON form; raises ConfigError naming the entry for anything unexpected."""
        return from_dict(cls, data)
