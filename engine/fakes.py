"""Stand-ins for every device and for the world: time that obeys, keys on a plan, screens that keep.

Part of the public API, so that whoever builds on the engine can test without a keyboard, a display,
a network or a wait.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.controls import Command
from engine.profiling.operators import Operator
from engine.profiling.spans import NullSpans, StageSpans
from engine.sample import Sample
from games.schema import Sink
from world_model.accelerator import NoAccelerator

FRAME_PX = 128
_SPRITE_PX = 8


class FakeClock:
    """Time that passes only when someone sleeps, or looks: each look costs `look_ns`."""

    def __init__(self, *, look_ns: int = 1_000) -> None:
        self.time_ns = 0
        self.slept_ns: list[int] = []
        self._look_ns = look_ns

    def now_ns(self) -> int:
        """Return the time, which then moves a little."""
        now_ns = self.time_ns
        self.time_ns += self._look_ns
        return now_ns

    def sleep_ns(self, duration_ns: int) -> None:
        """Let time pass at once."""
        self.slept_ns.append(duration_ns)
        self.time_ns += duration_ns

    def pass_ns(self, duration_ns: int) -> None:
        """Let time pass as work would."""
        self.time_ns += duration_ns


class FakeWorld:
    """A white square on the last start frame, moved a pixel a tick by left, right and jump (up).

    costs_ns: what the parts of a tick take on `clock`, by "prepare", "denoise", "decode" and
    "download".
    """

    name = "fake"
    backend = "fake"
    note = ""
    buttons = ("left", "right", "jump")
    frame_shape = (FRAME_PX, FRAME_PX, 3)
    passes_per_tick = 1
    start_frames = 4
    cache_fill = (1, 3)
    accelerator = NoAccelerator()

    def __init__(
        self, clock: FakeClock | None = None, costs_ns: Mapping[str, int] | None = None
    ) -> None:
        self._clock = clock or FakeClock()
        self._costs_ns = dict(costs_ns or {})
        self._frame = np.zeros(self.frame_shape, np.uint8)
        self._background = self._frame
        self._latents = np.zeros(2, np.float32)
        self._spans: NullSpans | StageSpans = NullSpans()
        self.actions: list[tuple[str, ...]] = []
        self.seeds: list[int] = []
        self.sink: Sink = "pinned"

    @property
    def position_px(self) -> tuple[int, int]:
        """Left and top of the square."""
        return int(self._latents[0]), int(self._latents[1])

    def anchor(self, sink: Sink) -> None:
        """Remember what was asked for."""
        self.sink = sink

    def reset(self, frames: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
        """Start over in the middle."""
        self._background = frames[-1].copy()
        self._latents.fill(FRAME_PX // 2)
        self.actions.clear()
        self.seeds.append(seed)
        return self.decode(self._latents)

    def prepare(self) -> None:
        """Spend what it costs."""
        self._clock.pass_ns(self._costs_ns.get("prepare", 0))

    def denoise(self, action: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Move the square."""
        self._clock.pass_ns(self._costs_ns.get("denoise", 0))
        left, right, jump = (int(held) for held in action)
        self._latents[0] = np.clip(self._latents[0] + right - left, 0, FRAME_PX - _SPRITE_PX)
        self._latents[1] = np.clip(self._latents[1] - jump, 0, FRAME_PX - _SPRITE_PX)
        self.actions.append(
            tuple(name for name, held in zip(self.buttons, action, strict=True) if held)
        )
        self._spans.mark("step")
        return self._latents

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draw the square."""
        self._clock.pass_ns(self._costs_ns.get("decode", 0))
        np.copyto(self._frame, self._background)
        left, top = int(latents[0]), int(latents[1])
        self._frame[top : top + _SPRITE_PX, left : left + _SPRITE_PX] = 255
        self._spans.mark("decode")
        self._clock.pass_ns(self._costs_ns.get("download", 0))
        return self._frame

    @property
    def places(self) -> NDArray[np.int64]:
        """The square is the only actor, and has one drawing."""
        left, top = self.position_px
        return np.array([[top, left, 0]])

    def in_flight(self) -> NDArray[np.uint8]:
        """Two grey squares."""
        return np.full((2, 8, 8, 3), 128, np.uint8)

    def operators(self) -> Sequence[Operator]:
        """Nothing was logged."""
        return ()

    def measure(self, spans: NullSpans | StageSpans) -> None:
        """Mark moving as the stage `step`, and drawing as `decode`."""
        self._spans = spans

    def step(self, action: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Move, then draw."""
        return self.decode(self.denoise(action))


class FakeInput:
    """Holds and commands what a plan says.

    held: button indices per sample, nothing after its end; commands: by number of the poll.
    """

    def __init__(
        self,
        buttons: int,
        *,
        clock: FakeClock,
        held: Sequence[Sequence[int]] = (),
        commands: Mapping[int, Sequence[Command]] | None = None,
    ) -> None:
        self._clock = clock
        self._held = held
        self._commands = commands or {}
        self._sample = Sample.empty(buttons)
        self.polls = 0
        self.samples = 0
        self.started = False
        self.closed = False

    def start(self) -> None:
        """Note it."""
        self.started = True

    def poll(self) -> Sequence[Command]:
        """Return the commands planned for this poll."""
        self.polls += 1
        return self._commands.get(self.polls - 1, ())

    def sample(self) -> Sample:
        """Return the buttons planned for this sample."""
        self._sample.action.fill(False)
        if self.samples < len(self._held):
            self._sample.action[list(self._held[self.samples])] = True
        self.samples += 1
        self._sample.event_ns = self._clock.now_ns()
        return self._sample

    def close(self) -> None:
        """Note it."""
        self.closed = True


class FakeDisplay:
    """Keeps every frame presented. on_present: called each time, to interfere."""

    def __init__(self, on_present: Callable[[], None] = lambda: None) -> None:
        self.presented: list[NDArray[np.uint8]] = []
        self._blitted: NDArray[np.uint8] | None = None
        self._on_present = on_present

    def blit(self, frame: NDArray[np.uint8]) -> None:
        """Take a frame."""
        self._blitted = frame.copy()

    def present(self) -> None:
        """Keep the frame last taken."""
        if self._blitted is not None:
            self.presented.append(self._blitted)
        self._on_present()
