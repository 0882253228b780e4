"""Verifies backends against float32 torch: the same roll-out, and the same play on unseen levels.

Equal numbers are what float32 is held to; fewer bits are held to what a player would notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from export.loading import load_world
from export.parity import Parity, roll_out_parity
from world_model.errors import WorldError
from world_model.evaluation.evaluate import Plan, evaluate, held_out_courses

REFERENCE: Final = "torch"
QUALITIES: Final = ("psnr_db", "position_error_px", "presence", "events")
MOST_PSNR_LOSS_DB: Final = 1.0
MOST_ERROR_PX: Final = 1.0
MOST_PRESENCE_LOSS: Final = 0.01
JUDGED_AT: Final = "64"
"""Ticks after the start at which PSNR and position error decide."""


@dataclass
class Verdict:
    """What was found of a backend; `error` says why it cannot be had, `failures` what is wrong.

    `quality` has evaluate's numbers, as of `QUALITIES`; empty where none were asked for.
    """

    backend: str
    error: str | None = None
    parity: Parity | None = None
    quality: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def verify(
    directory: Path,
    backends: Sequence[str],
    *,
    ticks: int,
    levels: int,
    done: Callable[[str], object] = lambda _: None,
) -> list[Verdict]:
    """Play a bundle on each backend, for `ticks` beside torch and, for quality, on so many levels.

    `done` is told the name of each backend that was verified, the reference first. Raises
    WorldError where the bundle cannot be had on the reference.
    """
    reference = quality(directory, REFERENCE, levels)
    done(REFERENCE)
    verdicts = []
    for backend in backends:
        verdict = Verdict(backend)
        try:
            verdict.parity = roll_out_parity(directory, ticks, backend=backend)
            verdict.quality = (
                reference if backend == REFERENCE else quality(directory, backend, levels)
            )
        except WorldError as error:
            verdict.error = str(error)
        else:
            failures = [verdict.parity.failure, *losses(verdict.quality, reference)]
            verdict.failures = [failure for failure in failures if failure]
        verdicts.append(verdict)
        done(backend)
    return verdicts


def quality(directory: Path, backend: str, levels: int) -> dict[str, Any]:
    """Play 200 ticks on so many unseen levels; returns evaluate's numbers, as of `QUALITIES`."""
    if not levels:
        return {}
    world = load_world(directory, backend=backend)
    plan = Plan(courses=held_out_courses(levels, seed=0), long_levels=0, probes=0)
    document = evaluate(world, plan).document()
    return {name: document[name] for name in QUALITIES}


def losses(quality: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """Say in which way one plays worse than the reference, if any."""
    if not quality:
        return []
    psnr, error = (quality[name][JUDGED_AT] for name in QUALITIES[:2])
    psnr_then, error_then = (reference[name][JUDGED_AT] for name in QUALITIES[:2])
    checks = (
        (psnr_then - psnr > MOST_PSNR_LOSS_DB, f"PSNR {psnr:.1f} dB, not {psnr_then:.1f}"),
        (
            error - error_then > MOST_ERROR_PX,
            f"position error {error:.1f} px, not {error_then:.1f}",
        ),
        (
            reference["presence"] - quality["presence"] > MOST_PRESENCE_LOSS,
            f"one player in {quality['presence']:.1%} of frames, not {reference['presence']:.1%}",
        ),
    )
    return [f"plays worse: {reason}" for worse, reason in checks if worse]
