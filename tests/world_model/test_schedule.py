"""Noise levels of the window, and noise that any tick can have again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from world_model.config import WindowConfig
from world_model.schedule import raised, staircase, tick_noise, window_sigmas


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


def test_the_previous_frame_rides_clean_before_the_slots() -> None:
    config = WindowConfig(slots=2, shift=1.0)
    np.testing.assert_allclose(window_sigmas(config), [0, 0.5, 1.0], rtol=1e-6)


def test_slots_are_raised_to_just_the_signal_and_noise_of_their_new_level() -> None:
    config = WindowConfig(slots=4, renoise=0.8)
    before, (sigmas, keep, add) = window_sigmas(config), raised(config)
    np.testing.assert_allclose(before, [0, 0.5, 0.75, 0.9, 1])
    np.testing.assert_allclose(sigmas, [0, 0.8, 0.8, 0.9, 1], rtol=1e-6)
    keep, add = keep.ravel(), add.ravel()
    np.testing.assert_allclose(keep * (1 - before[1:]), 1 - sigmas[1:], atol=1e-6)
    np.testing.assert_allclose((keep * before[1:]) ** 2 + add**2, sigmas[1:] ** 2, rtol=1e-6)
    assert keep.tolist()[2:] == [1, 1]
    assert add.tolist()[2:] == [0, 0]


@given(st.integers(1, 6), st.floats(0, 1, allow_subnormal=False))
def test_raising_never_lowers_and_level_0_changes_nothing(slots: int, level: float) -> None:
    config = WindowConfig(slots=slots, renoise=level)
    sigmas, keep, add = raised(config)
    assert (sigmas >= window_sigmas(config)).all()
    assert ((keep <= 1) & (keep >= 0) & (add >= 0) & (add <= 1)).all()
    sigmas, keep, add = raised(WindowConfig(slots=slots))
    np.testing.assert_array_equal(sigmas, window_sigmas(config))
    assert (keep == 1).all()
    assert not add.any()


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
