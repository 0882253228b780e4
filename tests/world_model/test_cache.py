"""Places and ages of the KV cache, against a plain list of all frames there ever were."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from world_model.cache import CacheIndex
from world_model.config import WindowConfig


def ages_by_hand(frames: int, sinks: int, recents: int) -> dict[int, int]:
    """Ages of the frames that are remembered after `frames` pushes; the next head is frame + 1.

    Sinks stand right before the oldest recent frame that there can be.
    """
    head = frames + 1
    ages = {frame: head - frame for frame in range(frames)[sinks:][-recents:]}
    for sink in range(min(sinks, frames)):
        ages[sink] = (recents + 1) + (sinks - sink)
    return ages


@given(sinks=st.integers(0, 3), recents=st.integers(1, 5), pushes=st.integers(0, 40))
def test_the_cache_remembers_the_first_and_the_latest_frames(
    sinks: int, recents: int, pushes: int
) -> None:
    index = CacheIndex(WindowConfig(sink_frames=sinks, recent_frames=recents))
    held: dict[int, int] = {}
    for frame in range(pushes):
        held[index.push()] = frame
        expected = ages_by_hand(frame + 1, sinks, recents)
        assert set(held.values()) == set(expected)
        for place in range(sinks + recents):
            assert index.ages[place] == (expected[held[place]] if place in held else 0)


@given(st.integers(1, 30))
def test_places_are_all_different_until_the_ring_comes_round(pushes: int) -> None:
    index = CacheIndex(WindowConfig(sink_frames=1, recent_frames=4))
    places = [index.push() for _ in range(pushes)]
    assert places[:5] == list(range(min(pushes, 5)))
    assert places[5:] == [1 + (i % 4) for i in range(max(0, pushes - 5))]


def test_the_ages_array_is_the_same_object_for_ever_so_that_backends_can_bind_it() -> None:
    index = CacheIndex(WindowConfig())
    ages = index.ages
    for _ in range(7):
        index.push()
    index.clear()
    assert index.ages is ages
    assert not ages.any()
    assert ages.dtype == np.float32


def test_a_cleared_cache_starts_over() -> None:
    index, fresh = CacheIndex(WindowConfig()), CacheIndex(WindowConfig())
    for _ in range(9):
        index.push()
    index.clear()
    for _ in range(5):
        assert index.push() == fresh.push()
        np.testing.assert_array_equal(index.ages, fresh.ages)
