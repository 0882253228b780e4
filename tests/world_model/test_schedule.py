"""Noise levels of the window, and noise that any tick can have again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world_model.config import WindowConfig
from world_model.schedule import staircase, tick_noise, window_sigmas


@given(st.integers(1, 12), st.floats(1.0, 8.0))
def test_the_staircase_rises_to_pure_noise(slots: int, shift: float) -> None:
    stairs = staircase(slots, shift)
    assert (stairs.shape, stairs.dtype) == ((slots,), np.float32)
    assert (np.diff(stairs) > 0).all()
    assert stairs[0] > 0
    assert stairs[-1] == 1


def test_no_shift_is_even_steps_and_a_shift_is_the_papers_warp() -> None:
    np.testing.assert_allclose(staircase(4, 1.0), [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(staircase(3, 3.0), [0.6, 6 / 7, 1.0], rtol=1e-6)


def test_the_previous_frame_rides_before_the_slots_at_the_contexts_level() -> None:
    config = WindowConfig(slots=2, shift=1.0, context_sigma=0.1)
    np.testing.assert_allclose(window_sigmas(config), [0.1, 0.5, 1.0], rtol=1e-6)


def noise(seed: int, tick: int) -> np.ndarray:
    return tick_noise(seed, tick, np.empty((4, 5, 2, 3), np.float32)).copy()


@given(st.integers(0, 2**64), st.integers(0, 2**40))
def test_a_ticks_noise_depends_on_seed_and_tick_alone(seed: int, tick: int) -> None:
    first = noise(seed, tick)
    np.testing.assert_array_equal(first, noise(seed, tick))
    assert not np.array_equal(first, noise(seed, tick + 1))
    assert not np.array_equal(first, noise(seed + 1, tick))


def test_the_noise_is_written_where_it_is_wanted() -> None:
    out = np.empty((2, 3), np.float32)
    assert tick_noise(1, 2, out) is out


def test_ticks_and_slots_share_no_noise() -> None:
    values = np.concatenate([noise(7, tick).ravel() for tick in range(300)])
    assert len(np.unique(values)) > 0.99 * len(values)
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.02)
