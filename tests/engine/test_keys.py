"""Held keys and taps as action tokens."""

from hypothesis import given
from hypothesis import strategies as st

from engine.keys import HeldKeys
from engine.sample import Sample

LEFT, RIGHT, JUMP = range(3)


def make_keys() -> HeldKeys[str]:
    return HeldKeys[str](3, {"left": [LEFT], "a": [LEFT], "d": [RIGHT], "space": [JUMP]})


def take(keys: HeldKeys[str]) -> list[bool]:
    sample = Sample.empty(3)
    keys.take(sample)
    return [bool(held) for held in sample.action]


def test_a_held_key_counts_at_every_tick_until_released() -> None:
    keys = make_keys()
    keys.press("d", 1)
    assert [take(keys), take(keys)] == [[False, True, False]] * 2
    keys.release("d", 2)
    assert take(keys) == [False, False, False]


def test_a_tap_between_two_samples_counts_for_exactly_one_tick() -> None:
    keys = make_keys()
    keys.press("space", 1)
    keys.release("space", 2)
    assert take(keys) == [False, False, True]
    assert take(keys) == [False, False, False]


def test_a_button_is_held_while_any_of_its_keys_is() -> None:
    keys = make_keys()
    keys.press("left", 1)
    keys.press("a", 2)
    keys.release("left", 3)
    take(keys)
    assert take(keys) == [True, False, False]


def test_auto_repeat_and_foreign_keys_change_nothing() -> None:
    keys = make_keys()
    keys.press("q", 1)
    keys.press("d", 2)
    keys.press("d", 3)
    keys.release("d", 4)
    keys.release("d", 5)
    take(keys)
    assert take(keys) == [False, False, False]


def test_letting_go_of_everything_frees_held_keys() -> None:
    keys = make_keys()
    keys.press("d", 1)
    take(keys)
    keys.release_all()
    assert take(keys) == [False, False, False]


def test_a_sample_carries_the_newest_event_once() -> None:
    keys = make_keys()
    sample = Sample.empty(3)
    keys.press("d", 10)
    keys.press("space", 20)
    keys.take(sample)
    assert sample.event_ns == 20
    keys.take(sample)
    assert sample.event_ns == 0


def test_forgotten_taps_do_not_count_but_held_keys_do() -> None:
    keys = make_keys()
    keys.press("space", 1)
    keys.release("space", 2)
    keys.press("d", 3)
    keys.forget_taps()
    assert take(keys) == [False, True, False]


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.booleans(), st.sampled_from(["left", "a", "d", "space", "q"])),
        )
    )
)
def test_the_token_is_what_is_down_or_was_pressed_since(
    events: list[tuple[bool, str] | None],
) -> None:
    buttons = {"left": LEFT, "a": LEFT, "d": RIGHT, "space": JUMP}
    keys = make_keys()
    down: set[str] = set()
    pressed: set[str] = set()
    for event in events:
        if event is None:
            counted = {buttons[key] for key in down | pressed if key in buttons}
            assert take(keys) == [button in counted for button in range(3)]
            pressed.clear()
        elif event[0]:
            pressed |= {event[1]} - down
            down.add(event[1])
            keys.press(event[1], 1)
        else:
            down.discard(event[1])
            keys.release(event[1], 1)
