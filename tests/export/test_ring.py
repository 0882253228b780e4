"""Where a cache's places lie: nothing is written that is read, and nothing that is kept moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from export.ring import Ring
from world_model.cache import CacheIndex, Sink
from world_model.config import WindowConfig


@given(
    st.integers(0, 2), st.integers(1, 5), st.integers(1, 60), st.sampled_from(["pinned", "refresh"])
)
def test_every_frame_is_where_its_place_says(
    sinks: int, recents: int, ticks: int, sink: Sink
) -> None:
    window = WindowConfig(sink_frames=sinks, recent_frames=recents)
    index, ring = CacheIndex(window, sink), Ring(window.cache_frames)
    memory: dict[int, int] = {}
    held: dict[int, int] = {}
    for tick in range(ticks):
        assert ring.spare not in ring.blocks, "what is read is not written to"
        memory[ring.spare] = tick
        places = index.push()
        ring.keep(places)
        held.update(dict.fromkeys(places, tick))
        assert {place: memory[ring.blocks[place]] for place in held} == held
    assert {*ring.blocks, ring.spare} <= set(range(window.cache_frames + 1))


def test_states_come_back_so_that_few_are_recorded() -> None:
    window = WindowConfig(sink_frames=1, recent_frames=2)
    index, ring = CacheIndex(window), Ring(3)
    states = set()
    for tick in range(100):
        states.add((tick % 2, ring.blocks))
        ring.keep(index.push())
    assert len(states) <= 3 + 6
