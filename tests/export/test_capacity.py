"""The cost model: exact where machines obey it, sane where they do not; and tiny worlds."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from engine.cli import cli
from export.capacity import VARIANTS, Cost, fit, largest_holding


def made_up(overhead: float, gflops: float, gb_per_s: float) -> list[Cost]:
    sizes = [(1, 8), (2, 9), (3, 20), (5, 12), (8, 40)]
    return [
        Cost(f"{g}", 10, g, mb, overhead + 1000 * g / gflops + mb / gb_per_s) for g, mb in sizes
    ]


def test_a_machine_that_obeys_the_model_is_found_out() -> None:
    found = fit(made_up(2.0, 100.0, 8.0))
    assert found.overhead_ms == pytest.approx(2)
    assert found.gflops == pytest.approx(100)
    assert found.gb_per_s == pytest.approx(8)
    assert found.worst_error < 1e-9
    for cost in made_up(2.0, 100.0, 8.0):
        assert found.predict_ms(cost) == pytest.approx(cost.step_ms)


def test_what_does_not_show_is_left_out_rather_than_negative() -> None:
    costs = [Cost(str(g), 10, g, 100 - g, 10.0 * g) for g in (1, 2, 4, 8)]
    found = fit(costs)
    assert found.overhead_ms >= 0
    assert found.gb_per_s is None
    assert found.gflops == pytest.approx(100, rel=0.01)


def test_the_largest_world_that_holds_a_rate_leaves_room() -> None:
    costs = [Cost("small", 1, 1, 1, 10), Cost("large", 1, 4, 1, 39), Cost("huge", 1, 9, 1, 45)]
    held = largest_holding(costs, 20)
    assert held is not None
    assert held.name == "large"
    assert largest_holding(costs, 200) is None


@pytest.mark.slow
def test_the_command_measures_every_variant_and_prints_one_document() -> None:
    arguments = ["profile", "fit", "--preset", "mini", "--rounds", "3", "--threads", "1", "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    keys = {"fps", "peak_gflops", "peak_gb_per_s", "fit", "costs", "largest_holding"}
    assert keys <= set(document)
    costs = {cost["name"]: cost for cost in document["costs"]}
    assert costs.keys() == VARIANTS.keys()
    assert all(cost["step_ms"] > 0 for cost in costs.values())
    assert costs["1 slot"]["gflop"] < costs["2 slots"]["gflop"] < costs["5 slots"]["gflop"]
    assert costs["half width"]["parameters"] < costs["shipped"]["parameters"]
    assert costs["depth 6"]["megabytes"] > costs["shipped"]["megabytes"]
