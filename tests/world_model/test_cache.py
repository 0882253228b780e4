"""Places and ages of the KV cache, against a plain list of all frames there ever were."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from world_model.cache import REFRESH_TICKS, CacheIndex
from world_model.config import WindowConfig


def ages_by_hand(frames: int, sinks: int, recents: int) -> dict[int, int]:
    """Ages of the frames that are remembered after `frames` pushes; the next head is frame + 1.

    Sinks stand right before the oldest recent frame that there can be.
    """
    head, there = frames + 1, min(sinks, frames)
    ages = {frame: head - frame for frame in range(frames)[sinks:][-recents:]}
    for sink in range(there):
        ages[sink] = (recents + 1) + (there - sink)
    return ages


@given(sinks=st.integers(0, 3), recents=st.integers(1, 5), pushes=st.integers(0, 40))
def test_the_cache_remembers_the_first_and_the_latest_frames(
    sinks: int, recents: int, pushes: int
) -> None:
    index = CacheIndex(WindowConfig(sink_frames=sinks, recent_frames=recents))
    held: dict[int, int] = {}
    for frame in range(pushes):
        (taken,) = index.push()
        held[taken] = frame
        expected = ages_by_hand(frame + 1, sinks, recents)
        assert set(held.values()) == set(expected)
        for place in range(sinks + recents):
            assert index.ages[place] == (expected[held[place]] if place in held else 0)


@given(st.integers(1, 30))
def test_places_are_all_different_until_the_ring_comes_round(pushes: int) -> None:
    index = CacheIndex(WindowConfig(sink_frames=1, recent_frames=4))
    places = [place for _ in range(pushes) for place in index.push()]
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


@given(recents=st.integers(1, 4), pushes=st.integers(0, 20))
def test_without_a_sink_its_places_stay_empty(recents: int, pushes: int) -> None:
    index = CacheIndex(WindowConfig(sink_frames=2, recent_frames=recents), "off")
    alone = CacheIndex(WindowConfig(sink_frames=0, recent_frames=recents))
    for _ in range(pushes):
        (place,) = index.push()
        assert place - 2 == alone.push()[0]
        assert not index.ages[:2].any()
        np.testing.assert_array_equal(index.ages[2:], alone.ages)


def test_a_refreshed_sink_takes_frames_that_the_ring_keeps_too_the_oldest_sink_first() -> None:
    window = WindowConfig(sink_frames=2, recent_frames=3)
    index, pinned = CacheIndex(window, "refresh"), CacheIndex(window)
    sinks = {}
    for frame in range(2 + 3 * REFRESH_TICKS):
        ring, *anchors = index.push()
        assert ring == pinned.push()[0]
        if frame < 2:
            sinks[ring] = frame
        for place in anchors:
            sinks[place] = frame
        np.testing.assert_array_equal(index.ages[2:], pinned.ages[2:])
        newest = sorted(sinks, key=lambda place: -sinks[place])
        assert index.ages[newest].tolist() == [5, 6][: len(newest)]
    last = 1 + 3 * REFRESH_TICKS
    assert sorted(sinks.values()) == [last - REFRESH_TICKS, last]
