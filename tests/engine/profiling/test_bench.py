"""Backends side by side in processes of their own, and this program against another state of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from engine.cli import cli
from engine.commands.options import BACKENDS
from engine.errors import ProfileError
from engine.fakes import FakeClock, FakeWorld
from engine.profiling.bench import Side, measure
from engine.profiling.versus import ROOT, checked_out, versus
from export import loading

SLOW_S = 0.004


class SlowWorld(FakeWorld):
    def denoise(self, action: np.ndarray) -> np.ndarray:
        time.sleep(SLOW_S)
        return super().denoise(action)


def load(backend: str) -> FakeWorld:
    if backend == "broken":
        raise RuntimeError("no such device\nand more that nobody reads")
    return (SlowWorld if backend == "slow" else FakeWorld)(FakeClock())


def start(count: int) -> np.ndarray:
    return np.zeros((count, 128, 128, 3), np.uint8)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", *arguments])


def test_backends_take_turns_and_one_that_cannot_play_says_why() -> None:
    turns: list[int] = []
    sides = measure(load, start, ["quick", "slow", "broken"], ticks=15, rounds=2,
                    done=lambda: turns.append(1))  # fmt: skip
    quick, slow, broken = sides
    assert [len(side.tick_ms) for side in sides] == [30, 30, 0]
    assert min(slow.tick_ms) >= 1000 * SLOW_S
    assert np.median(quick.tick_ms) < np.median(slow.tick_ms)
    assert quick.start_s > 0
    assert broken.error == "no such device"
    assert broken.document(1.0, 100.0) == {"error": "no such device"}
    assert len(turns) == 6


def test_a_side_tells_its_rate_and_share_of_the_roof() -> None:
    side = Side("one", start_s=1.5, peak_rss_mb=80.0, tick_ms=[20.0] * 99 + [120.0])
    document = side.document(gflop=2.0, peak_gflops=200.0)
    assert document["fps"] == pytest.approx(1000 / 21, abs=0.01)
    assert document["tick_ms"] == {"p50": 20.0, "p95": 20.0, "p99": pytest.approx(21.0)}
    assert (document["gflops"], document["share_of_peak"]) == (100.0, 0.5)
    unknown = side.document(gflop=None, peak_gflops=200.0)
    assert unknown["gflops"] is unknown["share_of_peak"] is None


def test_the_command_prints_one_document_keyed_by_backend() -> None:
    result = run("--backends", "onnxruntime", "--ticks", "20", "--rounds", "1", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout.splitlines()[-1])
    assert set(document) == {"onnxruntime", "environment"}
    side = document["onnxruntime"]
    assert {"fps", "tick_ms", "share_of_peak", "gflops", "peak_rss_mb", "start_s"} == set(side)
    assert 0 < side["tick_ms"]["p50"] <= side["tick_ms"]["p99"]
    assert 0 < side["share_of_peak"] < 2
    assert document["environment"]["peak_gflops"] > 1


def test_unknown_backends_are_named_and_the_known_ones_are_those_that_load() -> None:
    result = run("--backends", "onnxruntime,vulkan")
    assert result.exit_code == 2
    assert "'vulkan': choose from onnxruntime, onnxruntime-cuda" in result.stderr
    assert {*loading.BACKENDS, *loading.RESIDENTS} == set(BACKENDS)


def test_another_revision_is_laid_out_and_taken_away_again() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    with checked_out("HEAD") as tree:
        assert (tree / "pyproject.toml").is_file()
    assert not tree.exists()
    result = run("--vs", "no-such-revision", "--ticks", "50", "--rounds", "1")
    assert result.exit_code == 2
    assert "no-such-revision" in result.stderr


def test_two_trees_are_profiled_in_turn_each_in_its_own_process(tmp_path: Path) -> None:
    """Trees that only print what a profile would: the second takes twice as long."""
    sides = []
    for name, factor in (("a", 1.0), ("b", 2.0)):
        tree = tmp_path / name
        (tree / "engine").mkdir(parents=True)
        (tree / "engine" / "__init__.py").touch()
        (tree / "engine" / "cli.py").write_text(
            "import json, sys, pathlib\n"
            "def main():\n"
            f"    with open({str(tmp_path / 'log')!r}, 'a') as log: log.write('{name}')\n"
            f"    series = [{factor} * (10 + i % 3) for i in range(60)]\n"
            "    print(json.dumps({'series_ms': {'tick': series, 'frame_time': series}}))\n"
        )
        sides.append((tree, ["--extra"]))
    ratios = versus(sides, ["meadow"], rounds=2)
    assert (tmp_path / "log").read_text() == "abba"
    assert {ratio.metric: ratio.ratio for ratio in ratios}["tick p50"] == pytest.approx(2.0)
    (sides[1][0] / "engine" / "cli.py").write_text("def main(): raise SystemExit('no world')\n")
    with pytest.raises(ProfileError, match=r"b: rollplay profile meadow --extra.*no world"):
        versus(sides, ["meadow"], rounds=1)
