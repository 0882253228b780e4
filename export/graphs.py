"""The four graphs of a world as torch modules of plain tensors: what is exported, and what the
torch backend runs."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from world_model.actions import MARKS
from world_model.cast import NOWHERE
from world_model.config import WorldConfig
from world_model.network.attention import Memory
from world_model.network.codec import Codec
from world_model.network.dit import Backdrop, RollingDiT
from world_model.network.rolling import RollingStep

STEP_OUTPUTS = ("head", "next_window", "k", "v", "next_trail")


class StepGraph(nn.Module):
    """One tick of the window: inputs as of `step_inputs`, outputs as of `STEP_OUTPUTS`."""

    def __init__(self, dit: RollingDiT) -> None:
        super().__init__()
        self.rolling = RollingStep(dit)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        *window, k, v, ages, trail, drawings, sources, behind = inputs
        seen = Memory(k, v, ages), trail, drawings, Backdrop(sources, behind)
        out = self.rolling(*window, *seen)
        return out.head, out.window, out.k, out.v, out.trail


class BackdropGraph(nn.Module):
    """What a session starts with: inputs as of `graphs_of`."""

    def __init__(self, dit: RollingDiT) -> None:
        super().__init__()
        self.dit = dit

    def forward(self, *inputs: Tensor) -> Backdrop:
        return self.dit.backdrop(*inputs)


class CodecGraph(nn.Module):
    """One direction of the codec, `encode` or `decode`."""

    def __init__(self, codec: Codec, name: str) -> None:
        super().__init__()
        self.codec, self.name = codec, name

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, getattr(self.codec, self.name)(x))


def step_inputs(config: WorldConfig) -> dict[str, Tensor]:
    """Return zeros of the shapes that `step` takes, in its order."""
    window, cast = config.window, config.cast
    frames = 1 + window.slots
    cache = (1, config.dit.depth, window.cache_frames, config.tokens, config.dit.width)
    return {
        "previous": torch.zeros(1, *config.latent_shape),
        "window": torch.zeros(1, frames, *config.seen_shape),
        "sigmas": torch.zeros(frames),
        "actions": torch.zeros(1, frames, len(config.buttons) + MARKS),
        "noise": torch.zeros(1, window.slots, *config.seen_shape),
        "cache_k": torch.zeros(cache),
        "cache_v": torch.zeros(cache),
        "ages": torch.zeros(window.cache_frames),
        "trail": torch.zeros(1, 3, cast.actors, len(NOWHERE), dtype=torch.long),
        "cast": torch.zeros(1, cast.drawings, 4, cast.height, cast.width),
        **{name: torch.zeros(1, *shape) for name, shape in config.backdrop_shapes.items()},
    }


def _backdrop_inputs(config: WorldConfig) -> dict[str, Tensor]:
    step = step_inputs(config)
    frames = {name: torch.zeros_like(step["previous"]) for name in ("scenery", "first")}
    return {**frames, "start": step["trail"][:, 0], "cast": step["cast"]}


class Graph(NamedTuple):
    """A graph, zeros of the shapes that it takes, in its order, and the names of what it makes."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


def graphs_of(config: WorldConfig, dit: RollingDiT) -> dict[str, Graph]:
    """Return all graphs of a world, see `world_model.backend`."""
    codec, latents = dit.painter.codec, torch.zeros(1, *config.latent_shape)
    frame = torch.zeros(1, *config.frame_shape, dtype=torch.uint8)
    return {
        "step": Graph(StepGraph(dit), step_inputs(config), STEP_OUTPUTS),
        "decode": Graph(CodecGraph(codec, "decode"), {"latents": latents}, ("frame",)),
        "encode": Graph(CodecGraph(codec, "encode"), {"frame": frame}, ("latents",)),
        "backdrop": Graph(BackdropGraph(dit), _backdrop_inputs(config), Backdrop._fields),
    }
