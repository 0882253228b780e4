"""The numbers that define a world: shapes, window, cache and network sizes.

Torch-free: the runtime, the exporter and the training all read the same frozen dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from world_model.errors import ConfigError
from world_model.strict import from_dict, to_dict

SOURCES: Final = 2
"""What a pixel can be taken from, beside the frame before: the scenery and the first frame."""


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the frame autoencoder; it maps 4x4 pixels to one cell, and the network sees the
    `channels` of it that matter most."""

    channels: int = 24

    CELL_PX = 4

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= 3 * self.CELL_PX**2:
            raise ConfigError(f"a cell has 1 to 48 channels to see, not {self.channels}")


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the rolling diffusion transformer.

    `width` and `depth` are those of its tokens; around them are convolutions on tiles of 2x2
    cells, `tile_width` wide, and on cells, `cell_width` wide.
    """

    width: int = 192
    depth: int = 3
    heads: int = 3
    mlp_ratio: int = 4
    tile_width: int = 128
    cell_width: int = 48

    TOKEN_CELLS = 4

    def __post_init__(self) -> None:
        if self.width % self.heads or (self.width // self.heads) % 8:
            raise ConfigError(f"width {self.width} needs heads of a multiple of 8 channels")


@dataclass(frozen=True)
class CastConfig:
    """How many drawings of its actors a model sheet holds, and their size in pixels.

    The first `player_drawings` are the player's; `actors` is how many there can be at once, the
    player among them.
    """

    drawings: int = 14
    player_drawings: int = 10
    actors: int = 4
    height: int = 12
    width: int = 10

    SQUARE_PX = 16

    def __post_init__(self) -> None:
        if self.actors < 1 or not all(1 <= x <= self.SQUARE_PX for x in (self.height, self.width)):
            raise ConfigError(
                "a cast needs at least 1 actor, and drawings of at most 16x16 pixels, not "
                f"{self.actors} of {self.height}x{self.width}"
            )
        if not 1 <= self.player_drawings <= self.drawings:
            raise ConfigError(
                f"a cast of {self.drawings} drawings has 1 to {self.drawings} of the player, not "
                f"{self.player_drawings}"
            )


@dataclass(frozen=True)
class WindowConfig:
    """The rolling denoise window and its KV cache, in frames.

    `shift` warps the staircase of noise levels (paper: sigma' = shift s / (1 + (shift - 1) s));
    On a tick whose action is another than the one before's, slots that are less noisy than
    `renoise` are raised to it before the pass; 0 never raises any.
    """

    slots: int = 3
    sink_frames: int = 1
    recent_frames: int = 2
    shift: float = 3.0
    renoise: float = 0.0

    def __post_init__(self) -> None:
        if min(self.slots, self.recent_frames) < 1 or self.sink_frames < 0:
            raise ConfigError(
                "a window needs at least 1 slot, 1 recent frame and 0 sink frames, not "
                f"{self.slots}, {self.recent_frames} and {self.sink_frames}"
            )
        if self.shift <= 0:
            raise ConfigError(f"shift {self.shift} must be above 0")
        if not 0 <= self.renoise <= 1:
            raise ConfigError(f"renoise {self.renoise} must be a noise level, in [0, 1]")

    @property
    def cache_frames(self) -> int:
        return self.sink_frames + self.recent_frames

    @property
    def start_frames(self) -> int:
        """Frames that a session starts from: model sheet, scenery, and `finished_frames`."""
        return self.finished_frames + 2

    @property
    def finished_frames(self) -> int:
        """Frames that fill the cache and are seen at first: sink (or, where there is none, still
        the first frame, which every tick sees), recent ones, previous."""
        return max(self.sink_frames, 1) + self.recent_frames + 1


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
    cast: CastConfig = field(default_factory=CastConfig)

    def __post_init__(self) -> None:
        token_px = CodecConfig.CELL_PX * DiTConfig.TOKEN_CELLS
        if any(size < 1 or size % token_px for size in self.frame_shape[:2]):
            raise ConfigError(f"frames need sides of a multiple of {token_px} pixels")
        rows, columns = (size // CastConfig.SQUARE_PX for size in self.frame_shape[:2])
        if self.cast.drawings > rows // 2 * columns:
            raise ConfigError(f"{self.cast.drawings} drawings do not fit on a model sheet")

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return self.frame_height, self.frame_width, 3

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of a frame's latents, in cells: as many numbers as pixels."""
        cell = CodecConfig.CELL_PX
        return 3 * cell**2, self.frame_height // cell, self.frame_width // cell

    @property
    def seen_shape(self) -> tuple[int, int, int]:
        """The same of the leading channels, all that the network sees."""
        return self.codec.channels, *self.latent_shape[1:]

    @property
    def backdrop_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what a session keeps of its first frame, see `dit.Backdrop`."""
        cells = self.latent_shape[1:]
        pixels = CodecConfig.CELL_PX**2
        return {"sources": (SOURCES, 3, pixels, *cells), "behind": (self.dit.cell_width, *cells)}

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a frame's tokens."""
        _, height, width = self.latent_shape
        return height // DiTConfig.TOKEN_CELLS, width // DiTConfig.TOKEN_CELLS

    @property
    def tokens(self) -> int:
        """Tokens of one frame."""
        return self.grid[0] * self.grid[1]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, data: object) -> WorldConfig:
        """Read the JSON form; raises ConfigError naming the entry for anything unexpected."""
        return from_dict(cls, data)
