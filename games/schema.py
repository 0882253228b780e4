"""What a scene file says, key by key: the names, the types, the ranges and the defaults.

Turns a YAML tree into values; where files lie and how frames are made is `scene`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast, get_args

import yaml

from games.fields import Reader
from games.keys import KEY_NAMES, PLATFORMER_KEYS, RESERVED_KEYS
from games.platformer.level import SIZE, Level, LevelError, parse_level
from games.platformer.themes import (
    BACKDROP_SEEDS,
    BACKDROP_STYLES,
    COLOURS,
    GROUND_STYLES,
    HERO_COLOURS,
    RGB,
    THEMES,
    Palette,
)
from games.problems import nearest, quoted
from games.yaml_source import Source, place

TITLE_CHARS: Final = 60
FPS: Final = range(5, 61)
SCALE: Final = range(1, 13)
SEED: Final = range(2**32)
DEFAULT_FPS: Final = 20
DEFAULT_SCALE: Final = 4
DEFAULT_SEED: Final = 0
Sink = Literal["pinned", "refresh", "off"]
"""Whether a world remembers how a session started: for ever, until later frames take the place, or
not at all."""
SINKS: Final[tuple[Sink, ...]] = get_args(Sink)

REQUIRED: Final = ("world", "level")
SCENE_KEYS: Final = ("title", *REQUIRED, "theme", "palette", "keys", "fps", "scale", "seed", "sink")
# The hero looks the same in every world, so that worlds keep it sharp: scenes cannot repaint it.
SCENE_COLOURS: Final = tuple(name for name in COLOURS if name not in HERO_COLOURS)

_COLOUR: Final = re.compile("#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_COLOUR_EXPECTED: Final = 'a colour in quotes, such as "#4a90d9"'
_LEVEL_EXPECTED: Final = f"`level: |` and {SIZE} indented rows of {SIZE} characters"
_PLACEHOLDER: Final = THEMES["meadow"]  # stands in where the file names no usable palette


@dataclass(frozen=True)
class SceneFields:
    """The checked values of a scene file."""

    title: str
    world: str
    level: Level | None
    palette: Palette
    keys: Mapping[str, tuple[str, ...]]
    fps: int
    scale: int
    seed: int
    sink: Sink


def read_scene_fields(document: yaml.Node, source: Source, worlds: Collection[str]) -> SceneFields:
    """Read a scene's tree; whatever does not fit is noted in `source.problems`."""
    read = Reader(source)
    fields = read.mapping(document, "the scene", SCENE_KEYS, REQUIRED)
    return SceneFields(
        title=_title(read, fields.get("title"), source.path),
        world=_world(read, fields.get("world"), worlds),
        level=_level(read, fields.get("level")),
        palette=_look(read, document, fields),
        keys=_keys(read, fields.get("keys")),
        fps=read.integer(fields.get("fps"), "fps", FPS, DEFAULT_FPS),
        scale=read.integer(fields.get("scale"), "scale", SCALE, DEFAULT_SCALE),
        seed=read.integer(fields.get("seed"), "seed", SEED, DEFAULT_SEED),
        sink=_sink(read, fields.get("sink")),
    )


def _sink(read: Reader, node: yaml.Node | None) -> Sink:
    """Read the sink; a plain `off` means false to YAML, but what it is to mean is plain."""
    if isinstance(node, yaml.ScalarNode) and node.value == "off":
        return "off"
    return cast(Sink, read.choice(node, "sink", SINKS) or "pinned")


def _title(read: Reader, node: yaml.Node | None, path: Path) -> str:
    """Read the title; a scene without one is called what its file is called."""
    if node is None:
        name = path.stem.replace("_", " ").replace("-", " ").strip()
        return (name.capitalize() or "Untitled")[:TITLE_CHARS]
    expected = f"1 to {TITLE_CHARS} printable characters"
    title = read.text(node, "title", expected)
    if title is None:
        return ""
    if not title.strip():
        read.problem(node, "title is empty", expected=expected)
    elif len(title) > TITLE_CHARS:
        read.problem(node, f"title has {len(title)} characters", expected=expected)
    elif not title.isprintable():
        read.problem(node, "title holds a line break or control character", expected=expected)
    return title


def _world(read: Reader, node: yaml.Node | None, worlds: Collection[str]) -> str:
    if worlds or node is None:
        return read.choice(node, "world", worlds) or ""
    expected = "a trained world's folder in assets/worlds/ (there is none yet)"
    world = read.text(node, "world", expected)
    if world is not None:
        read.problem(node, f"unknown world {quoted(world)}", expected=expected)
    return ""


def _level(read: Reader, node: yaml.Node | None) -> Level | None:
    if node is None:
        return None
    if not isinstance(node, yaml.ScalarNode) or node.style != "|":
        read.problem(node, "level is not a block of text", expected=_LEVEL_EXPECTED)
        return None
    rows = node.value.splitlines()
    if not any(rows):
        read.problem(node, "level is empty", expected=_LEVEL_EXPECTED)
        return None
    try:
        return parse_level(node.value)
    except LevelError as error:
        first_line = place(node.start_mark)[0] + 1
        indent = _indent(read.source, first_line, rows)
        for problem in error.problems:
            line, column = first_line + problem.line, indent + problem.column
            read.source.report(line, column, problem.message, expected=problem.expected)
    return None


def _indent(source: Source, first_line: int, rows: list[str]) -> int:
    """Count the columns that YAML cut from each row of a block."""
    for line, row in zip(source.lines[first_line:], rows, strict=False):
        if row:
            return len(line) - len(row)
    return 0


def _look(read: Reader, document: yaml.Node, fields: Mapping[str, yaml.Node]) -> Palette:
    theme, palette = fields.get("theme"), fields.get("palette")
    if theme is not None and palette is not None:
        expected = "one of the two; a palette may start from `base: <theme>`"
        read.problem(theme, "both theme and palette are set", expected=expected)
    elif theme is None and palette is None and isinstance(document, yaml.MappingNode):
        read.problem(document, "the scene has neither theme nor palette",
                     expected="`theme: <name>` or `palette:` with colours")  # fmt: skip
    if palette is not None:
        return _palette(read, palette)
    return THEMES.get(read.choice(theme, "theme", THEMES) or "", _PLACEHOLDER)


def _palette(read: Reader, node: yaml.Node) -> Palette:
    known = ("base", *SCENE_COLOURS, "ground_style", "backdrop_style", "backdrop_seed")
    fields = read.mapping(node, "palette", known)
    base = THEMES.get(read.choice(fields.get("base"), "base", THEMES) or "", _PLACEHOLDER)
    missing = [name for name in SCENE_COLOURS if name not in fields]
    if missing and "base" not in fields and isinstance(node, yaml.MappingNode):
        read.problem(node, f"palette has no {', '.join(missing)}",
                     expected=f"all {len(SCENE_COLOURS)} colours, or `base: <theme>`")  # fmt: skip
    colours = {
        name: _colour(read, fields.get(name), name, getattr(base, name)) for name in SCENE_COLOURS
    }
    ground, backdrop = fields.get("ground_style"), fields.get("backdrop_style")
    seeds = range(BACKDROP_SEEDS)
    return Palette(
        **colours,
        ground_style=read.choice(ground, "ground_style", GROUND_STYLES) or base.ground_style,
        backdrop_style=read.choice(backdrop, "backdrop_style", BACKDROP_STYLES)
        or base.backdrop_style,
        backdrop_seed=read.integer(
            fields.get("backdrop_seed"), "backdrop_seed", seeds, base.backdrop_seed
        ),
    )


def _colour(read: Reader, node: yaml.Node | None, name: str, default: RGB) -> RGB:
    if node is None:
        return default
    text = read.text(node, name, _COLOUR_EXPECTED)
    if text is None:
        return default
    match = _COLOUR.fullmatch(text)
    if match is None:
        read.problem(node, f"{name} is no colour: {quoted(text)}", expected=_COLOUR_EXPECTED)
        return default
    red, green, blue = (int(channel, 16) for channel in match.groups())
    return red, green, blue


def _keys(read: Reader, node: yaml.Node | None) -> dict[str, tuple[str, ...]]:
    if node is None:
        return dict(PLATFORMER_KEYS)
    fields = read.mapping(node, "keys", PLATFORMER_KEYS)
    # Buttons that the scene leaves alone keep their keys; their keys are taken first.
    keys = {name: keys for name, keys in PLATFORMER_KEYS.items() if name not in fields}
    taken = {key: f"{name} by default" for name, names in keys.items() for key in names}
    for name, words in fields.items():
        keys[name] = _button_keys(read, words, name, taken)
    return {name: keys[name] for name in PLATFORMER_KEYS}


def _button_keys(
    read: Reader, node: yaml.Node, button: str, taken: dict[str, str]
) -> tuple[str, ...]:
    expected = f"a list of key names, such as [{', '.join(PLATFORMER_KEYS[button])}]"
    names = []
    for word, key in read.words(node, f"keys of {button}", expected):
        if key not in KEY_NAMES:
            free = KEY_NAMES - RESERVED_KEYS
            read.problem(word, f"unknown key name {quoted(key)}", suggestion=nearest(key, free),
                         expected="a letter, a digit or a key's name in lower case")  # fmt: skip
        elif key in RESERVED_KEYS:
            read.problem(word, f"the key {quoted(key)} is kept for the engine",
                         expected=f"any key but {', '.join(sorted(RESERVED_KEYS))}")  # fmt: skip
        elif key in taken:
            read.problem(word, f"the key {quoted(key)} already stands for {taken[key]}",
                         expected="each key for one button only")  # fmt: skip
        else:
            taken[key] = button
            names.append(key)
    return tuple(names)
