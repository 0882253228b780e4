"""Action tokens: multi-hot, with three ways of having no button that must not be confused."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from world_model.actions import DROPPED, MARKS, NOOP, UNKNOWN, encode_actions, mark_token

BUTTONS = 3


def test_nothing_held_nothing_known_and_nothing_told_are_three_tokens() -> None:
    nothing = encode_actions(np.zeros(BUTTONS, np.bool_))
    unknown, dropped = (mark_token(BUTTONS, mark) for mark in (UNKNOWN, DROPPED))
    tokens = np.stack([nothing, unknown, dropped])
    assert len({token.tobytes() for token in tokens}) == 3
    assert (tokens.sum(-1) == 1).all()
    np.testing.assert_array_equal(nothing, mark_token(BUTTONS, NOOP))


@given(arrays(np.bool_, (4, 2, BUTTONS)))
def test_a_token_holds_the_buttons_and_marks_only_their_absence(held: np.ndarray) -> None:
    tokens = encode_actions(held)
    assert (tokens.shape, tokens.dtype) == ((4, 2, BUTTONS + MARKS), np.float32)
    np.testing.assert_array_equal(tokens[..., :BUTTONS], held)
    np.testing.assert_array_equal(tokens[..., BUTTONS + NOOP], ~held.any(-1))
    assert not tokens[..., [BUTTONS + UNKNOWN, BUTTONS + DROPPED]].any()


@given(st.integers(1, 12))
def test_all_combinations_of_buttons_have_tokens_of_their_own(buttons: int) -> None:
    held = (np.arange(2**buttons)[:, None] >> np.arange(buttons) & 1).astype(np.bool_)
    assert len(np.unique(encode_actions(held), axis=0)) == 2**buttons
