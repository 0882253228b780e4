"""Comparing measurements: differences that are there are shown, those that are not are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ProfileError
from engine.profiling.compare import compare, read_document, table


def document(scale: float = 1.0, *, seed: int = 0, ticks: int = 600) -> dict[str, object]:
    """Tick times that drift slowly, as those of a real machine do."""
    rng = np.random.default_rng(seed)
    drift = np.convolve(rng.normal(size=ticks + 40), np.ones(40) / 40, "same")[:ticks]
    tick = scale * (20 + 4 * drift + rng.normal(size=ticks))
    return {"series_ms": {"tick": tick.tolist(), "frame_time": np.maximum(tick, 50).tolist()}}


def test_a_run_is_no_different_from_itself() -> None:
    for ratio in compare(document(), document()):
        assert ratio.ratio == 1
        assert not ratio.shown
        assert ratio.verdict() == "no difference shown"


def test_two_runs_alike_are_rarely_told_apart() -> None:
    shown = [
        ratio.shown
        for seed in range(10)
        for ratio in compare(document(seed=seed), document(seed=100 + seed))
        if ratio.metric == "tick p50"
    ]
    assert sum(shown) <= 2


@pytest.mark.parametrize(("scale", "word"), [(1.2, "slower"), (0.8, "faster")])
def test_a_real_difference_is_shown(scale: float, word: str) -> None:
    ratios = {r.metric: r for r in compare(document(), document(scale, seed=1))}
    assert ratios["tick p50"].shown
    assert ratios["tick p50"].ratio == pytest.approx(scale, rel=0.03)
    assert ratios["tick p50"].low < scale < ratios["tick p50"].high
    assert word in ratios["tick p50"].verdict()
    assert not ratios["frame time mean"].shown, "both hold their rate"
    assert "no difference shown" in table(list(ratios.values()))


def test_runs_that_are_too_short_are_refused() -> None:
    with pytest.raises(ProfileError, match="too few"):
        compare(document(), document(ticks=20))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"series_ms": {"tick": ["x"]}}', "no json"])
def test_what_is_no_measurement_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ProfileError, match=r"a\.json: not a document"):
        read_document(path)


def test_only_the_last_line_is_the_document(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("something before\n" + json.dumps(document()) + "\n")
    assert len(read_document(path)["series_ms"]["tick"]) == 600
