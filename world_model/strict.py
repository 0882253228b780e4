"""Frozen dataclasses to and from JSON, unknown keys rejected. Knows no particular config."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from world_model.errors import ConfigError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a dataclass as plain dicts and lists."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], data: object, where: str = "") -> T:
    """Build the dataclass `cls` from JSON data; raises ConfigError with the entry's place."""
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where.rstrip('.') or 'config'}: expected a mapping, got {type(data).__name__}"
        )
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - set(fields)):
        raise ConfigError(f"{where}{unknown[0]}: unknown entry; known: {', '.join(fields)}")
    hints = get_type_hints(cls)
    values = {}
    for name, spec in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}{name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}{name}: missing")
    return cls(**values)


def _convert(hint: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, f"{where}.")  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: expected a list, got {type(value).__name__}")
        args = get_args(hint)
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(inner) != len(value):
            raise ConfigError(f"{where}: expected {len(inner)} entries, got {len(value)}")
        return tuple(
            _convert(t, v, f"{where}[{i}]")
            for i, (t, v) in enumerate(zip(inner, value, strict=True))
        )
    if get_origin(hint) is types.UnionType:  # only `T | None` is in use
        (kind,) = set(get_args(hint)) - {type(None)}
        return None if value is None else _convert(kind, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (
        not isinstance(hint, type)
        or not isinstance(value, hint)
        or isinstance(value, bool) != (hint is bool)
    ):
        raise ConfigError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
    return value
