"""Reads typed values out of YAML nodes, noting what does not fit at the place where it stands.

Knows types, ranges and names; which fields there are is the schema's business. Every reader
goes on after noting a problem (with a default, with None, without the entry), so that one
mistake hides no other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from games.problems import nearest, quoted
from games.yaml_source import Source, place

_TAG: Final = "tag:yaml.org,2002:"
_KINDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "seq": "a list",
    "map": "a mapping",
}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Reader:
    """Reads nodes of one source; problems go into the source."""

    source: Source

    def problem(
        self, node: yaml.Node, message: str, *, expected: str = "", suggestion: str = ""
    ) -> None:
        """Note a problem at a node."""
        line, column = place(node.start_mark)
        self.source.report(line, column, message, expected=expected, suggestion=suggestion)

    def mapping(
        self, node: yaml.Node, name: str, known: Collection[str], required: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """Read the values of known keys; notes unknown, duplicate and missing ones."""
        if not isinstance(node, yaml.MappingNode):
            self._wrong_type(node, name, "`key: value` lines")
            return {}
        fields: dict[str, yaml.Node] = {}
        first_lines: dict[str, int] = {}
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if key not in known:
                self._unknown_key(key_node, name, known)
            elif key in fields:
                message = f"{quoted(key)} is set a second time (first on line {first_lines[key]})"
                self.problem(key_node, message, expected="each key once")
            else:
                fields[key] = value
                first_lines[key] = place(key_node.start_mark)[0] + 1
        for key in required:
            if key not in fields:
                self.problem(node, f"{name} has no {quoted(key)}", expected=f"a line `{key}: ...`")
        return fields

    def integer(self, node: yaml.Node | None, name: str, span: range, default: int) -> int:
        """Read a whole number within `span`."""
        if node is None:
            return default
        expected = f"a whole number from {span.start} to {span.stop - 1}"
        if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}int":
            self._wrong_type(node, name, expected)
        elif not _INTEGER.fullmatch(node.value):
            self.problem(node, f"{name} is written {quoted(node.value)}", expected=expected)
        else:
            # Twenty digits are out of every range here; more would only be slow to convert.
            value = int(node.value[:20])
            if value in span:
                return value
            self.problem(node, f"{name} is out of range: {quoted(node.value)[1:-1]}",
                         expected=expected)  # fmt: skip
        return default

    def text(self, node: yaml.Node, name: str, expected: str) -> str | None:
        """Read text."""
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}str":
            return str(node.value)
        if isinstance(node, yaml.ScalarNode) and node.tag != f"{_TAG}null":
            expected += f'; to use it as text, quote it: "{node.value[:20]}"'
        self._wrong_type(node, name, expected)
        return None

    def choice(self, node: yaml.Node | None, name: str, names: Collection[str]) -> str | None:
        """Read one of `names`."""
        if node is None:
            return None
        expected = f"one of {', '.join(sorted(names))}"
        value = self.text(node, name, expected)
        if value is None or value in names:
            return value
        self.problem(node, f"unknown {name} {quoted(value)}", expected=expected,
                     suggestion=nearest(value, names))  # fmt: skip
        return None

    def words(self, node: yaml.Node, name: str, expected: str) -> list[tuple[yaml.Node, str]]:
        """Read a list of one or more scalars as written (`1` is the key 1), with their nodes."""
        if not isinstance(node, yaml.SequenceNode):
            self._wrong_type(node, name, expected)
            return []
        if not node.value:
            self.problem(node, f"{name} is an empty list", expected=expected)
        words: list[tuple[yaml.Node, str]] = []
        for item in node.value:
            if isinstance(item, yaml.ScalarNode) and item.tag != f"{_TAG}null":
                words.append((item, item.value))
            else:
                self._wrong_type(item, f"an entry of {name}", expected)
        return words

    def _wrong_type(self, node: yaml.Node, name: str, expected: str) -> None:
        kind = _KINDS.get(node.tag.removeprefix(_TAG), "something else")
        message = f"{name} is {kind}"
        if kind == "nothing":
            message = f"{name} has no value"
            if "#" in self._rest_of_line(node):
                expected += "; an unquoted # starts a comment"
        self.problem(node, message, expected=expected)

    def _rest_of_line(self, node: yaml.Node) -> str:
        line, column = place(node.start_mark)
        return self.source.lines[line][column:] if line < len(self.source.lines) else ""

    def _unknown_key(self, node: yaml.Node, name: str, known: Collection[str]) -> None:
        key = node.value if isinstance(node, yaml.ScalarNode) else ""
        message = f"unknown key {quoted(key)} in {name}" if key else f"a key of {name} is no name"
        expected = f"one of {', '.join(sorted(known))}"
        self.problem(node, message, expected=expected, suggestion=nearest(key, known))
