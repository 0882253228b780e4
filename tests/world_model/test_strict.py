"""Configs from JSON: whatever does not fit is named by its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from world_model.errors import ConfigError
from world_model.strict import from_dict, to_dict


@dataclass(frozen=True)
class Inner:
    depth: int = 2
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str
    pair: tuple[int, int] = (1, 2)
    on: bool = False
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)


WHOLE = Outer("a", (3, 4), True, 7, Inner(5, (0.5, 1.0)))


@pytest.mark.parametrize("config", [Outer("a"), WHOLE, Outer("", limit=0)])
def test_a_config_survives_json(config: Outer) -> None:
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config


def test_what_is_left_out_has_its_default() -> None:
    assert from_dict(Outer, {"name": "a", "inner": {}}) == Outer("a")


def test_whole_numbers_are_numbers() -> None:
    rates = from_dict(Inner, {"rates": [1, 2.5]}).rates
    assert rates == (1.0, 2.5)
    assert isinstance(rates[0], float)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "name: missing"),
        ([], "config: expected a mapping, got list"),
        ({"name": "a", "nam": 1}, "nam: unknown entry; known: name, pair, on, limit, inner"),
        ({"name": "a", "inner": {"deep": 1}}, "inner.deep: unknown entry; known: depth, rates"),
        ({"name": 1}, "name: expected str, got 1"),
        ({"name": "a", "inner": 3}, "inner: expected a mapping, got int"),
        ({"name": "a", "inner": {"depth": "3"}}, "inner.depth: expected int, got '3'"),
        ({"name": "a", "inner": {"depth": 3.0}}, "inner.depth: expected int, got 3.0"),
        ({"name": "a", "inner": {"depth": True}}, "inner.depth: expected int, got True"),
        ({"name": "a", "inner": {"rates": [1, None]}}, "inner.rates[1]: expected float, got None"),
        ({"name": "a", "on": 1}, "on: expected bool, got 1"),
        ({"name": "a", "limit": "7"}, "limit: expected int, got '7'"),
        ({"name": "a", "pair": 3}, "pair: expected a list, got int"),
        ({"name": "a", "pair": [1, 2, 3]}, "pair: expected 2 entries, got 3"),
    ],
)
def test_a_misfit_is_named_by_its_place(data: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_dict(Outer, data)
    assert str(caught.value) == message
