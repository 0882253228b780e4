"""The actions file: what it says, and what it says when it is wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actions import MAX_TICKS, format_action, parse_actions, read_actions
from engine.errors import ActionsError

BUTTONS = ("left", "right", "jump")
HERE = Path("run.txt")


def held(text: str) -> list[list[str]]:
    script = parse_actions(text, BUTTONS, path=HERE)
    return [[b for b, on in zip(BUTTONS, row, strict=True) if on] for row in script.held]


def test_a_line_is_a_tick_and_an_empty_line_holds_nothing() -> None:
    assert held("right\n\njump right\n") == [["right"], [], ["right", "jump"]]


def test_a_comment_line_is_no_tick_and_a_trailing_comment_is_ignored() -> None:
    assert held("# start\nleft # back\n  # end\n") == [["left"]]


def test_a_count_holds_a_line_for_many_ticks() -> None:
    assert held("right jump x3\nx2") == [["right", "jump"]] * 3 + [[]] * 2


def test_a_reset_comes_before_the_first_tick_of_its_line_only() -> None:
    script = parse_actions("right\n!reset left x3\n", BUTTONS, path=HERE)
    assert script.resets.tolist() == [False, True, False, False]


def test_an_empty_file_is_an_empty_script() -> None:
    assert len(parse_actions("", BUTTONS, path=HERE)) == 0


def test_every_unknown_button_is_told_with_its_place_and_the_nearest_name() -> None:
    with pytest.raises(ActionsError) as caught:
        parse_actions("right\nleft jmup\nfire\n", BUTTONS, path=HERE)
    text = str(caught.value)
    assert "run.txt:2:6: error: unknown button 'jmup'\n    left jmup\n         ^" in text
    assert "did you mean: jump" in text
    assert "run.txt:3:1: error" in text
    assert "expected: one of left, right, jump" in text


@pytest.mark.parametrize("count", ["x0", f"x{MAX_TICKS + 1}", "x" + "9" * 5000])
def test_an_impossible_count_is_an_error_and_never_allocated(count: str) -> None:
    with pytest.raises(ActionsError, match=r"run.txt:1:6: error: cannot repeat"):
        parse_actions(f"left {count}", BUTTONS, path=HERE)


def test_a_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ActionsError, match="cannot read: No such file"):
        read_actions(tmp_path / "none.txt", BUTTONS)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ActionsError, match="not UTF-8"):
        read_actions(path, BUTTONS)


@given(st.lists(st.tuples(st.booleans(), st.lists(st.booleans(), min_size=3, max_size=3))))
def test_what_is_written_reads_back_the_same(rows: list[tuple[bool, list[bool]]]) -> None:
    lines = [format_action(np.array(row), BUTTONS, reset=reset) + "\n" for reset, row in rows]
    script = parse_actions("".join(lines), BUTTONS, path=HERE)
    assert script.held.tolist() == [row for _, row in rows]
    assert script.resets.tolist() == [reset for reset, _ in rows]
