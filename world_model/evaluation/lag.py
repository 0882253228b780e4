"""Action lag by counterfactuals: dream the same play twice, part the keys, see when it shows.

Knows how to find moments at which keys matter and how to dream them twice; the judgement itself
is `metrics.answer_lag`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.physics import EVENTS
from world_model.evaluation.detector import Detection, HeroDetector
from world_model.evaluation.metrics import LAG_HORIZON, LAG_PREFIX_TICKS, answer_lag
from world_model.evaluation.side_by_side import Course, TrueGame, World, play_like

Action = NDArray[np.bool_]
Kind = Literal["turn", "jump"]

TRACKING_PX: Final = 16.0
"""A dream whose player is farther off than this when the keys part cannot be asked about lag."""

LEAST_APART_PX: Final = 2
_TRIES: Final = 40
_AXES: Final = {"turn": 0, "jump": 1}


@dataclass(frozen=True, eq=False)
class Probe:
    """A moment at which the key decides where the player is one tick later.

    `prefix` (ticks, buttons): what is held up to then; `keys`: what is held from then on, in one
    dream and in the other; `axis`: 0 for x, 1 for y; `true_first`: how far apart along it the
    true players are after one tick, in pixels; `player`: where the true player is before it.
    """

    course: Course
    prefix: NDArray[np.bool_]
    keys: tuple[Action, Action]
    axis: int
    true_first: int
    player: tuple[int, int]
    seed: int


def find_probes(
    courses: Sequence[Course], wanted: int, *, start_frames: int, seed: int
) -> list[Probe]:
    """Find about `wanted` probes, turns and jumps, spread over the courses."""
    each = -(-wanted // len(courses))
    probes = []
    for number, course in enumerate(courses):
        for moment in range(each):
            kind: Kind = "turn" if moment % 2 == 0 else "jump"
            rng = np.random.default_rng([seed, number, moment])
            probe = _find_probe(course, kind, start_frames, rng)
            probes += [probe] if probe else []
    return probes


def probe_ticks(probes: Sequence[Probe]) -> int:
    """Ticks that `measure_lag` steps the world by, over all the probes."""
    return sum(2 * (len(probe.prefix) + LAG_HORIZON) for probe in probes)


def _find_probe(
    course: Course, kind: Kind, start_frames: int, rng: np.random.Generator
) -> Probe | None:
    """Play until keys of this kind matter; None where they never do (walled in, say)."""
    for _ in range(_TRIES):
        seed = int(rng.integers(1 << 31))
        game, player = TrueGame(course), play_like(course, seed)
        game.start(start_frames)
        least = int(rng.integers(LAG_PREFIX_TICKS[0], LAG_PREFIX_TICKS[1] + 1))
        prefix: list[Action] = []
        while len(prefix) <= LAG_PREFIX_TICKS[1]:
            if len(prefix) >= least:
                keys = _keys(kind, prefix[-1])
                true_first = _true_first(game, keys, _AXES[kind])
                if true_first:
                    return Probe(course, np.array(prefix), keys, _AXES[kind], true_first,
                                 game.player, seed)  # fmt: skip
            prefix.append(player(game.state, len(prefix) + 1))
            game.step(prefix[-1])
    return None


def _keys(kind: Kind, held: Action) -> tuple[Action, Action]:
    """What the two futures hold: left or right, or what was held with and without jump."""
    if kind == "turn":
        return _held(physics.LEFT), _held(physics.RIGHT)
    with_jump, without = held.copy(), held.copy()
    with_jump[physics.JUMP], without[physics.JUMP] = True, False
    return with_jump, without


def _held(button: int) -> Action:
    return np.asarray(np.arange(len(physics.BUTTONS)) == button)


def _true_first(game: TrueGame, keys: tuple[Action, Action], axis: int) -> int:
    """How far apart the true players are after one tick; 0 where this is no moment to ask.

    That is where the key makes no difference that lasts, or where one of the two dies or leaves
    soon.
    """
    one, other = (_future(game, key, axis) for key in keys)
    if not one or not other:
        return 0
    apart = np.subtract(one, other).astype(np.float64)
    lasts = abs(apart[0]) >= LEAST_APART_PX and answer_lag(apart, apart[0]) == 0
    return int(apart[0]) if lasts else 0


def _future(game: TrueGame, key: Action, axis: int) -> list[int]:
    """Return where the true player is along the axis, the key held; empty if it dies or leaves."""
    places: list[int] = []
    state = game.state
    for _ in range(LAG_HORIZON):
        state, events = physics.step(game.levels, state, key[None])
        if events[0, [EVENTS.index("death"), EVENTS.index("goal")]].any():
            return []
        places.append(int((state.x, state.y)[axis][0]))
    return places


def measure_lag(world: World, probe: Probe, *, advance: Callable[[], None]) -> int | None:
    """Return the lag of a world's answer to a probe, in ticks; None where the dream was lost."""
    detector = HeroDetector(probe.course.palette)
    before: Detection | None = None
    places = np.full((2, LAG_HORIZON), np.nan)
    for branch, key in enumerate(probe.keys):
        frame = world.reset(TrueGame(probe.course).start(world.start_frames), seed=probe.seed)
        for action in probe.prefix:
            frame = world.step(action)
            advance()
        before = _best(detector, frame)
        for tick in range(LAG_HORIZON):
            found = _best(detector, world.step(key))
            if found:
                places[branch, tick] = found[probe.axis]
            advance()
    x, y = probe.player
    if before is None or np.hypot(before.x - x, before.y - y) > TRACKING_PX:
        return None
    return answer_lag(places[0] - places[1], probe.true_first)


def _best(detector: HeroDetector, frame: NDArray[np.uint8]) -> Detection | None:
    found = detector.find(frame)
    return found[0] if found else None
