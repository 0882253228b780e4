"""`--backend auto`: the fastest backend that is installed, measured once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest

from export import fastest, store
from export.fastest import choose
from export.loading import AUTO, load_world
from world_model.errors import WorldError
from world_model.world import RollingWorld

MS_A_TICK = {"default": 2.0, "quick": 0.2, "alike": 1.98, "slow": 4.0}


class Clock:
    """Time passes while worlds tick, and only then."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


class TickingWorld:
    buttons = ("left",)

    def __init__(self, clock: Clock, tick_ms: float) -> None:
        self.clock, self.tick_ms = clock, tick_ms

    def step(self, _action: object) -> None:
        self.clock.now_s += self.tick_ms / 1000


class Loader:
    """Opens worlds whose ticks take as long as their names say."""

    def __init__(self, clock: Clock, *broken: str) -> None:
        self.clock, self.broken, self.loaded = clock, broken, list[str]()

    def __call__(self, name: str) -> RollingWorld:
        self.loaded.append(name)
        if name in self.broken:
            raise ImportError(name)
        return cast(RollingWorld, TickingWorld(self.clock, MS_A_TICK[name]))


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    clock = Clock()
    monkeypatch.setattr(fastest, "time", clock)
    return clock


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "step.onnx").write_bytes(b"a graph")
    return tmp_path


def test_the_fastest_plays_and_is_remembered(world: Path, clock: Clock) -> None:
    load = Loader(clock)
    choice = choose(world, ("default", "slow", "quick"), load, threads=None)
    assert choice.backend == "quick"
    assert choice.tick_ms["quick"] < choice.tick_ms["default"] < choice.tick_ms["slow"]
    assert "measured: default 2" in str(choice)
    again = choose(world, ("default", "slow", "quick"), load, threads=None)
    assert again == choice._replace(remembered=True)
    assert load.loaded == ["default", "slow", "quick"]


def test_one_that_is_hardly_faster_does_not_replace_the_default(world: Path, clock: Clock) -> None:
    assert choose(world, ("default", "alike"), Loader(clock), threads=None).backend == "default"


def test_one_that_is_not_installed_does_not_take_part(world: Path, clock: Clock) -> None:
    choice = choose(world, ("default", "quick"), Loader(clock, "quick"), threads=None)
    assert choice == ("default", {}, False)
    assert str(choice) == "default plays: no other backend is installed"
    with pytest.raises(ImportError):
        choose(world, ("default", "quick"), Loader(clock, "default"), threads=None)


@pytest.mark.parametrize("change", ["threads", "world", "broken", "candidates"])
def test_what_may_have_changed_the_answer_is_measured_anew(
    world: Path, clock: Clock, change: str
) -> None:
    choose(world, ("default", "quick"), Loader(clock), threads=None)
    candidates, threads = ("default", "quick"), None
    if change == "threads":
        threads = 1
    elif change == "world":
        (world / "step.onnx").write_bytes(b"another graph")
    elif change == "broken":
        next(store.place("backends").glob("*.json")).write_bytes(b"{}")
    else:
        candidates = ("default", "slow")
    assert not choose(world, candidates, Loader(clock), threads=threads).remembered


def test_a_world_says_which_backend_was_chosen_and_why(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(fastest, "time", time)
    monkeypatch.setattr(fastest, "BUDGET_S", 0.1)
    world = load_world(exported.directory, backend=AUTO, say=said.append)
    assert len(said) == 1
    assert said[0].startswith(f"{world.backend} plays: ")


def test_without_a_graph_there_is_nothing_to_measure(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(WorldError, match=r"step\.onnx: missing"):
        choose(tmp_path, ("default",), Loader(clock), threads=None)
