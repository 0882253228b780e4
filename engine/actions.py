"""The actions file: what is held at every tick, as text that a person can write.

One line is one tick: the names of the held buttons, separated by spaces. An empty line holds
nothing, `# ...` is a comment (a line with nothing else is no tick), a final `xN` holds the line's
buttons for N ticks, and `!reset` starts the scene anew before the line's first tick:

    # run, then jump across
    right x20
    right jump x12

    !reset left

Knows the world's button names and nothing about keys.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import ActionsError
from games.problems import SourceProblem, nearest, quoted

RESET_WORD = "!reset"
MAX_TICKS = 1_000_000
_REPEAT = re.compile(r"x(\d+)")


@dataclass(frozen=True)
class Script:
    """Actions of a whole run.

    held: (ticks, buttons) bool; resets: (ticks,) bool, true where the scene starts anew first.
    """

    held: NDArray[np.bool_]
    resets: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.held)


def read_actions(path: Path, buttons: Sequence[str]) -> Script:
    """Read an actions file, raising ActionsError with all its problems."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problem = SourceProblem(path, 1, 1, f"cannot read: {reason}", "", "a text file of actions")
        raise ActionsError([problem]) from error
    return parse_actions(text, buttons, path=path)


def parse_actions(text: str, buttons: Sequence[str], *, path: Path) -> Script:
    """Parse the text of an actions file; `path` only names it in errors."""
    parser = _Parser(path, tuple(buttons))
    for number, line in enumerate(text.splitlines(), start=1):
        parser.feed(number, line)
    if parser.problems:
        raise ActionsError(parser.problems)
    held = np.array(parser.held, dtype=np.bool_).reshape(-1, len(buttons))
    counts = np.array(parser.counts, dtype=np.int64)
    resets = np.zeros(counts.sum(), dtype=np.bool_)
    resets[(np.cumsum(counts) - counts)[np.array(parser.resets, dtype=np.bool_)]] = True
    return Script(np.repeat(held, counts, axis=0), resets)


def format_action(action: NDArray[np.bool_], buttons: Sequence[str], *, reset: bool = False) -> str:
    """Write one tick as a line of an actions file, without the line break."""
    words = [RESET_WORD] if reset else []
    words += [name for name, is_held in zip(buttons, action, strict=True) if is_held]
    return " ".join(words)


class _Parser:
    """Collects one row per line and every problem on the way."""

    def __init__(self, path: Path, buttons: tuple[str, ...]) -> None:
        self.held: list[list[bool]] = []
        self.resets: list[bool] = []
        self.counts: list[int] = []
        self.problems: list[SourceProblem] = []
        self._total = 0
        self._path = path
        self._buttons = buttons

    def feed(self, number: int, line: str) -> None:
        content = line.split("#", 1)[0]
        if not content.strip() and "#" in line:
            return
        words = list(re.finditer(r"\S+", content))
        count = self._take_repeat(words, number, line)
        row = [False] * len(self._buttons)
        reset = False
        for word in words:
            if word.group() in self._buttons:
                row[self._buttons.index(word.group())] = True
            elif word.group() == RESET_WORD:
                reset = True
            else:
                self._reject(word, number, line)
        self.held.append(row)
        self.resets.append(reset)
        self.counts.append(count)
        self._total += count

    def _take_repeat(self, words: list[re.Match[str]], number: int, line: str) -> int:
        repeat = _REPEAT.fullmatch(words[-1].group()) if words else None
        if repeat is None or repeat.group() in self._buttons:
            return 1
        column = words.pop().start() + 1
        count = int(repeat.group(1)) if len(repeat.group(1)) <= len(str(MAX_TICKS)) else 0
        if 1 <= count <= MAX_TICKS - self._total:
            return count
        message = f"cannot repeat this line {quoted(repeat.group(1))} times"
        expected = f"x1 or more, and at most {MAX_TICKS} ticks in all"
        self.problems.append(SourceProblem(self._path, number, column, message, line, expected))
        return 1

    def _reject(self, word: re.Match[str], number: int, line: str) -> None:
        names = (*self._buttons, RESET_WORD)
        self.problems.append(
            SourceProblem(
                self._path,
                number,
                word.start() + 1,
                f"unknown button {quoted(word.group())}",
                line,
                f"one of {', '.join(names)}, or a final xN",
                nearest(word.group(), names),
            )
        )
