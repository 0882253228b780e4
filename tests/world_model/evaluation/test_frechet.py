"""The distance of patches: nothing of equal ones, a shift of the mean as it is, and symmetric."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from world_model.evaluation.frechet import PatchStatistics, frechet_distance


def frames(seed: int, low: int = 0, high: int = 200) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(low, high, (4, 32, 32, 3), np.uint8)


def statistics(shown: NDArray[np.uint8]) -> PatchStatistics:
    taken = PatchStatistics()
    for frame in shown:
        taken.add(frame)
    return taken


def test_mean_and_covariance_are_those_of_all_patches() -> None:
    shown = frames(0)
    patches = np.array([
        frame[row : row + 4, column : column + 4].reshape(-1)
        for frame in shown for row in range(0, 32, 4) for column in range(0, 32, 4)
    ], np.float64)  # fmt: skip
    taken = statistics(shown)
    np.testing.assert_allclose(taken.mean, patches.mean(0))
    np.testing.assert_allclose(taken.covariance, np.cov(patches.T, bias=True), atol=1e-6)


def test_equal_stretches_are_not_apart_and_others_alike_both_ways() -> None:
    one, other = statistics(frames(1)), statistics(frames(1, high=100))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-3)
    there, back = frechet_distance(one, other), frechet_distance(other, one)
    assert there == pytest.approx(back)
    assert there > 10


def test_a_shift_of_every_pixel_is_its_distance_over_all_values_of_a_patch() -> None:
    shown = frames(2)
    apart = frechet_distance(statistics(shown), statistics(shown + np.uint8(7)))
    assert apart == pytest.approx(7 * 48**0.5, rel=1e-6)


def test_the_order_of_frames_does_not_matter() -> None:
    shown = frames(3)
    apart = frechet_distance(statistics(shown), statistics(shown[::-1]))
    assert apart == pytest.approx(0, abs=1e-3)
