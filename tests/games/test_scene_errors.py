"""What the author of a broken scene reads: every problem at once, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.problems import SceneErrors, SourceProblem
from games.scene import load_scene

ROWS = ["." * 16] * 12 + ["." * 16, ".P...........E.D", "#" * 16, "#" * 16]
LEVEL = "level: |\n" + "".join(f"  {row}\n" for row in ROWS)
GOOD = f"world: tiny\ntheme: dusk\n{LEVEL}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "worlds" / "tiny").mkdir(parents=True)
    return folder


def problems_in(folder: Path, text: str | bytes) -> tuple[SourceProblem, ...]:
    path = folder / "scene.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        load_scene(path, worlds=folder / "worlds")
    except SceneErrors as errors:
        return errors.problems
    return ()


def only(folder: Path, text: str | bytes) -> SourceProblem:
    (problem,) = problems_in(folder, text)
    return problem


def at(problem: SourceProblem) -> tuple[int, int]:
    return problem.line, problem.column


def test_the_good_scene_is_good(folder: Path) -> None:
    assert not problems_in(folder, GOOD)


def test_an_error_prints_place_line_caret_expectation_and_nearest_name(folder: Path) -> None:
    problem = only(folder, GOOD.replace("dusk", "dsk"))
    assert str(problem).splitlines() == [
        f"{folder / 'scene.yaml'}:2:8: error: unknown theme 'dsk'",
        "    theme: dsk",
        "           ^",
        f"  expected: {problem.expected}",
        "  did you mean: dusk",
    ]
    assert "meadow" in problem.expected


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        "titel: Hm\nworld: tinny\ntheme: dusk\nfps: 100\nfps: 30\nscale: big\n"
        "keys:\n  left: [lft]\n" + LEVEL.replace("D", "d")
    )
    messages = [problem.message for problem in problems_in(folder, text)]
    assert messages == [
        "unknown key 'titel' in the scene",
        "unknown world 'tinny'",
        "fps is out of range: 100",
        "'fps' is set a second time (first on line 4)",
        "scale is text",
        "unknown key name 'lft'",
        "unknown map character 'd'",
        "the map has no goal door 'D'",
    ]


@pytest.mark.parametrize(
    ("line", "place", "message", "hint"),
    [
        ("titl: x", (1, 1), "unknown key 'titl' in the scene", "title"),
        ("title: 12", (1, 8), "title is a whole number", '"12"'),
        ("title: yes", (1, 8), "title is true or false", '"yes"'),
        ("title: ''", (1, 8), "title is empty", "1 to 60"),
        (f"title: {'x' * 61}", (1, 8), "title has 61 characters", "1 to 60"),
        (r'title: "a\nb"', (1, 8), "title holds a line break or control character", "printable"),
        ("title: [a]", (1, 8), "title is a list", "1 to 60"),
        ("fps: 4", (1, 6), "fps is out of range: 4", "from 5 to 60"),
        ("fps: 20.5", (1, 6), "fps is a number", "whole number"),
        ("fps: '20'", (1, 6), "fps is text", "whole number"),
        ("fps:", (1, 5), "fps has no value", "whole number"),
        ("fps: 0x14", (1, 6), "fps is written '0x14'", "whole number"),
        ("fps: 1_0", (1, 6), "fps is written '1_0'", "whole number"),
        (f"fps: {'9' * 9000}", (1, 6), "fps is out of range: ", "from 5 to 60"),
        ("scale: 13", (1, 8), "scale is out of range: 13", "from 1 to 12"),
        ("seed: -1", (1, 7), "seed is out of range: -1", "from 0 to 4294967295"),
        ("seed: 4294967296", (1, 7), "seed is out of range: 4294967296", "from 0"),
        ("sink: pined", (1, 7), "unknown sink 'pined'", "pinned"),
        ("sink: on", (1, 7), "sink is true or false", "one of off, pinned, refresh"),
        ("keys: left", (1, 7), "keys is text", "key: value"),
        ("keys: {lft: [q]}", (1, 8), "unknown key 'lft' in keys", "left"),
        ("keys: {left: q}", (1, 14), "keys of left is text", "a list of key names"),
        ("keys: {left: []}", (1, 14), "keys of left is an empty list", "a list of key names"),
        ("keys: {left: [[q]]}", (1, 15), "an entry of keys of left is a list", "key names"),
        ("keys: {jump: [spce]}", (1, 15), "unknown key name 'spce'", "space"),
        ("keys: {jump: [r]}", (1, 15), "the key 'r' is kept for the engine", "escape"),
        ("keys: {jump: [a]}", (1, 15), "the key 'a' already stands for left by default", "one"),
        ("keys: {jump: [k, k]}", (1, 18), "the key 'k' already stands for jump", "one button"),
        ("title: &t Hi", (1, 8), "YAML anchors and aliases are not used in scenes", "value"),
        ("title: !!str Hi", (1, 8), "YAML tags are not used in scenes", "without a tag"),
    ],
)
def test_a_wrong_value_is_named_where_it_stands(
    folder: Path, line: str, place: tuple[int, int], message: str, hint: str
) -> None:
    problem = only(folder, f"{line}\n{GOOD}")
    assert at(problem) == place
    assert problem.message.startswith(message)
    assert hint in problem.expected + problem.suggestion


@pytest.mark.parametrize(
    ("palette", "message", "hint"),
    [
        ("{sky: '#112233'}", "palette has no haze, backdrop, ", "base: <theme>"),
        ("{base: nion}", "unknown base 'nion'", "neon"),
        ("{base: neon, skye: '#112233'}", "unknown key 'skye' in palette", "sky"),
        ("{base: neon, hero: '#112233'}", "unknown key 'hero' in palette", "sky"),
        ("{base: neon, sky: '#12345'}", "sky is no colour: '#12345'", "#4a90d9"),
        ("{base: neon, sky: blue}", "sky is no colour: 'blue'", "#4a90d9"),
        ("{base: neon, sky: 112233}", "sky is a whole number", "#4a90d9"),
        ("{base: neon, ground_style: bricks}", "unknown ground_style 'bricks'", "brick"),
        ("{base: neon, backdrop_seed: 64}", "backdrop_seed is out of range: 64", "0 to 63"),
        ("neon", "palette is text", "key: value"),
    ],
)
def test_a_wrong_palette_is_named(folder: Path, palette: str, message: str, hint: str) -> None:
    problem = only(folder, GOOD.replace("theme: dusk", f"palette: {palette}"))
    assert problem.line == 2
    assert problem.message.startswith(message)
    assert hint in problem.expected + problem.suggestion


def test_a_colour_without_quotes_is_explained(folder: Path) -> None:
    text = GOOD.replace("theme: dusk", "palette:\n  base: neon\n  sky: #112233")
    problem = only(folder, text)
    assert problem.message == "sky has no value"
    assert "an unquoted # starts a comment" in problem.expected


def test_theme_and_palette_exclude_each_other(folder: Path) -> None:
    both = only(folder, f"palette: {{base: neon}}\n{GOOD}")
    assert both.message == "both theme and palette are set"
    neither = only(folder, GOOD.replace("theme: dusk\n", ""))
    assert neither.message == "the scene has neither theme nor palette"


@pytest.mark.parametrize("key", ["world", "level"])
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    text = GOOD.replace("world: tiny\n", "") if key == "world" else GOOD.replace(LEVEL, "")
    assert only(folder, text).message == f"the scene has no '{key}'"


def test_without_any_world_the_scene_says_so(folder: Path, tmp_path: Path) -> None:
    path = folder / "scene.yaml"
    path.write_text(GOOD)
    with pytest.raises(SceneErrors, match="unknown world 'tiny'"):
        load_scene(path, worlds=tmp_path / "none")


@pytest.mark.parametrize(
    ("row", "changed", "place", "message"),
    [
        (3, "......x.........", (7, 9), "unknown map character 'x'"),
        (3, "...............", (7, 18), "this row has 15 characters"),
        (3, "." * 17, (7, 19), "this row has 17 characters"),
        (0, ".P..............", (17, 4), "a second player start"),
        (3, "..D.............", (17, 18), "a second goal door"),
        (13, "...............D", (19, 3), "the map has no player start 'P'"),
        (3, "..E.E.E.........", (17, 16), "one enemy too many"),
    ],
)
def test_a_wrong_map_is_mended_where_it_is_drawn(
    folder: Path, row: int, changed: str, place: tuple[int, int], message: str
) -> None:
    rows = [*ROWS[:row], changed, *ROWS[row + 1 :]]
    text = "world: tiny\ntheme: dusk\nlevel: |\n" + "".join(f"  {row}\n" for row in rows)
    problem = only(folder, text)
    assert problem.message == message
    assert at(problem) == place


def test_a_map_may_be_indented_and_begin_with_spaces(folder: Path) -> None:
    drawn = "".join(f"       {row}\n" for row in [" " * 16, *ROWS[1:3], "x" + "." * 15, *ROWS[4:]])
    (problem,) = problems_in(folder, f"world: tiny\ntheme: dusk\nlevel: |7 # the map\n{drawn}")
    assert at(problem) == (7, 8)
    assert problem.snippet[problem.column - 1] == "x"


def test_a_map_with_a_row_too_few_says_how_many(folder: Path) -> None:
    assert (
        only(folder, GOOD.replace("  " + "." * 16 + "\n", "", 1)).message == "the map has 15 rows"
    )


@pytest.mark.parametrize(
    "level", ["level: ....", "level: 'P D'", "level: >\n  ....", "level: [a]", "level: |\ntitle: x"]
)
def test_a_level_that_is_no_block_is_told_how_to_be_one(folder: Path, level: str) -> None:
    problem = only(folder, f"world: tiny\ntheme: dusk\n{level}\n")
    assert at(problem) == (3, 8)
    assert "`level: |`" in problem.expected


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("title: a: b\n", (1, 9), "text with a colon in quotes"),
        ("title: a\n\tfps: 20\n", (2, 1), "spaces, not tabs"),
        ("title: @home\n", (1, 8), "the text in quotes"),
        ("title: 'oops\nfps: 20\n", (1, 8), "a closing quote"),
        ("keys: {left: [a\n", (1, 14), "a closing bracket"),
        ("title: \x01\n", (1, 8), "printable characters"),
        ("title: x\n---\ntitle: y\n", (2, 1), "one scene per file"),
        ("[" * 5000, (1, 9), "key: value lines"),
        ("", (1, 1), "a scene"),
        ("# only a comment\n", (1, 1), "a scene"),
        ("- a\n", (1, 1), "`key: value` lines"),
    ],
)
def test_what_is_no_mapping_of_yaml_is_one_error(
    folder: Path, text: str, place: tuple[int, int], expected: str
) -> None:
    problem = only(folder, text)
    assert at(problem) == place
    assert expected in problem.expected


def test_a_bomb_of_aliases_is_refused_before_it_unfolds(folder: Path) -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    messages = {problem.message for problem in problems_in(folder, bomb)}
    assert "YAML anchors and aliases are not used in scenes" in messages


def test_no_tag_makes_an_object(folder: Path) -> None:
    text = f"title: !!python/object/apply:os.getcwd []\n{GOOD}"
    messages = [problem.message for problem in problems_in(folder, text)]
    assert messages[0] == "YAML tags are not used in scenes"


def test_files_that_cannot_be_read_are_errors_too(folder: Path) -> None:
    for path, message in [(folder / "none.yaml", "no such file"), (folder, "a directory")]:
        with pytest.raises(SceneErrors, match=message):
            load_scene(path)
    assert only(folder, "title: ok\ntitle: \xe9".encode("latin-1")).message.endswith("not UTF-8")
    assert at(only(folder, "title: ok\ntitle: \xe9".encode("latin-1"))) == (2, 8)
    assert only(folder, "#" * 70_000).message == "the file is too large for a scene"


def test_the_caret_counts_cells_not_characters(folder: Path) -> None:
    text = GOOD.replace("theme: dusk", "palette: {base: neon, 世界: 1, sky: blue}")
    printed = str(problems_in(folder, text)[1]).splitlines()
    assert printed[1].index("blue") + 2 == printed[2].index("^")  # 世 and 界 are two cells each


def test_a_long_line_is_cut_around_its_caret(folder: Path) -> None:
    text = GOOD.replace("theme: dusk", f"palette: {{base: neon, {' ' * 5000} sky: blue}}")
    printed = str(only(folder, text)).splitlines()
    assert len(printed[1]) < 120
    assert printed[1].index("blue") == printed[2].index("^")


def test_control_characters_of_a_file_never_reach_the_terminal(folder: Path) -> None:
    problem = only(folder, f"title: \x1b[2J\n{GOOD}")
    assert "\x1b" not in str(problem)
    assert "\x1b" not in str(only(folder, GOOD.replace("dusk", '"\\e[2J"')))


@settings(max_examples=150, deadline=None)
@given(junk=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_scene_errors(folder: Path, junk: bytes) -> None:
    assert problems_in(folder, junk)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_problem_of_a_damaged_scene_points_into_the_file(
    folder: Path, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(start + 12, len(GOOD))))
    text = (
        GOOD[:start] + data.draw(st.text("ab: #|>-[]{},*&!'\"\n\tPDE.", max_size=12)) + GOOD[end:]
    )
    for problem in problems_in(folder, text):
        lines = text.split("\n")
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message
        assert problem.expected
