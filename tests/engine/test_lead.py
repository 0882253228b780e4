"""How long before their deadline ticks begin, by what the ticks before them took."""

from hypothesis import given
from hypothesis import strategies as st

from engine.lead import EXCEPTIONS, FEW_TICKS, HOPELESS, MARGIN_NS, RECENT_TICKS, Lead

MS = 1_000_000
MOST_NS = 50 * MS
work_ns = st.integers(0, 3 * MOST_NS)
works_ns = st.lists(work_ns, min_size=FEW_TICKS + 1, max_size=3 * RECENT_TICKS)


def lead_after(*works: int, most_ns: int = MOST_NS) -> Lead:
    lead = Lead(most_ns)
    for took_ns in works:
        lead.observe(took_ns)
    return lead


@given(st.lists(work_ns, max_size=FEW_TICKS))
def test_while_little_is_known_it_is_the_most(works: list[int]) -> None:
    assert lead_after(*works).ns == MOST_NS


@given(works_ns, st.integers(MOST_NS + 1, 3 * MOST_NS))
def test_many_ticks_that_are_too_long_make_it_the_most(works: list[int], long_ns: int) -> None:
    too_many = int(HOPELESS * RECENT_TICKS) + 1
    assert lead_after(*works, *[long_ns] * too_many).ns == MOST_NS


@given(st.permutations([MS, 120 * MS, *[20 * MS] * 28]))
def test_a_few_that_are_too_long_for_any_lead_change_nothing(round_of_ticks: list[int]) -> None:
    lead = lead_after(*round_of_ticks * 5)
    assert 20 * MS < lead.ns < 23 * MS


@given(works_ns)
def test_nearly_all_recent_ticks_would_have_been_ready_in_time(works: list[int]) -> None:
    lead = lead_after(*works, most_ns=10 * MOST_NS)
    recent = works[-RECENT_TICKS:]
    late = sum(took_ns + MARGIN_NS > lead.ns for took_ns in recent)
    assert late <= EXCEPTIONS * len(recent)


@given(works_ns)
def test_it_is_never_more_than_the_most_nor_much_more_than_the_slowest(works: list[int]) -> None:
    ns = lead_after(*works).ns
    assert ns <= MOST_NS
    assert ns <= 1.1 * max(works[-RECENT_TICKS:]) + MARGIN_NS + 1


@given(works_ns, st.lists(work_ns, min_size=RECENT_TICKS, max_size=RECENT_TICKS))
def test_only_recent_ticks_count(before: list[int], recent: list[int]) -> None:
    assert lead_after(*before, *recent).ns == lead_after(*recent).ns


@given(
    st.lists(st.integers(0, MOST_NS // 2), min_size=FEW_TICKS + 1, max_size=2 * RECENT_TICKS),
    st.integers(0, MOST_NS // 2),
)
def test_work_that_grows_within_reach_never_shortens_it(works: list[int], more_ns: int) -> None:
    assert lead_after(*works).ns <= lead_after(*(took_ns + more_ns for took_ns in works)).ns


def test_a_lone_slow_tick_changes_nothing() -> None:
    steady = lead_after(*[20 * MS] * RECENT_TICKS)
    before_ns = steady.ns
    steady.observe(45 * MS)
    assert steady.ns == before_ns


def test_it_is_quick_to_grow_and_slow_to_shrink() -> None:
    lead = lead_after(*[20 * MS] * RECENT_TICKS, 30 * MS, 30 * MS)
    grown_ns = lead.ns
    assert 30 * MS < grown_ns < 35 * MS
    for _ in range(RECENT_TICKS // 2):
        lead.observe(20 * MS)
    assert lead.ns == grown_ns
    for _ in range(RECENT_TICKS):
        lead.observe(20 * MS)
    assert 20 * MS < lead.ns < 25 * MS
