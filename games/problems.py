"""What can be wrong with a file that a person wrote, said so that its author can mend it.

Knows places, sentences and how they print; knows nothing about YAML or about what a file holds.

    SceneErrors(ValueError)     everything wrong with one file, as `problems`
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SNIPPET_CHARS: Final = 100
QUOTED_CHARS: Final = 40


@dataclass(frozen=True)
class SourceProblem:
    """One thing wrong; `line` and `column` are 1-based, `snippet` is the offending line."""

    path: Path
    line: int
    column: int
    message: str
    snippet: str = ""
    expected: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        lines = [f"{self.path}:{self.line}:{self.column}: error: {self.message}"]
        if self.snippet:
            lines += _caret(self.snippet, self.column - 1)
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.suggestion:
            lines.append(f"  did you mean: {self.suggestion}")
        return "\n".join(lines)


class SceneErrors(ValueError):  # noqa: N818 - it is all of them
    """A scene that cannot be used; `problems` holds all reasons in the order of the file."""

    def __init__(self, problems: Iterable[SourceProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (str(p.path), p.line, p.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the most similar of `names`, or nothing where none is near."""
    # Only the start of a long text can resemble a name, and difflib is quadratic.
    return next(iter(difflib.get_close_matches(name[:QUOTED_CHARS], names, n=1, cutoff=0.5)), "")


def quoted(text: str) -> str:
    """Quote text from a file for a message: escaped, and cut where it is long."""
    return repr(text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1] + "…")


def _caret(line: str, column: int) -> list[str]:
    start = max(0, column - SNIPPET_CHARS + 10)
    shown = [_printable(char) for char in line[start : start + SNIPPET_CHARS]]
    width = sum(_cells(char) for char in shown[: column - start])
    return ["    " + "".join(shown), "    " + " " * width + "^"]


def _printable(char: str) -> str:
    # A tab would move the caret; a control character could drive the terminal.
    if char == "\t":
        return " "
    return char if char.isprintable() else "·"


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
