"""Evaluates a world: plays it against its game on levels it has never seen, and adds up.

Decides what is played and what becomes of the measurements; how each is taken is written in
`side_by_side` (a course, tick by tick), `lag` (counterfactuals) and `metrics` (the formulae).
Needs no torch: what is measured is the world as it is played.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.generator import generate
from games.platformer.level import FRAME, Level
from games.platformer.themes import THEMES
from world_model.data import HELD_OUT_SEED, looks
from world_model.errors import WorldError
from world_model.evaluation.event_watcher import WATCHED
from world_model.evaluation.frechet import frechet_distance
from world_model.evaluation.lag import find_probes, measure_lag, probe_ticks
from world_model.evaluation.metrics import (
    QUALITY_TICKS,
    drift,
    event_agreement,
    explained_share,
    median_or_none,
    percentile_or_none,
    share_of_one,
)
from world_model.evaluation.side_by_side import (
    STATIC_AT,
    Course,
    Player,
    Trace,
    World,
    play_like,
    play_side_by_side,
    scripted,
)

DEFAULT_LEVELS: Final = 16
DEFAULT_LONG_LEVELS: Final = 4
DEFAULT_TICKS: Final = 6000
SHORT_TICKS: Final = 200
PROBES: Final = 64
LEVELS_A_SEED: Final = 10_000
PSNR_AT: Final = (1, 16, 64)
ERROR_AT: Final = (16, 64, 200)


class Progress(Protocol):
    """Is told how far an evaluation is, in ticks of the world."""

    def begin(self, ticks: int) -> None: ...

    def advance(self) -> None: ...


class NoProgress:
    """Tells nobody."""

    def begin(self, ticks: int) -> None:
        """Begin work of so many ticks."""

    def advance(self) -> None:
        """Count one tick."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to play. The first `long_levels` courses are played for `ticks`, the others for 200.

    `actions` (n, buttons): what is held at each tick, on every course; None for the scripted
    player, seeded by `seed`, as is the world's noise. `probes`: of action lag, about.
    """

    courses: tuple[Course, ...]
    ticks: int = DEFAULT_TICKS
    long_levels: int = DEFAULT_LONG_LEVELS
    actions: NDArray[np.bool_] | None = None
    seed: int = 0
    probes: int = PROBES

    def length(self, number: int) -> int:
        """Ticks for which course `number` is played."""
        ticks = self.ticks if self.actions is None else min(self.ticks, len(self.actions))
        return ticks if number < self.long_levels else min(ticks, SHORT_TICKS)

    def player(self, number: int) -> Player:
        """Who plays course `number`."""
        if self.actions is not None:
            return scripted(self.actions)
        return play_like(self.courses[number], self.noise_seed(number))

    def noise_seed(self, number: int) -> int:
        """Seed of the world's noise, and of the scripted player, on course `number`."""
        return self.seed * LEVELS_A_SEED + number


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All measurements of one world; `lags` has None for probes whose dream was lost before."""

    world: World
    plan: Plan
    traces: list[Trace]
    lags: list[int | None] = field(default_factory=list)

    @property
    def long_traces(self) -> list[Trace]:
        """Those of the long runs, or all where there are none."""
        return self.traces[: self.plan.long_levels] or self.traces

    def document(self) -> dict[str, Any]:
        """Return the results in JSON form; null where the runs were too short to tell."""
        asked = [lag for lag in self.lags if lag is not None]
        heroes = np.concatenate([trace.heroes for trace in self.long_traces])
        return {
            "world": self.world.name,
            "seed": self.plan.seed,
            "levels": len(self.traces),
            "long_levels": min(self.plan.long_levels, len(self.traces)),
            "ticks": max(len(trace) for trace in self.traces),
            "psnr_db": {str(at): self._median_at(at, "psnr_db") for at in PSNR_AT},
            "position_error_px": {str(at): self._median_at(at, "error_px") for at in ERROR_AT},
            "presence": _rounded(share_of_one(heroes)),
            "action_lag_ticks": {
                "p50": percentile_or_none(asked, 50),
                "p95": percentile_or_none(asked, 95),
                "probes": len(asked),
                "lost": len(self.lags) - len(asked),
            },
            "action_accuracy": self._action_accuracy(),
            "events": self._events(),
            "static_tiles": {
                str(at): _rounded(median_or_none([t.static_tiles(at) for t in self.traces]))
                for at in STATIC_AT
            },
            "drift": self._drift(max(len(trace) for trace in self.long_traces)),
            **self._windows(),
        }

    def _windows(self) -> dict[str, Any]:
        """What changes over time, in every ten seconds of the long runs."""
        stretches = range(max(len(trace) for trace in self.long_traces) // QUALITY_TICKS)
        frechet = [
            _rounded(median_or_none([_strangeness(trace, at) for trace in self.long_traces]))
            for at in stretches
        ]
        return {
            "frechet": {
                "first": frechet[0] if frechet else None,
                "last": frechet[-1] if frechet else None,
                "worst": max((far for far in frechet if far is not None), default=None),
            },
            "windows": {
                "ticks": QUALITY_TICKS,
                "drift": [self._drift((at + 1) * QUALITY_TICKS) for at in stretches],
                "frechet": frechet,
                "action_accuracy": [self._explained_in(at) for at in stretches],
            },
        }

    def _drift(self, ticks: int) -> float | None:
        """Drift up to so many ticks, of the long runs that got as far."""
        far = [trace.quality[:ticks] for trace in self.long_traces if len(trace) >= ticks]
        return _rounded(median_or_none([d for d in map(drift, far) if d is not None]))

    def _explained_in(self, stretch: int) -> float | None:
        """Action accuracy in one stretch of ten seconds."""
        part = slice(stretch * QUALITY_TICKS, (stretch + 1) * QUALITY_TICKS)
        return _rounded(
            explained_share(np.concatenate([t.explained[part] for t in self.long_traces]))
        )

    def _action_accuracy(self) -> dict[str, float | None]:
        every = np.concatenate([trace.explained for trace in self.traces])
        last = np.concatenate([trace.explained[-QUALITY_TICKS:] for trace in self.long_traces])
        return {"all": _rounded(explained_share(every)), "last": _rounded(explained_share(last))}

    def _events(self) -> dict[str, Any]:
        """Agreement by kind of event, and `all`; `counted`: how many the game had, in how many
        ticks."""
        events = [trace.events for trace in self.traces]
        agreed = event_agreement(events).tolist()
        counts = np.sum([true.sum(0) for _, true in events], 0).tolist()
        return {
            **{
                name: None if np.isnan(value) else _rounded(value)
                for name, value in zip((*WATCHED, "all"), agreed, strict=True)
            },
            "counted": {
                **dict(zip(WATCHED, counts, strict=True)),
                "ticks": sum(len(true) for _, true in events),
            },
        }

    def _median_at(self, tick: int, measure: str) -> float | None:
        """Median over the courses that got that far."""
        values = [getattr(trace, measure)[tick - 1] for trace in self.traces if len(trace) >= tick]
        return _rounded(median_or_none(values))


def evaluate(world: World, plan: Plan, progress: Progress | None = None) -> Evaluation:
    """Play a world against its game as planned; raises WorldError for a world of another game."""
    _check(world)
    progress = progress or NoProgress()
    probes = find_probes(plan.courses, plan.probes, start_frames=world.start_frames, seed=plan.seed)
    lengths = [plan.length(number) for number in range(len(plan.courses))]
    progress.begin(sum(lengths) + probe_ticks(probes))
    lags = [measure_lag(world, probe, advance=progress.advance) for probe in probes]
    traces = [
        play_side_by_side(
            world,
            course,
            plan.player(number),
            lengths[number],
            seed=plan.noise_seed(number),
            advance=progress.advance,
        )
        for number, course in enumerate(plan.courses)
    ]
    return Evaluation(world, plan, traces, lags)


def held_out_courses(levels: int, seed: int) -> tuple[Course, ...]:
    """Return levels, in looks of their own, whose seeds no training may use."""
    first = HELD_OUT_SEED + seed * LEVELS_A_SEED
    seeds = range(first, first + levels)
    return tuple(Course(str(number), generate(number), looks(number)) for number in seeds)


def course_of(name: str, level: Level) -> Course:
    """Return a hand-made level in the looks of the meadow."""
    return Course(name, level, THEMES["meadow"])


def _strangeness(trace: Trace, stretch: int) -> float:
    """Distance of a stretch of ten seconds of the dream from the same of the game; NaN of a run
    that has not got so far."""
    whole = trace.patches[: len(trace) // QUALITY_TICKS]
    return frechet_distance(*whole[stretch]) if stretch < len(whole) else float("nan")


def _check(world: World) -> None:
    if world.buttons != physics.BUTTONS or world.frame_shape != (FRAME, FRAME, 3):
        raise WorldError(
            f"{world.name}: only worlds of the platformer can be evaluated (buttons "
            f"{', '.join(physics.BUTTONS)}; frames of {FRAME}x{FRAME} pixels)"
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
