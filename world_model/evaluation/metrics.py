"""What is measured of a dream, as pure functions on arrays. `MEANINGS` says it in words.

Knows frames, tiles and places; knows no world, no level and no way to play.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from games.platformer.level import SIZE, TILE

Frame = NDArray[np.uint8]
Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Tiles = NDArray[np.bool_]
Events = tuple[Bools, Bools]
"""What happened in a dream and in the true game, each (ticks, kinds)."""

MOST_PSNR_DB: Final = 99.0
"""What a perfect frame scores, whose PSNR is infinite."""

LOST_PX: Final = 128.0
"""Position error where no player can be found: the width of the frame."""

QUALITY_SCALE: Final = 32.0
"""Root mean square error, in grey levels of 255, at which a tile's quality is 1/e."""

QUALITY_TICKS: Final = 200
"""Ten seconds: the stretches that drift compares."""

EVENT_TICKS: Final = 64
"""Windows in which events are counted, in the dream and in the game."""

PARTED_PX: Final = 8
"""A dreamt player that is farther than this, a tile, from the true one plays another game."""

STATIC_TICKS: Final = 20
"""One second: the share of right tiles at tick t is the mean over the last so many ticks."""

MOST_TILE_ERROR: Final = 32.0
"""Mean absolute error, in grey levels of 255, from which on a tile is wrong whatever it is near."""

LAG_PREFIX_TICKS: Final = (8, 24)
"""Shortest and longest play before the keys part: short, so that the dream still tracks."""

LAG_HORIZON: Final = 8
"""Ticks after a key change within which the dream must answer; no answer counts as this lag."""

MEANINGS: Final = {
    "psnr_db": "Peak signal-to-noise ratio of the dreamt frame against the true one that many "
    f"ticks after the start, same actions; {MOST_PSNR_DB:g} for an equal frame.",
    "position_error_px": "Distance between the player found in the dreamt frame and the true "
    f"player, in pixels of a 128 px frame; {LOST_PX:g} where none is found.",
    "presence": "Share of all frames of the long runs in which exactly one player is found. "
    "One that has fallen most of the way out of the frame is not: about 0.1 % of true frames.",
    "action_lag_ticks": "How many ticks later than in the true game a key acts. The same play of "
    f"at most {LAG_PREFIX_TICKS[1]} ticks is dreamt twice from the same start, then the keys part "
    "(left or right; with or without jump). The lag is the number of ticks until the two dreamt "
    "players are apart by half of what the true ones are after one tick, and stay so; "
    f"{LAG_HORIZON} if they never are. Where the dream has lost the player before the keys part, "
    "it is not asked; such probes are counted as lost.",
    "action_accuracy": "Share of the moves that the held buttons explain by the game's own rules, "
    "where other buttons would have led elsewhere; relative to the same share of the true game's "
    "moves. `last`: in the last ten seconds of the long runs. Needs no truth.",
    "static_tiles": "Share of the level's tiles that still show what they should, leaving out "
    "those that a player, an enemy or a coin may cover. A tile is right if it is nearer to its "
    "own true picture than to that of any other kind of tile, and not far from it "
    f"(mean absolute error at most {MOST_TILE_ERROR:g} of 255); mean over the second that ends "
    "at that tick.",
    "events": "Agreement of events with the true game, F1: coins taken, springs, and restarts "
    f"(deaths and goals) are seen in the pictures of both and counted in windows of {EVENT_TICKS} "
    "ticks; 1 where every window has as many of each. A run counts up to the first window that "
    f"begins with the players more than {PARTED_PX} pixels apart: from there on they play "
    "different games.",
    "drift": "Relative loss of quality between the first and the last ten seconds of the long "
    f"run; 0.01 is 1 %. A tile's quality is exp(-e / {QUALITY_SCALE:g}), e its root mean square "
    "error in grey levels against the level's true background; the mean over the tiles that "
    "nothing covers.",
    "frechet": "Frechet distance, in grey levels of 255, between all 4x4 px patches of dream and "
    "true game, in the first, the last and the worst ten seconds of the long runs. Compares what "
    "patches look like on the whole, and no frame with another.",
    "windows": "Drift, Frechet distance and action accuracy in each ten seconds of the long runs, "
    "one after the other; drift from the first of them to that one.",
}
"""What each entry of an evaluation means; medians are over levels."""


def psnr_db(frame: Frame, truth: Frame) -> float:
    """Return the peak signal-to-noise ratio of a frame, at most `MOST_PSNR_DB`."""
    error = frame.astype(np.int32) - truth
    mean_square = float(np.mean(error * error))
    if mean_square == 0:
        return MOST_PSNR_DB
    return min(MOST_PSNR_DB, 10 * float(np.log10(255**2 / mean_square)))


def tiles_of(frame: NDArray[Any]) -> NDArray[Any]:
    """Cut a frame (128, 128, 3) into its tiles' pixels, (16, 16, 192)."""
    cut = frame.reshape(SIZE, TILE, SIZE, TILE, 3).transpose(0, 2, 1, 3, 4)
    return cut.reshape(SIZE, SIZE, TILE * TILE * 3)


def tile_quality(frame: Frame, background: Frame) -> NDArray[np.float32]:
    """Return the quality of every tile, (16, 16) in (0, 1]; 1 where it equals the background."""
    error = frame.astype(np.float32) - background
    mean_square = tiles_of(error * error).mean(-1)
    return np.asarray(np.exp(-np.sqrt(mean_square) / np.float32(QUALITY_SCALE)))


def touched_tiles(boxes: Iterable[tuple[int, int, int, int]]) -> Tiles:
    """Return the tiles (16, 16) that any of the boxes (x, y, width, height) in pixels covers."""
    touched = np.zeros((SIZE, SIZE), np.bool_)
    for x, y, width, height in boxes:
        rows = slice(max(0, y // TILE), max(0, (y + height - 1) // TILE + 1))
        columns = slice(max(0, x // TILE), max(0, (x + width - 1) // TILE + 1))
        touched[rows, columns] = True
    return touched


def drift(quality: Floats) -> float | None:
    """Return the relative loss of quality from the first to the last ten seconds of a run.

    `quality` is (ticks, 16, 16), NaN where a tile was covered. Each tile is averaged over time
    first, and only tiles seen in both stretches count, so that where the player happened to be
    does not matter. None for runs too short to hold two stretches.
    """
    if len(quality) < 2 * QUALITY_TICKS:
        return None
    first, last = _mean_seen(quality[:QUALITY_TICKS]), _mean_seen(quality[-QUALITY_TICKS:])
    both = np.isfinite(first) & np.isfinite(last)
    if not both.any():
        return None
    return 1 - float(last[both].mean() / first[both].mean())


def _mean_seen(values: Floats) -> NDArray[np.float64]:
    """Mean over the first axis, leaving out NaN; NaN where there is nothing else."""
    seen = np.isfinite(values)
    total = np.where(seen, values, 0).sum(0, dtype=np.float64)
    mean = np.full(total.shape, np.nan)
    np.divide(total, seen.sum(0), out=mean, where=seen.any(0))
    return mean


def event_agreement(pairs: Iterable[Events]) -> NDArray[np.float64]:
    """Return the F1 of each kind of event and of all together, (K + 1,); NaN of kinds without any.

    Events are matched by their number in windows of `EVENT_TICKS`.
    """
    matched, total = np.zeros(0), np.zeros(0)
    for dreamt, true in pairs:
        starts = np.arange(0, len(true), EVENT_TICKS)
        counts = [np.add.reduceat(events.astype(np.int64), starts) for events in (dreamt, true)]
        both, either = 2 * np.minimum(*counts).sum(0), np.add(*counts).sum(0)
        matched, total = (both + matched, either + total) if len(total) else (both, either)
    matched, total = (np.append(values, np.sum(values)) for values in (matched, total))
    agreed = np.full(len(total), np.nan)
    np.divide(matched, total, out=agreed, where=total > 0)
    return agreed


def explained_share(explained: Floats) -> float | None:
    """Return the dream's share of explained moves relative to the true game's; (ticks, 2), of both,
    NaN where it was not asked."""
    if not np.isfinite(explained).any(0).all():
        return None
    dreamt, true = np.nanmean(explained, 0)
    return float(dreamt / true)


def share_of_one(counts: NDArray[np.integer]) -> float | None:
    """Return the share of frames in which exactly one player was found."""
    return float(np.mean(counts == 1)) if len(counts) else None


def answer_lag(apart: Floats, true_first: float) -> int:
    """Return after how many ticks of lag a dream answers to a key change.

    apart: (ticks,) how far apart the two dreamt players are, along the axis on which the true
    ones part, from the first tick with different keys on; NaN where one of them is not found.
    true_first: the same of the true ones, at that first tick.
    """
    answers = apart * np.sign(true_first) >= abs(true_first) / 2
    stays = answers & np.append(answers[1:], True)
    return int(stays.argmax()) if stays.any() else len(apart)


def median_or_none(values: Sequence[float]) -> float | None:
    """Return the median of the numbers among `values`, None where there are none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else None


def percentile_or_none(values: Sequence[int], percent: float) -> int | None:
    """Return the smallest value that so many percent do not exceed, None of no values."""
    return int(np.percentile(values, percent, method="inverted_cdf")) if len(values) else None
