"""Levels: what an ASCII map means, what is wrong with a bad one, and batches of levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.platformer import level as L
from games.platformer.level import Level, LevelError, Levels, Problem, format_level, parse_level

PLAIN = ["." * 16] * 13 + ["..o..E....^~S==.", ".P............D.", "#" * 16]


def edited(row: int, col: int, char: str) -> str:
    rows = list(PLAIN)
    rows[row] = rows[row][:col] + char + rows[row][col + len(char) :]
    return "\n".join(rows)


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(LevelError) as caught:
        parse_level(text)
    return caught.value.problems


def attempt(text: str) -> Level | list[Problem]:
    try:
        return parse_level(text)
    except LevelError as error:
        return error.problems


def test_every_character_becomes_its_tile() -> None:
    level = parse_level("\n".join(PLAIN))
    assert level.tiles[13, 10:15].tolist() == [L.SPIKES, L.LAVA, L.SPRING, L.PLATFORM, L.PLATFORM]
    assert level.tiles[14, 14] == L.DOOR
    assert (level.tiles[15] == L.SOLID).all()
    assert (level.tiles[:13] == L.EMPTY).all()
    assert np.argwhere(level.coins).tolist() == [[13, 2]]
    assert level.spawn == (1, 14)
    assert level.enemies == ((5, 13),)


def test_starts_and_coins_stand_in_empty_tiles_and_a_space_is_empty() -> None:
    level = parse_level("\n".join(PLAIN).replace(".", " "))
    assert [level.tiles[row, col] for row, col in ((14, 1), (13, 5), (13, 2))] == [L.EMPTY] * 3
    assert format_level(level) == "\n".join(PLAIN)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        (edited(3, 7, "?"), 3, 7, "unknown map character '?'"),
        (edited(3, 7, "P"), 14, 1, "a second player start"),
        (edited(3, 7, "D"), 14, 14, "a second goal door"),
        (edited(14, 1, "."), 15, 0, "the map has no player start 'P'"),
        (edited(14, 14, "."), 15, 0, "the map has no goal door 'D'"),
        (edited(3, 0, "EEE"), 13, 5, "one enemy too many"),
        (edited(13, 1, "#"), 14, 1, "no room for the player's head"),
        ("\n".join(PLAIN[1:]), 14, 0, "the map has 15 rows"),
        ("\n".join(["." * 16, *PLAIN]), 16, 0, "the map has 17 rows"),
        ("\n".join([*PLAIN[:15], "#" * 15]), 15, 15, "this row has 15 characters"),
        ("\n".join([*PLAIN[:15], "#" * 18]), 15, 16, "this row has 18 characters"),
    ],
)
def test_one_fault_is_one_problem_at_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    (problem,) = problems_of(text)
    assert (problem.line, problem.column, problem.message) == (line, column, message)
    assert problem.expected


def test_all_faults_are_reported_at_once() -> None:
    rows = list(PLAIN)
    rows[2] = "..x" + "." * 13
    rows[5] = "." * 12
    rows[14] = ".P..P..........."
    messages = [problem.message for problem in problems_of("\n".join(rows))]
    assert messages == [
        "this row has 12 characters",
        "unknown map character 'x'",
        "a second player start",
        "the map has no goal door 'D'",
    ]


def test_a_player_cannot_start_above_the_frame() -> None:
    (problem,) = problems_of(edited(14, 1, ".").replace("." * 16, "P" + "." * 15, 1))
    assert (problem.line, problem.column) == (0, 0)
    assert "above the frame" in problem.message


@given(st.text(st.sampled_from(L.LEVEL_CHARS + "\n?é"), max_size=400) | st.text(max_size=80))
def test_any_text_is_a_level_or_a_level_error_with_places(text: str) -> None:
    problems = attempt(text)
    if isinstance(problems, list):
        assert problems
        assert all(p.line >= 0 and p.column >= 0 and p.message and p.expected for p in problems)


@st.composite
def maps(draw: st.DrawFn) -> str:
    """Draw maps of 16x16 with one player, one door and up to three enemies."""
    cells = draw(st.lists(st.sampled_from(".#=^~So"), min_size=256, max_size=256))
    places = draw(st.lists(st.integers(32, 255), min_size=2, max_size=5, unique=True))
    cells[places[0] - 16] = "."
    for place, char in zip(places, "PDEEE", strict=False):
        cells[place] = char
    return "\n".join("".join(cells[row * 16 : row * 16 + 16]) for row in range(16))


@given(maps())
def test_a_map_survives_parsing_and_formatting(text: str) -> None:
    level = attempt(text)
    if isinstance(level, list):
        assert {problem.message for problem in level} == {"no room for the player's head"}
    else:
        assert format_level(level) == text


def test_a_batch_holds_pixel_starts_of_every_level() -> None:
    other = parse_level(edited(3, 7, "E"))
    levels = Levels.stack([parse_level("\n".join(PLAIN)), other])
    assert len(levels) == 2
    assert levels.tiles.shape == (2, 16, 16)
    # A 6x12 box, centred on tile (1, 14) and standing on its bottom.
    assert (levels.spawn_x.tolist(), levels.spawn_y.tolist()) == ([9, 9], [108, 108])
    assert levels.enemy_alive.tolist() == [[True, False, False], [True, True, False]]
    assert (levels.enemy_x[1, :2].tolist(), levels.enemy_y[1, :2].tolist()) == ([56, 40], [24, 104])
