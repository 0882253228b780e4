"""The rolling world at play, in numpy: no torch, one forward pass a tick, nothing allocated.

Holds the window, the KV cache and the counters of a session; a `Backend` runs the graphs. The
torch twin, for training, is `rolling.RollOut`; a test holds the two equal over 200 ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from world_model.actions import MARKS, encode_actions
from world_model.backend import Backend, Frame, Resident
from world_model.cache import CacheIndex, Sink
from world_model.cast import locate, read_cast
from world_model.config import WorldConfig
from world_model.errors import BackendError, WorldError
from world_model.schedule import Raised, raised, tick_noise, window_sigmas

Array = NDArray[np.float32]
_NOT_DRAWN: Final = -1


class Spans(Protocol):
    """Is told when a stage of a tick ends."""

    def mark(self, stage: str) -> None: ...


class _Unmeasured:
    """Nobody asks."""

    def mark(self, stage: str) -> None:
        """Ignore the end of a stage."""


class RollingWorld:
    """A playable world: `reset` on start frames, then `step` (or `denoise` and `decode`) a tick."""

    passes_per_tick: Final = 1

    def __init__(
        self,
        config: WorldConfig,
        backend: Backend,
        resident: Resident | None = None,
        *,
        say: Callable[[str], object] | None = None,
    ) -> None:
        """Play on `backend`, or start there and tick on `resident`.

        Where the resident fails in a game, `say` is told why, and the backend goes on; without
        `say` its error is raised. Raises WorldError for a resident of a world that re-noises its
        window when the action changes: a resident's window stays where it is.
        """
        if resident is not None and config.window.renoise:
            raise WorldError(f"{resident.name} plays no world that re-noises on a change of action")
        self.config, self.name, self.buttons = config, config.name, config.buttons
        self.frame_shape = config.frame_shape
        self.backend, self.operators = backend.name, backend.operators
        self.accelerator = backend.accelerator
        self.note = ""
        """Why another backend plays than was asked for; empty where none does."""
        self._here, self._resident, self._say = backend.name, resident, say
        if resident is not None:
            self.backend, self.operators = resident.name, resident.operators
        window, latent = config.window, config.latent_shape
        shape = (1, window.frames, *latent)
        self._index = CacheIndex(window)
        self._levels = window_sigmas(window)
        self._sigmas = self._levels.copy()
        self._raised = raised(window) if window.renoise else None
        self._windows = (np.zeros(shape, np.float32), np.zeros(shape, np.float32))
        self._noise = np.zeros((1, 1 + window.slots, *config.seen_shape), np.float32)
        self._actions = np.zeros((1, 1 + window.slots, len(config.buttons) + MARKS), np.float32)
        kv = (1, config.dit.depth, config.tokens, config.dit.width)
        cache = (1, config.dit.depth, window.cache_frames, config.tokens, config.dit.width)
        self._cache = {name: np.zeros(cache, np.float32) for name in ("cache_k", "cache_v")}
        self._new = {name: np.zeros(kv, np.float32) for name in ("k", "v")}
        cast = config.cast
        self._cast = np.zeros((1, cast.drawings, 4, cast.height, cast.width), np.float32)
        # Where actors were in the first frame, in the last but one and in the last.
        self._trail = np.zeros((1, 3, cast.actors, 3), np.int64)
        self._next_trail = np.zeros_like(self._trail)
        self._latents = np.zeros((1, *latent), np.float32)
        self._pixels: Frame = np.zeros((1, *config.frame_shape), np.uint8)
        self._head: Array = self._latents[0]
        self._frame: Frame = self._pixels[0]
        self._spans: Spans = _Unmeasured()
        self._bind(backend)
        self._to_colour, self._black = self._colours()
        self._seed = self._tick = self._draws = 0
        self._drawn = _NOT_DRAWN
        self._start: Frame = np.zeros((0, *config.frame_shape), np.uint8)

    @property
    def start_frames(self) -> int:
        """How many frames `reset` needs."""
        return self.config.window.start_frames

    def anchor(self, sink: Sink) -> None:
        """Choose what the sink holds, from the next `reset` on."""
        self._index.sink = sink

    def _bind(self, backend: Backend) -> None:
        fixed: dict[str, NDArray[Any]] = {
            "sigmas": self._sigmas,
            "actions": self._actions,
            "noise": self._noise,
            "ages": self._index.ages,
            **self._cache,
            "trail": self._trail,
            "cast": self._cast,
        }
        made: dict[str, NDArray[Any]] = {
            "head": self._latents,
            "next_trail": self._next_trail,
            **self._new,
        }
        there, back = self._windows
        self._steps = [
            backend.bind(
                "step",
                {"window": old, **fixed},
                {**made, "next_window": new},
            )
            for old, new in ((there, back), (back, there))
        ]
        self._decode = backend.bind(
            "decode",
            {"latents": self._latents},
            {"frame": self._pixels},
            computed=lambda: self._spans.mark("decode"),
        )
        self._encode = backend.bind("encode", {"frame": self._pixels}, {"latents": self._latents})

    def reset(self, frames: Frame, *, seed: int) -> Frame:
        """Start a session on model sheet, scenery and frames of a resting world, (K, H, W, 3).

        The first of these becomes the sink, the others, oldest first, fill the cache; the window
        is the last one re-noised to every slot's level. Returns the last frame. Raises ValueError
        where fewer than `config.window.start_frames` are given.
        """
        if len(frames) < self.config.window.start_frames:
            raise ValueError(f"a session starts from {self.config.window.start_frames} frames")
        self._start = frames
        self._seed, self._tick, self._draws, self._drawn = seed, 0, 0, _NOT_DRAWN
        self._sigmas[:] = self._levels
        self._index.clear()
        self._actions[:] = encode_actions(np.zeros(len(self.buttons), np.bool_))
        sheet, scenery, *resting = frames
        self._cast[0] = read_cast(sheet, self.config.cast)
        self._windows[0][0, 0] = self._encoded(scenery)
        for i, frame in enumerate(resting):
            latents = self._encoded(frame)
            self._trail[0, 2] = locate(frame, self._cast[0], self.config.cast)
            if i == 0:
                self._trail[0, 0] = self._trail[0, 2]
            if i < 2:  # the frame after the sink need not be its successor
                self._trail[0, 1] = self._trail[0, 2]
            self._draw_noise()
            window = self._windows[self._tick % 2][0]
            window[1 + i : 3] = latents
            self._renoise(window[3:], latents)
            if i < len(resting) - 1:
                self._advance()
                self._trail[0, 1] = self._trail[0, 2]
        if self._resident is not None:
            self._start_on(self._resident)
        return self._frame

    def _encoded(self, frame: Frame) -> Array:
        """Return a frame's latents (48, h, w); the array is reused by the next call."""
        self._pixels[0] = frame
        self._encode()
        return self._head

    def prepare(self) -> None:
        """Draw the next tick's noise, which is the same under any action, ahead of it.

        `denoise` does so itself where it was not asked for.
        """
        if self._drawn != self._draws:
            tick_noise(self._seed, self._draws, self._noise[0])
            self._drawn = self._draws

    def denoise(self, action: NDArray[np.bool_]) -> Array:
        """Advance by one tick under the held buttons (A,): one forward pass.

        Returns the latents (48, h, w) of the frame that this action caused; the array is
        reused by the next tick. Those of a resident stay there, NaN here: `finished` fetches them.
        """
        self._actions[0, 1:] = encode_actions(action)
        self._spans.mark("encode_action")
        if self._raised is not None:
            self._raise_slots(self._raised)
        if self._resident is None:
            self._advance()
            self._trail[:] = self._next_trail
        elif not self._advanced_on(self._resident):
            return self.denoise(action)
        self._actions[0, 0] = self._actions[0, 1]
        return self._head

    @property
    def finished(self) -> Array:
        """Latents (48, h, w) of the frame that was finished last; a view, or a resident's copy."""
        if self._resident is None:
            return self._head
        latents = np.empty_like(self._latents)
        self._resident.fetch({"head": latents})
        head: Array = latents[0]
        return head

    def measure(self, spans: Spans) -> None:
        """Mark the stages inside `denoise`, and the end of decoding, from now on."""
        self._spans = spans

    def decode(self, latents: Array) -> Frame:
        """Draw latents (48, h, w) as a frame (H, W, 3); the next call reuses the array."""
        if latents.base is not self._latents:
            self._latents[0] = latents
        elif self._resident is not None:
            self._resident.show(self._pixels)
            return self._frame
        self._decode()
        return self._frame

    def step(self, action: NDArray[np.bool_]) -> Frame:
        """Return the frame that `action` causes."""
        return self.decode(self.denoise(action))

    @property
    def cache_fill(self) -> tuple[int, int]:
        """How many finished frames the cache holds, and how many it can hold."""
        return int((self._index.ages > 0).sum()), len(self._index.ages)

    @property
    def places(self) -> NDArray[np.int64]:
        """Where actors are in the last finished frame, (A, 3): top, left and drawing; the player
        first. A view, or a resident's copy."""
        if self._resident is not None:
            self._resident.fetch({"trail": self._trail})
        places: NDArray[np.int64] = self._trail[0, 2]
        return places

    def in_flight(self) -> Frame:
        """Return small pictures (T, h, w, 3) of the frames in flight, the head first.

        A cell's latents become its mean colour, so this costs next to nothing.
        """
        slots = self._window[0, 4:]
        count, channels, height, width = slots.shape
        colours = self._to_colour @ slots.reshape(count, channels, -1) - self._black
        levels = (colours * 255).clip(0, 255).astype(np.uint8)
        return levels.transpose(0, 2, 1).reshape(count, height, width, -1)

    def _colours(self) -> tuple[Array, Array]:
        """Return what makes red, green, blue (3, 48) of latents, and what of black's (3, 1).

        Encoding is linear, so three flat frames tell.
        """
        flat = np.zeros((4, 1, 1, 3), np.uint8)
        flat[range(1, 4), ..., range(3)] = 255
        black, *lit = (
            self._encoded(np.broadcast_to(colour, self.frame_shape))[:, 0, 0].copy()
            for colour in flat
        )
        directions = np.stack([latents - black for latents in lit], 1)
        to_colour = np.asarray(np.linalg.pinv(directions), np.float32)
        return to_colour, to_colour @ black[:, None]

    @property
    def memory(self) -> dict[str, NDArray[Any]]:
        """What the next tick starts from: `window`, `trail`, `cache_k`, `cache_v`, as views.

        Of a resident's memory they are copies, made by the call.
        """
        memory = self._memory
        if self._resident is not None:
            self._resident.fetch(memory)
        return memory

    @property
    def _memory(self) -> dict[str, NDArray[Any]]:
        return {"window": self._windows[self._tick % 2], "trail": self._trail, **self._cache}

    @property
    def _window(self) -> Array:
        window = self._windows[self._tick % 2]
        if self._resident is not None:
            self._resident.fetch({"window": window})
        return window

    def _start_on(self, resident: Resident) -> None:
        """Hand the session over, as it is at its start."""
        try:
            resident.start({**self._memory, "cast": self._cast, "sigmas": self._sigmas})
            self._latents.fill(np.nan)
        except BackendError as error:
            self._leave(error)

    def _advanced_on(self, resident: Resident) -> bool:
        """Advance where the memory is; False where that failed, and the backend is to do it."""
        self._draw_noise()
        self._spans.mark("re_noise")
        inputs = {"actions": self._actions, "noise": self._noise, "ages": self._index.ages}
        try:
            resident.tick(inputs)
        except BackendError as error:
            self._leave(error)
            self._come_home(resident)
            return False
        self._spans.mark("step")
        resident.keep(self._index.push())
        self._tick += 1
        self._spans.mark("cache_write")
        return True

    def _leave(self, error: BackendError) -> None:
        """Do without the resident from now on."""
        if self._say is None:
            raise error
        self.note = f"{self.backend} failed: {error}"
        self.backend, self._resident = self._here, None
        self._say(f"{self.note}; {self.backend} goes on")

    def _come_home(self, resident: Resident) -> None:
        """Go on from the resident's memory if that can still be had, else from the start."""
        try:
            resident.fetch(self._memory)
            self._draws -= 1
        except BackendError:
            self.reset(self._start, seed=self._seed)

    def _advance(self) -> None:
        """Run the step graph and hand the frame that left the window over to the cache."""
        self._draw_noise()
        self._spans.mark("re_noise")
        self._steps[self._tick % 2]()
        self._spans.mark("step")
        for place in self._index.push():
            self._cache["cache_k"][:, :, place] = self._new["k"]
            self._cache["cache_v"][:, :, place] = self._new["v"]
        self._tick += 1
        self._spans.mark("cache_write")

    def _raise_slots(self, raised: Raised) -> None:
        """Set this tick's noise levels: those of the staircase, or, under a new action, raised."""
        if np.array_equal(self._actions[0, 0], self._actions[0, 1]):
            self._sigmas[:] = self._levels
            return
        self._draw_noise()
        slots, noise = self._windows[self._tick % 2][0, 4:], self._noise[0, 1:]
        slots *= raised.keep
        noise *= raised.add
        slots[:, : noise.shape[1]] += noise
        self._sigmas[:] = raised.sigmas

    def _draw_noise(self) -> None:
        self.prepare()
        self._draws += 1

    def _renoise(self, window: Array, latents: Array) -> None:
        """Fill a window (1 + T, 48, h, w) with one frame at every level of the staircase."""
        levels = self._levels.reshape(-1, 1, 1, 1)
        np.multiply(1 - levels, latents, out=window)
        window[:, : self._noise.shape[2]] += levels * self._noise[0]
