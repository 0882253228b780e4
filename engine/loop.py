"""The game loop: one world tick per deadline, from held keys to the frame that they cause.

Knows the order of things and what it needs from each device, declared here as protocols; knows no
device, no network and no scene file.
"""

import gc
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.controls import Command
from engine.pacing import Clock
from engine.profiling.collector import CollectorLog
from engine.profiling.memory import MemoryLog
from engine.profiling.operators import Accelerator, Operator
from engine.profiling.report import Measurements, Report, summarise
from engine.profiling.spans import Timeline, cost_per_tick_ms
from engine.profiling.ticklog import TickLog
from engine.sample import Sample
from games.schema import Sink

Action = NDArray[np.bool_]
Frame = NDArray[np.uint8]
Frames = NDArray[np.uint8]
Latents = NDArray[np.float32]

WARM_UP_TICKS = 8


class World(Protocol):
    """A world that can be stepped. Frames are (H, W, 3) RGB, reused by the next call."""

    @property
    def name(self) -> str: ...

    @property
    def backend(self) -> str: ...

    @property
    def note(self) -> str:
        """Why another backend plays than was asked for; empty where none does."""

    @property
    def buttons(self) -> tuple[str, ...]: ...

    @property
    def passes_per_tick(self) -> int: ...

    @property
    def start_frames(self) -> int:
        """How many frames `reset` needs."""

    @property
    def cache_fill(self) -> tuple[int, int]:
        """How many finished frames the cache holds, and how many it can hold."""

    @property
    def places(self) -> NDArray[np.int64]:
        """Where actors are in the last finished frame, (A, 4), see `cast`; the player
        first."""

    @property
    def accelerator(self) -> Accelerator: ...

    def in_flight(self) -> Frames:
        """Return small pictures (T, h, w, 3) of the frames in flight, the head first."""

    def anchor(self, sink: Sink) -> None:
        """Choose what the attention sink holds, from the next `reset` on."""

    def reset(self, frames: Frames, *, seed: int) -> Frame: ...

    def prepare(self) -> None:
        """Do what the next `denoise` needs and no key decides, so that it takes less."""

    def denoise(self, action: Action) -> Latents: ...

    def decode(self, latents: Latents) -> Frame: ...

    def measure(self, spans: "Spans") -> None:
        """Mark the stages inside `denoise`, and the end of decoding, from now on."""

    def operators(self) -> Sequence[Operator]:
        """Stop logging operators, and return those that ran; empty where none were logged."""


class Input(Protocol):
    """Held buttons and commands. `poll` takes in new events, `sample` makes them one action."""

    def start(self) -> None: ...

    def poll(self) -> Sequence[Command]: ...

    def sample(self) -> Sample: ...

    def close(self) -> None: ...


class Display(Protocol):
    """Where frames go: `blit` lays one out, `present` flips it onto the screen."""

    def blit(self, frame: Frame) -> None: ...

    def present(self) -> None: ...


class Hud(Protocol):
    """Numbers drawn over the frame between blit and present."""

    def toggle(self) -> None: ...

    def see(self, frame: Frame, action: Action) -> None: ...

    def draw(self, action: Action, *, paused: bool) -> None: ...


class Recorder(Protocol):
    """Keeps the frames and actions of a run."""

    def reset(self) -> None: ...

    def write(self, frame: Frame, action: Action) -> None: ...

    def close(self) -> None: ...


class Pacer(Protocol):
    """Sets the pace: `wait` ends when a tick is to begin, `hold` when its frame is to be seen."""

    @property
    def missed(self) -> int: ...

    @property
    def period_ms(self) -> float | None: ...

    def restart(self) -> None: ...

    def wait(self) -> None: ...

    def hold(self) -> None: ...


class Spans(Protocol):
    """Measures the stages of a tick."""

    def begin(self) -> None: ...

    def mark(self, stage: str) -> None: ...

    def end(self) -> None: ...

    def timeline(self, last: int | None = None) -> Timeline | None: ...


class Session:
    """One scene being played on one world, from its start frames until someone quits."""

    def __init__(
        self,
        world: World,
        start_frames: Frames,
        *,
        scene: str,
        seed: int,
        source: Input,
        display: Display,
        hud: Hud,
        recorder: Recorder,
        pacer: Pacer,
        clock: Clock,
        spans: Spans,
        log: TickLog,
    ) -> None:
        self._world = world
        self._start_frames = start_frames
        self._scene = scene
        self._seed = seed
        self._input = source
        self._display = display
        self._hud = hud
        self._recorder = recorder
        self._pacer = pacer
        self._clock = clock
        self._spans = spans
        self._log = log
        self._memory = MemoryLog()
        self._collector = CollectorLog(clock)
        world.measure(spans)
        self._nothing_held = Sample.empty(len(world.buttons)).action
        self._frame: Frame = start_frames[-1]
        self._paused = False
        self._single_step = False
        self._quit = False

    def run(self, ticks: int | None = None) -> Report:
        """Play `ticks` ticks, or until quit; whatever ends the run, its recording is closed."""
        try:
            self._warm_up()
            with self._collector.watching():
                self._play(ticks)
        except KeyboardInterrupt:
            pass  # Ctrl-C is how a run without a window is quit.
        finally:
            gc.unfreeze()
            try:
                self._recorder.close()
            finally:
                self._input.close()
        return self._report()

    def _warm_up(self) -> None:
        """Pay every first-time cost now, behind the title card."""
        self._reset()
        for _ in range(WARM_UP_TICKS):
            frame = self._world.decode(self._world.denoise(self._nothing_held))
            self._display.blit(frame)
        self._reset()
        # What is loaded by now lives as long as the process: frozen, it is never scanned again.
        # The collector stays on: ticks make next to no garbage, so a pass over the rest costs
        # microseconds, and a library that does leave cycles cannot eat the memory of a long run.
        gc.collect()
        gc.freeze()
        self._input.start()
        self._pacer.restart()

    def _reset(self) -> None:
        self._frame = self._world.reset(self._start_frames, seed=self._seed)

    def _play(self, ticks: int | None) -> None:
        while self._log.count != ticks:
            self._spans.begin()
            self._world.prepare()
            self._spans.mark("prepare")
            self._pacer.wait()
            began_ns = self._clock.now_ns()
            self._spans.mark("wait")
            for command in self._input.poll():
                self._obey(command)
            if self._quit:
                return
            if self._paused and not self._single_step:
                self._idle()
            else:
                self._tick(began_ns)

    def _tick(self, began_ns: int) -> None:
        sample = self._input.sample()
        self._spans.mark("input")
        latents = self._world.denoise(sample.action)
        self._frame = self._world.decode(latents)
        self._spans.mark("download")
        self._display.blit(self._frame)
        self._spans.mark("scale")
        self._hud.see(self._frame, sample.action)
        self._hud.draw(sample.action, paused=self._paused)
        self._spans.mark("hud")
        ready_ns = self._clock.now_ns()
        self._pacer.hold()
        held_ns = self._clock.now_ns() - ready_ns
        self._spans.mark("hold")
        self._display.present()
        presented_ns = self._clock.now_ns()
        self._spans.mark("present")
        self._log.add(
            work_ns=presented_ns - began_ns - held_ns,
            presented_ns=presented_ns,
            event_ns=sample.event_ns,
        )
        self._recorder.write(self._frame, sample.action)
        self._memory.observe()
        self._single_step = False
        self._spans.mark("record")
        self._spans.end()

    def _idle(self) -> None:
        """Show the last frame again; time spent here is no play, no work and no lateness."""
        self._display.blit(self._frame)
        self._hud.draw(self._nothing_held, paused=True)
        self._pacer.hold()
        self._display.present()
        self._log.gap()
        self._pacer.restart()

    def _obey(self, command: Command) -> None:
        match command:
            case Command.PAUSE:
                self._paused = not self._paused
            case Command.STEP:
                self._paused = self._single_step = True
            case Command.RESET:
                self._reset()
                self._recorder.reset()
                self._log.gap()
                self._pacer.restart()
            case Command.HUD:
                self._hud.toggle()
            case Command.QUIT:
                self._quit = True

    def _report(self) -> Report:
        timeline = self._spans.timeline()
        measured = Measurements(
            log=self._log,
            timeline=timeline,
            pauses_ns=self._collector.pauses_ns(),
            period_ms=self._pacer.period_ms,
            spans_ms=cost_per_tick_ms(self._clock) if timeline else None,
            operators=self._world.operators(),
            device_runs=self._world.accelerator.runs(),
            peak_vram_mb=self._world.accelerator.peak_memory_mb(),
        )
        return summarise(
            scene=self._scene,
            world=self._world.name,
            backend=self._world.backend,
            passes_per_tick=self._world.passes_per_tick,
            missed_deadlines=self._pacer.missed,
            measured=measured,
            memory=self._memory,
        )
