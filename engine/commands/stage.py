"""Put a scene on: window, world, input, recorder and loop, in the order a player likes best.

The window and its title card come first; the world, which takes longest to load, comes after.
Knows every part of the engine, and nothing about the command line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.actions import Script, read_actions
from engine.commands.parts import BackendOptions, Parts
from engine.controls import CONTROL_KEYS
from engine.display import HeadlessDisplay
from engine.hud import Mode, NullHud, PygameHud
from engine.input import RandomInput, ScriptedInput, WindowControlled
from engine.loop import Hud, Input, Pacer, Recorder, Session, Spans, World
from engine.pacing import Clock, FixedRatePacer, Unpaced
from engine.profiling.report import Report
from engine.profiling.spans import NullSpans, StageSpans
from engine.profiling.ticklog import TickLog
from engine.pygame_display import PygameDisplay
from engine.pygame_input import PygameInput
from engine.pynput_input import PynputInput
from engine.recorder import DirectoryRecorder, NullRecorder
from games.platformer.level import FRAME
from games.platformer.sprites import hero_sprites
from games.platformer.themes import Palette
from games.scene import Scene, start_frames
from world_model.evaluation.drift_meter import DriftMeter

RANDOM = "random"
MOST_TICKS_LOGGED = 1 << 16
HUD_TICKS = 128


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a scene is to be run. Without `actions` the keyboard steers, or a random player.

    actions: an actions file or "random". fps, scale, seed: None for the scene's own. hud: how much
    the HUD shows at the start, a name of `engine.hud.Mode`.
    """

    headless: bool = False
    paced: bool = True
    measured: bool = False
    ticks: int | None = None
    actions: str | None = None
    keyboard: str = "pygame"
    seed: int | None = None
    fps: int | None = None
    scale: int | None = None
    hud: str = "off"
    backend: BackendOptions = field(default_factory=BackendOptions)
    out: Path | None = None


def put_on(scene: Scene, plan: Plan, parts: Parts) -> Report:
    """Run a scene as planned and report what it cost."""
    with _window(scene, plan) as window:
        world = parts.load_world(scene.world, plan.backend)
        world.anchor(scene.sink)
        return _Stage(scene, plan, parts.clock, world, window).run()


@contextmanager
def _window(scene: Scene, plan: Plan) -> Iterator[PygameDisplay | None]:
    if plan.headless:
        yield None
        return
    side_px = FRAME * (plan.scale or scene.scale)
    caption = f"{scene.title} - Rollplay"
    window = PygameDisplay((side_px, side_px), caption, icon=_hero(scene.palette))
    try:
        window.title(scene.title, _how_to_play(scene), "waking the world ...")
        yield window
    finally:
        window.close()


def _hero(palette: Palette) -> NDArray[np.uint8]:
    """Return the standing hero in a square of transparent pixels, RGBA."""
    sprite = hero_sprites(palette)[0, 0]
    side = (sprite.shape[0] - sprite.shape[1]) // 2
    return np.pad(sprite, ((0, 0), (side, side), (0, 0)))


def _how_to_play(scene: Scene) -> list[tuple[str, str]]:
    keys_of = {button: list(keys) for button, keys in scene.keys.items()}
    for key, command in CONTROL_KEYS.items():
        keys_of.setdefault(command.value, []).append(key)
    return [(what, "  ".join(keys)) for what, keys in keys_of.items()]


@dataclass(frozen=True)
class _Stage:
    """Everything that is known once the world is loaded."""

    scene: Scene
    plan: Plan
    clock: Clock
    world: World
    window: PygameDisplay | None

    def run(self) -> Report:
        script = self._script()
        ticks = self.plan.ticks or (len(script) if script else None)
        log = TickLog(min(ticks or MOST_TICKS_LOGGED, MOST_TICKS_LOGGED))
        pacer, spans = self._pacer(), self._spans(log)
        if self.plan.measured:
            self.world.accelerator.watch()
        frames = start_frames(self.scene, self.world.start_frames)
        session = Session(
            self.world,
            frames,
            scene=self.scene.name,
            seed=self._seed,
            source=self._source(script),
            display=self.window or HeadlessDisplay(),
            hud=self._hud(frames[1], log, pacer, spans),
            recorder=self._recorder(),
            pacer=pacer,
            clock=self.clock,
            spans=spans,
            log=log,
        )
        return session.run(ticks)

    @property
    def _seed(self) -> int:
        return self.scene.seed if self.plan.seed is None else self.plan.seed

    def _script(self) -> Script | None:
        actions = self.plan.actions
        if actions is None or actions == RANDOM:
            return None
        return read_actions(Path(actions), self.world.buttons)

    def _source(self, script: Script | None) -> Input:
        window = self.window
        if script is None and self.plan.actions is None and self.plan.keyboard == "pygame":
            return PygameInput(self.world.buttons, self.scene.keys, self.clock)
        source: Input
        if script is not None:
            source = ScriptedInput(script, self.clock)
        elif self.plan.actions == RANDOM:
            source = RandomInput(len(self.world.buttons), seed=self._seed, clock=self.clock)
        else:
            source = PynputInput(self.world.buttons, self.scene.keys, self.clock)
        if window is None:
            return source
        return WindowControlled(source, PygameInput(self.world.buttons, {}, self.clock))

    def _pacer(self) -> Pacer:
        if not self.plan.paced:
            return Unpaced()
        return FixedRatePacer(self.plan.fps or self.scene.fps, self.clock)

    def _spans(self, log: TickLog) -> Spans:
        if self.plan.measured:
            return StageSpans(log.capacity, self.clock)
        return NullSpans() if self.window is None else StageSpans(HUD_TICKS, self.clock)

    def _hud(self, scenery: NDArray[np.uint8], log: TickLog, pacer: Pacer, spans: Spans) -> Hud:
        if self.window is None:
            return NullHud()
        return PygameHud(
            self.window,
            buttons=self.world.buttons,
            world=self.world,
            meter=DriftMeter(self.world, self.scene.level, scenery),
            log=log,
            spans=spans,
            pacer=pacer,
            clock=self.clock,
            mode=Mode[self.plan.hud.upper()],
        )

    def _recorder(self) -> Recorder:
        if self.plan.out is None:
            return NullRecorder()
        return DirectoryRecorder(
            self.plan.out,
            scene=self.scene.name,
            world=self.world.name,
            seed=self._seed,
            buttons=self.world.buttons,
        )
