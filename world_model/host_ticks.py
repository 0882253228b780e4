"""A session's memory in numpy, and its ticks there, on the graphs of a backend.

Every array is bound to the graphs once; at play nothing is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world_model.actions import MARKS
from world_model.backend import Backend, Buffers, Frame, Operator
from world_model.cast import NOWHERE
from world_model.config import WorldConfig
from world_model.schedule import window_sigmas

Array = NDArray[np.float32]


class HostTicks:
    """`backend.Resident` where the memory is these arrays, which the session fills itself.

    `actions`, `noise` and `sigmas`: of the next tick; `previous`, `window`, `trail` and `cast`:
    what it starts from; `scenery` (1, 48, h, w): the first frame with nobody in it; `latents` (1,
    48, h, w) and `pixels` (1, H, W, 3): the last frame.
    """

    def __init__(
        self,
        config: WorldConfig,
        backend: Backend,
        ages: Array,
        *,
        decoded: Callable[[], object] | None = None,
    ) -> None:
        """`ages` (F,) of the cache are read at every tick; `decoded` is called when a frame has
        been drawn, see `Backend.bind`."""
        self.name, self._backend = backend.name, backend
        window, latent, cast = config.window, config.latent_shape, config.cast
        token = len(config.buttons) + MARKS
        self.sigmas = window_sigmas(window)
        self.noise = np.zeros((1, window.slots, *config.seen_shape), np.float32)
        self.actions = np.zeros((1, 1 + window.slots, token), np.float32)
        self.cast = np.zeros((1, cast.drawings, 4, cast.height, cast.width), np.float32)
        # Where actors were in the first frame, in the last but one and in the last.
        self.trail = np.zeros((1, 3, cast.actors, len(NOWHERE)), np.int64)
        self._next_trail = np.zeros_like(self.trail)
        self.scenery, self.previous, self.latents = (
            np.zeros((1, *latent), np.float32) for _ in range(3)
        )
        self.pixels: Frame = np.zeros((1, *config.frame_shape), np.uint8)
        shape = (1, 1 + window.slots, *config.seen_shape)
        self._windows, self._turn = (np.zeros(shape, np.float32), np.zeros(shape, np.float32)), 0
        kv = (1, config.dit.depth, config.tokens, config.dit.width)
        cache = (1, config.dit.depth, window.cache_frames, config.tokens, config.dit.width)
        self._cache = {name: np.zeros(cache, np.float32) for name in ("cache_k", "cache_v")}
        self._new = {name: np.zeros(kv, np.float32) for name in ("k", "v")}
        self._backdrop = {
            name: np.zeros((1, *shape), np.float32)
            for name, shape in config.backdrop_shapes.items()
        }
        seen: dict[str, NDArray[Any]] = {
            "scenery": self.scenery,
            "first": self.previous,
            "start": self.trail[:, 0],
            "cast": self.cast,
        }
        self._settle = backend.bind("backdrop", seen, self._backdrop)
        self._steps = self._bind_steps(backend, ages)
        latents, frame = {"latents": self.latents}, {"frame": self.pixels}
        self._decode = backend.bind("decode", latents, frame, computed=decoded)
        self._encode = backend.bind("encode", frame, latents)

    def _bind_steps(self, backend: Backend, ages: Array) -> list[Callable[[], None]]:
        """Bind `step` twice: windows take turns as what it reads and what it writes."""
        given: dict[str, NDArray[Any]] = {
            "previous": self.previous,
            "sigmas": self.sigmas,
            "actions": self.actions,
            "noise": self.noise,
            "ages": ages,
            **self._cache,
            "trail": self.trail,
            "cast": self.cast,
            **self._backdrop,
        }
        made: dict[str, NDArray[Any]] = {
            "head": self.latents,
            "next_trail": self._next_trail,
            **self._new,
        }
        there, back = self._windows
        return [
            backend.bind("step", {"window": old, **given}, {**made, "next_window": new})
            for old, new in ((there, back), (back, there))
        ]

    @property
    def window(self) -> Array:
        """What the next tick denoises, (1, 1 + T, C, h, w), see `RollingDiT.step`; a view."""
        return self._windows[self._turn]

    @property
    def memory(self) -> dict[str, NDArray[Any]]:
        """What the next tick starts from: `previous`, `window`, `trail`, `cache_k`, `cache_v`, as
        views."""
        window = {"previous": self.previous, "window": self.window}
        return {**window, "trail": self.trail, **self._cache}

    @property
    def setting(self) -> dict[str, NDArray[Any]]:
        """What stays the same all through a session: `sigmas`, `cast`, `sources`, `behind`."""
        return {"sigmas": self.sigmas, "cast": self.cast, **self._backdrop}

    def settle(self) -> None:
        """Work out what all ticks of a session are to know of its first frame, which `previous`
        is."""
        self._settle()

    def start(self, _memory: Buffers) -> None:
        """Do nothing: the memory is here."""

    def tick(self, _inputs: Buffers) -> None:
        """Run `step`, once; the inputs are here."""
        self._steps[self._turn]()

    def keep(self, places: tuple[int, ...]) -> None:
        """Put the frame that left the window into the cache; what `step` made is next."""
        for place in places:
            self._cache["cache_k"][:, :, place] = self._new["k"]
            self._cache["cache_v"][:, :, place] = self._new["v"]
        self.trail[:] = self._next_trail
        self.previous[:] = self.latents
        self._turn = 1 - self._turn

    def encode(self, frame: Frame) -> Array:
        """Return a frame's latents (48, h, w); the next call reuses the array."""
        self.pixels[0] = frame
        self._encode()
        latents: Array = self.latents[0]
        return latents

    def show(self, _frame: Frame) -> None:
        """Draw `latents` into `pixels`, which the frame is."""
        self._decode()

    def fetch(self, _memory: Buffers) -> None:
        """Do nothing: the arrays are these."""

    def operators(self) -> Sequence[Operator]:
        """Return the operators that ran."""
        return self._backend.operators()
