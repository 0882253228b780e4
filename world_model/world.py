"""The rolling world at play, in numpy: no torch, one forward pass a tick, nothing allocated.

Holds the counters of a session: which noise comes next, who holds which key, what the cache keeps.
Where its memory is, it ticks: in numpy, see `host_ticks`, or on a device. The torch twin, for
training, is `rolling.RollOut`; a test holds the two equal over 200 ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from world_model.actions import encode_actions
from world_model.backend import Backend, Frame, Operator, Resident
from world_model.cache import CacheIndex, Sink
from world_model.cast import follow, read_cast
from world_model.config import WorldConfig
from world_model.errors import BackendError, WorldError
from world_model.host_ticks import HostTicks
from world_model.schedule import Raised, raised, tick_noise, window_sigmas
from world_model.thumbnails import Thumbnails

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
        self.accelerator = backend.accelerator
        self.note = ""
        """Why another backend plays than was asked for; empty where none does."""
        self._index = CacheIndex(config.window)
        self._levels = window_sigmas(config.window)
        self._raised = raised(config.window) if config.window.renoise else None
        self._spans: Spans = _Unmeasured()
        self._home = HostTicks(
            config, backend, self._index.ages, decoded=lambda: self._spans.mark("decode")
        )
        self._inputs = {
            "actions": self._home.actions,
            "noise": self._home.noise,
            "ages": self._index.ages,
        }
        self._ticks: Resident = resident or self._home
        self._say = say
        channels = config.codec.channels
        self._thumbnails = Thumbnails(self._home.encode, config.frame_shape, channels)
        self._seed = self._draws = 0
        self._drawn = _NOT_DRAWN
        self._start: Frame = np.zeros((0, *config.frame_shape), np.uint8)

    @property
    def backend(self) -> str:
        """Name of what it plays on now."""
        return self._ticks.name

    @property
    def start_frames(self) -> int:
        """How many frames `reset` needs."""
        return self.config.window.start_frames

    def anchor(self, sink: Sink) -> None:
        """Choose what the sink holds, from the next `reset` on."""
        self._index.sink = sink

    def reset(self, frames: Frame, *, seed: int) -> Frame:
        """Start a session on model sheet, scenery and frames of consecutive ticks, (K, H, W, 3).

        The first of these becomes the sink, the others, oldest first, fill the cache; the window
        is the last one re-noised to every slot's level. Returns the last frame. Raises ValueError
        where fewer than `config.window.start_frames` are given.
        """
        if len(frames) < self.start_frames:
            raise ValueError(f"a session starts from {self.start_frames} frames")
        self._start = frames
        self._seed, self._draws, self._drawn = seed, 0, _NOT_DRAWN
        self._index.clear()
        home = self._home
        home.sigmas[:] = self._levels
        home.actions[:] = encode_actions(np.zeros(len(self.buttons), np.bool_))
        sheet, scenery, resting = frames[0], frames[1], frames[2:]
        home.cast[0] = read_cast(sheet, self.config.cast)
        places = follow(resting, home.cast[0], self.config.cast)
        home.scenery[0] = home.encode(scenery)
        for i, shown in enumerate(resting):
            if i:
                self._advance(home)
            home.previous[0] = home.encode(shown)
            home.trail[0] = places[0], places[i - 1 if i > 1 else i], places[i]
            if not i:
                home.settle()
            before, slots = home.window[0, 0], home.window[0, 1:]
            if i < 2:  # the frame after the sink need not be its successor
                before[:] = home.previous[0, : len(before)]
            self._draw_noise()
            self._renoise(slots, home.previous[0])
        self._start_away()
        frame: Frame = home.pixels[0]
        return frame

    def prepare(self) -> None:
        """Draw the next tick's noise, which is the same under any action, ahead of it.

        `denoise` does so itself where it was not asked for.
        """
        if self._drawn != self._draws:
            tick_noise(self._seed, self._draws, self._home.noise[0])
            self._drawn = self._draws

    def denoise(self, action: NDArray[np.bool_]) -> Array:
        """Advance by one tick under the held buttons (A,): one forward pass.

        Returns the latents (48, h, w) of the frame that this action caused; the array is
        reused by the next tick. Those of a resident stay there, NaN here: `finished` fetches them.
        """
        home = self._home
        home.actions[0, 1:] = encode_actions(action)
        self._spans.mark("encode_action")
        if self._raised is not None:
            self._raise_slots(self._raised)
        try:
            self._advance(self._ticks)
        except BackendError as error:
            self._come_home(error)
            return self.denoise(action)
        home.actions[0, 0] = home.actions[0, 1]
        head: Array = home.latents[0]
        return head

    @property
    def finished(self) -> Array:
        """A copy of the latents (48, h, w) of the frame that was finished last."""
        previous = self._home.previous.copy()
        self._ticks.fetch({"previous": previous})
        latents: Array = previous[0]
        return latents

    def measure(self, spans: Spans) -> None:
        """Mark the stages inside `denoise`, and the end of decoding, from now on."""
        self._spans = spans

    def decode(self, latents: Array) -> Frame:
        """Draw latents (48, h, w) as a frame (H, W, 3); the next call reuses the array."""
        home, ticks = self._home, self._ticks
        if latents.base is not home.latents:
            home.latents[0] = latents
            ticks = home
        ticks.show(home.pixels)
        frame: Frame = home.pixels[0]
        return frame

    def step(self, action: NDArray[np.bool_]) -> Frame:
        """Return the frame that `action` causes."""
        return self.decode(self.denoise(action))

    @property
    def cache_fill(self) -> tuple[int, int]:
        """How many finished frames the cache holds, and how many it can hold."""
        return int((self._index.ages > 0).sum()), len(self._index.ages)

    @property
    def places(self) -> NDArray[np.int64]:
        """Where actors are in the last finished frame, (A, 4), see `cast`; the player
        first. The next tick reuses the array."""
        trail = self._home.trail
        self._ticks.fetch({"trail": trail})
        places: NDArray[np.int64] = trail[0, 2]
        return places

    def in_flight(self) -> Frame:
        """Return small pictures (T, h, w, 3) of the frames in flight, the head first.

        This costs next to nothing, but for a resident the way to here.
        """
        window = self._home.window
        self._ticks.fetch({"window": window})
        return self._thumbnails.draw(window[0, 1:])

    @property
    def memory(self) -> dict[str, NDArray[Any]]:
        """What the next tick starts from: `previous`, `window`, `trail`, `cache_k`, `cache_v`.

        Writing to them changes the session; but of a resident's memory they are copies.
        """
        memory = self._home.memory
        self._ticks.fetch(memory)
        return memory

    def operators(self) -> Sequence[Operator]:
        """Stop logging operators, and return those that ran; empty where none were logged."""
        return self._ticks.operators()

    def _advance(self, ticks: Resident) -> None:
        """Tick, and hand the frame that left the window over to the cache."""
        self._draw_noise()
        self._spans.mark("re_noise")
        ticks.tick(self._inputs)
        self._spans.mark("step")
        ticks.keep(self._index.push())
        self._spans.mark("cache_write")

    def _start_away(self) -> None:
        """Hand the session over to a resident, if there is one, as it is at its start."""
        home = self._home
        if self._ticks is home:
            return
        try:
            self._ticks.start({**home.memory, **home.setting})
            home.latents.fill(np.nan)
        except BackendError as error:
            self._leave(error)

    def _leave(self, error: BackendError) -> None:
        """Do without the resident from now on."""
        if self._say is None or self._ticks is self._home:
            raise error
        self.note = f"{self.backend} failed: {error}"
        self._ticks = self._home
        self._say(f"{self.note}; {self.backend} goes on")

    def _come_home(self, error: BackendError) -> None:
        """Leave the resident in a game, with its memory if that can still be had, else to start
        anew."""
        resident = self._ticks
        self._leave(error)
        try:
            resident.fetch(self._home.memory)
            self._draws -= 1
        except BackendError:
            self.reset(self._start, seed=self._seed)

    def _raise_slots(self, raised: Raised) -> None:
        """Set this tick's noise levels: those of the staircase, or, under a new action, raised."""
        home = self._home
        if np.array_equal(home.actions[0, 0], home.actions[0, 1]):
            home.sigmas[:] = self._levels
            return
        self._draw_noise()
        slots, noise = home.window[0, 1:], home.noise[0]
        slots *= raised.keep
        noise *= raised.add
        slots += noise
        home.sigmas[:] = raised.sigmas

    def _draw_noise(self) -> None:
        self.prepare()
        self._draws += 1

    def _renoise(self, slots: Array, latents: Array) -> None:
        """Fill slots (T, C, h, w) with one frame at every level of the staircase."""
        levels, noise = self._levels[1:].reshape(-1, 1, 1, 1), self._home.noise[0]
        slots[:] = (1 - levels) * latents[: slots.shape[1]] + levels * noise
