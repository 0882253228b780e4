"""Plays a world and the game it was trained on side by side, same start, same actions.

Knows how to measure one level tick by tick; which levels, and what it adds up to, is for
`evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import Level, Levels
from games.platformer.opening import opening
from games.platformer.physics import State
from games.platformer.policy import PlayLikePolicy
from games.platformer.render import HERO_LEFT_PX, Renderer
from games.platformer.sprites import HERO_H, HERO_W
from games.platformer.themes import Palette
from world_model.evaluation.detector import HeroDetector
from world_model.evaluation.event_watcher import WATCHED, EventWatcher
from world_model.evaluation.frechet import PatchStatistics
from world_model.evaluation.inverse_dynamics import ActionJudge
from world_model.evaluation.metrics import (
    EVENT_TICKS,
    LOST_PX,
    PARTED_PX,
    QUALITY_TICKS,
    STATIC_TICKS,
    Events,
    psnr_db,
    touched_tiles,
)
from world_model.evaluation.tile_judge import TileJudge

Frame = NDArray[np.uint8]
Action = NDArray[np.bool_]

SHEET_TICKS: Final = (1, 16, 64, 200)
STATIC_AT: Final = (64, 600, 6000)
CURVE_TICKS: Final = 20
"""Between the checkpoints, static tiles are judged at every so manieth tick, for the plot."""


class World(Protocol):
    """A world that can be stepped. Frames are (H, W, 3) RGB and may be reused by the next call."""

    @property
    def name(self) -> str: ...

    @property
    def buttons(self) -> tuple[str, ...]: ...

    @property
    def frame_shape(self) -> tuple[int, int, int]: ...

    @property
    def start_frames(self) -> int: ...

    def reset(self, frames: Frame, *, seed: int) -> Frame: ...

    def step(self, action: Action) -> Frame: ...


class Player(Protocol):
    """Chooses what is held next, seeing the state of the true game."""

    def __call__(self, state: State, tick: int) -> Action: ...


@dataclass(frozen=True, eq=False)
class Course:
    """A level in its looks."""

    name: str
    level: Level
    palette: Palette


class TrueGame:
    """The game on one course, a tick at a time."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.levels = Levels.stack([course.level])
        self._renderer = Renderer(self.levels, [course.palette])
        self._idle = np.zeros((1, len(physics.BUTTONS)), np.bool_)
        self.state = physics.initial(self.levels)

    def start(self, frames: int) -> Frame:
        """Start anew; return the frames (frames, 128, 128, 3) that a session starts from."""
        self.state = physics.initial(self.levels)
        for _ in range(frames - 3):
            self.state, _ = physics.step(self.levels, self.state, self._idle)
        return opening(self.course.level, self.course.palette, frames)

    def step(self, action: Action) -> Frame:
        """Return the frame that `action` causes."""
        self.state, _ = physics.step(self.levels, self.state, action[None])
        return np.asarray(self._renderer.render(self.state)[0])

    @property
    def background(self) -> Frame:
        """The level without anything alive and without coins, read-only."""
        return self._renderer.background(0)

    @property
    def player(self) -> tuple[int, int]:
        """Top left of the player's box, in pixels."""
        return int(self.state.x[0]), int(self.state.y[0])


@dataclass(frozen=True, eq=False)
class Trace:
    """What was measured on one course; entry t - 1 of an array belongs to tick t.

    `psnr_db`, `error_px`, `right_share` (NaN where not judged): (ticks,); `heroes` (ticks,): how
    many players were found; `explained` (ticks, 2): whether the held buttons explain the dreamt and
    the true player's move, NaN where that cannot be asked; `quality` (ticks, 16, 16): of each tile,
    NaN where it was covered; `patches`: those of each stretch of `QUALITY_TICKS` ticks, dreamt and
    true;
    `dreamt`, `true` (ticks, 3): which of `event_watcher.WATCHED` happened;
    `pairs`: tick -> the true and the dreamt frame, at `SHEET_TICKS`.
    """

    course: Course
    psnr_db: NDArray[np.float64]
    error_px: NDArray[np.float64]
    heroes: NDArray[np.int64]
    right_share: NDArray[np.float64]
    explained: NDArray[np.float64]
    quality: NDArray[np.float32]
    dreamt: NDArray[np.bool_]
    true: NDArray[np.bool_]
    patches: list[tuple[PatchStatistics, PatchStatistics]] = field(default_factory=list)
    pairs: dict[int, tuple[Frame, Frame]] = field(default_factory=dict)

    @classmethod
    def blank(cls, course: Course, ticks: int) -> Trace:
        """A trace with nothing measured yet."""
        nothing = [np.full(ticks, np.nan) for _ in range(3)]
        quality = np.full((ticks, *course.level.tiles.shape), np.nan, np.float32)
        heroes = np.zeros(ticks, np.int64)
        explained = np.full((ticks, 2), np.nan)
        dreamt, true = (np.zeros((ticks, len(WATCHED)), np.bool_) for _ in range(2))
        return cls(
            course, nothing[0], nothing[1], heroes, nothing[2], explained, quality, dreamt, true
        )

    def __len__(self) -> int:
        return len(self.heroes)

    @property
    def events(self) -> Events:
        """What happened, dreamt and true, while the two could be compared: in all windows of
        events before the first that begins with the players apart."""
        apart = self.error_px[::EVENT_TICKS] > PARTED_PX
        together = apart.argmax() * EVENT_TICKS if apart.any() else len(self)
        return self.dreamt[:together], self.true[:together]

    def static_tiles(self, tick: int) -> float:
        """Share of right tiles over the second that ends at `tick`; NaN where it was not played."""
        if tick > len(self):
            return float("nan")
        return float(np.nanmean(self.right_share[max(0, tick - STATIC_TICKS) : tick]))


class Examiner:
    """Measures the frames of one course into a trace."""

    def __init__(self, course: Course, ticks: int) -> None:
        self.trace = Trace.blank(course, ticks)
        self._detector = HeroDetector(course.palette)
        self._judge = TileJudge(course.level, course.palette)
        self._watchers = [EventWatcher(course.level, course.palette) for _ in range(2)]
        self._actions = [ActionJudge(course.level) for _ in range(2)]
        self._judged = {tick for tick in range(1, ticks + 1) if is_judged(tick)}

    def examine(
        self, tick: int, dream: Frame, truth: Frame, player: tuple[int, int], action: Action
    ) -> None:
        """Take down what tick `tick` (from 1 on) looks like, dreamt and true, under `action`."""
        trace, at = self.trace, tick - 1
        found = self._detector.find(dream)
        trace.heroes[at] = len(found)
        trace.error_px[at] = LOST_PX
        if found:
            trace.error_px[at] = np.hypot(found[0].x - player[0], found[0].y - player[1])
        trace.psnr_db[at] = psnr_db(dream, truth)
        places = [(hero.x, hero.y) for hero in found]
        own, boxes = _box(player), [_box(place) for place in places]
        trace.dreamt[at] = self._watchers[0].see(dream, places[0] if places else None, boxes)
        trace.true[at] = self._watchers[1].see(truth, player, [own])
        covered = touched_tiles([own, *boxes])
        static = ~(covered | self._judge.never_static)
        trace.quality[at][static] = self._judge.quality(dream)[static]
        for column, place in enumerate((places[0] if places else None, player)):
            answer = self._actions[column].see(place, action)
            trace.explained[at, column] = np.nan if answer is None else answer
        self._take_patches(at, dream, truth)
        if tick in self._judged and static.any():
            trace.right_share[at] = self._judge.right(dream)[static].mean()
        if tick in SHEET_TICKS:
            trace.pairs[tick] = truth.copy(), dream.copy()

    def _take_patches(self, at: int, dream: Frame, truth: Frame) -> None:
        trace, stretch = self.trace, at // QUALITY_TICKS
        if stretch == len(trace.patches):
            trace.patches.append((PatchStatistics(), PatchStatistics()))
        for taken, frame in zip(trace.patches[stretch], (dream, truth), strict=True):
            taken.add(frame)


def _box(player: tuple[int, int]) -> tuple[int, int, int, int]:
    """What a player covers as drawn: x, y, width, height."""
    return player[0] - HERO_LEFT_PX, player[1], HERO_W, HERO_H


def is_judged(tick: int) -> bool:
    """Tell whether the static tiles of a tick are judged; it is the dearest of the measures."""
    checkpoint = any(at - STATIC_TICKS < tick <= at for at in STATIC_AT)
    return checkpoint or tick % CURVE_TICKS == 0


def play_side_by_side(
    world: World, course: Course, player: Player, ticks: int, *,
    seed: int, advance: Callable[[], None],
) -> Trace:  # fmt: skip
    """Play `ticks` ticks in both and measure each; calls `advance` after every tick.

    The player sees the true game only; the world gets the same actions.
    """
    game = TrueGame(course)
    world.reset(game.start(world.start_frames), seed=seed)
    examiner = Examiner(course, ticks)
    for tick in range(1, ticks + 1):
        action = player(game.state, tick)
        truth = game.step(action)
        examiner.examine(tick, world.step(action), truth, game.player, action)
        advance()
    return examiner.trace


def play_like(course: Course, seed: int) -> Player:
    """Return the scripted player of data collection, seeded."""
    policy = PlayLikePolicy(Levels.stack([course.level]), np.random.default_rng(seed))
    return lambda state, tick: policy.act(state)[0]  # noqa: ARG005


def scripted(actions: NDArray[np.bool_]) -> Player:
    """Return a player that holds what the rows of `actions` (ticks, buttons) say."""
    return lambda state, tick: actions[tick - 1]  # noqa: ARG005
