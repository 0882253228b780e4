"""A scene file as text and as a YAML tree that knows where each of its parts stands.

Knows bytes, lines and YAML; knows nothing about what a scene should say. Only plain data is let
in: no tags, no anchors and aliases, no second document, bounded size and depth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import yaml

from games.problems import SceneErrors, SourceProblem

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 8
# What YAML calls a line break; str.splitlines() knows more of them.
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class _Mark(Protocol):
    line: int
    column: int


@dataclass
class Source:
    """The text of one file, and the problems found in it so far."""

    path: Path
    text: str
    lines: list[str] = field(init=False)
    problems: list[SourceProblem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = _LINE_BREAK.split(self.text)

    def report(
        self, line: int, column: int, message: str, *, expected: str = "", suggestion: str = ""
    ) -> None:
        """Note a problem at a 0-based place; a column beyond its line stands for the line's end."""
        snippet = self.lines[line] if line < len(self.lines) else ""
        column = min(column, len(snippet))
        self.problems.append(
            SourceProblem(self.path, line + 1, column + 1, message, snippet, expected, suggestion)
        )


def read_source(path: Path) -> Source:
    """Read a file; raises SceneErrors where there is no readable UTF-8 text of a sane size."""
    if path.is_dir():
        raise _unreadable(path, "this is a directory", "a scene file (*.yaml)")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, "no such file", "a scene file (*.yaml)") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(path, f"cannot be read: {reason}", "a readable file") from None
    if len(data) > MAX_BYTES:
        expected = f"at most {MAX_BYTES // 1024} KiB of YAML"
        raise _unreadable(path, "the file is too large for a scene", expected)
    try:
        return Source(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        source = Source(path, before)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        last = len(source.lines) - 1
        source.report(last, len(source.lines[last]), message, expected="a text file in UTF-8")
        raise SceneErrors(source.problems) from None


def parse_yaml(source: Source) -> yaml.Node | None:
    """Build the node tree, noting syntax errors and forbidden constructs in `source`.

    Returns None where there is no tree to read on.
    """
    try:
        if not _screen(source):
            return None
        return yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.composer.ComposerError:
        return None  # aliases, anchors, second documents: _screen has named each of them
    except yaml.MarkedYAMLError as error:
        _report_syntax(source, error)
    except yaml.reader.ReaderError as error:
        lines = _LINE_BREAK.split(source.text[: error.position])
        message = f"the character U+{ord(source.text[error.position]):04X} is not allowed in YAML"
        source.report(len(lines) - 1, len(lines[-1]), message, expected="printable characters")
    return None


def _screen(source: Source) -> bool:
    """Walk the events before any tree is built; returns whether one may be built."""
    depth = documents = 0
    for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
        line, column = place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                source.report(line, column, "a second YAML document", expected="one scene per file")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            source.report(line, column, "YAML anchors and aliases are not used in scenes",
                          expected="the value itself")  # fmt: skip
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            source.report(line, column, "YAML tags are not used in scenes",
                          expected="the value without a tag")  # fmt: skip
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            source.report(line, column, "nested too deeply", expected="key: value lines")
            return False
    return True


def _report_syntax(source: Source, error: yaml.MarkedYAMLError) -> None:
    line, column = place(error.problem_mark or error.context_mark)
    at_end = line >= len(source.lines) or not "".join(source.lines[line:]).strip()
    if at_end and error.context_mark is not None:
        line, column = place(error.context_mark)  # what was opened says more than the file's end
    context = f" ({error.context})" if error.context else ""
    message = f"not valid YAML: {error.problem}{context}"
    source.report(line, column, message, expected=_syntax_advice(source, line, column))


def _syntax_advice(source: Source, line: int, column: int) -> str:
    char = source.lines[line][column : column + 1] if line < len(source.lines) else ""
    if char == "\t":
        return "spaces, not tabs"
    if char in {"'", '"'}:
        return "a closing quote, on the same line"
    if char in {"[", "{"}:
        return "a closing bracket"
    if char and char in "@`%|>],}&*!":
        return "a plain value, or the text in quotes"
    return "`key: value` lines with the same indentation, text with a colon in quotes"


def place(mark: _Mark | None) -> tuple[int, int]:
    """Return a mark's 0-based line and column."""
    return (mark.line, mark.column) if mark is not None else (0, 0)


def _unreadable(path: Path, message: str, expected: str) -> SceneErrors:
    return SceneErrors([SourceProblem(path, 1, 1, message, expected=expected)])
