"""`--backend auto`: the fastest backend that is installed, measured once."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, cast

import pytest

from export import fastest, gpu, loading, store
from export.fastest import choose
from export.loading import AUTO, ON_GPU, load_world
from world_model.errors import BackendError, WorldError
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
        self.clock, self.tick_ms, self.left = clock, tick_ms, math.inf

    def step(self, _action: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise BackendError("out of memory")
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
    assert choice == ("default", {}, {"quick": "quick"}, False)
    assert str(choice) == "default plays: no other backend can be had here; quick: quick"
    with pytest.raises(ImportError):
        choose(world, ("default", "quick"), Loader(clock, "default"), threads=None)


def test_one_whose_device_fails_is_left_out(world: Path, clock: Clock) -> None:
    def load(name: str) -> RollingWorld:
        ticking = TickingWorld(clock, MS_A_TICK[name])
        ticking.left = 5 if name == "quick" else math.inf
        return cast(RollingWorld, ticking)

    choice = choose(world, ("default", "quick", "slow"), load, threads=None)
    assert choice.backend == "default"
    assert choice.left_out == {"quick": "out of memory"}
    again = choose(world, ("default", "quick", "slow"), load, threads=None)
    assert again == choice._replace(remembered=True)


def test_those_whose_device_is_not_here_are_not_even_loaded(world: Path, clock: Clock) -> None:
    load = Loader(clock)
    absent = dict.fromkeys(("quick", "alike"), "no such card")
    choice = choose(world, ("default", "quick", "alike", "slow"), load, threads=None,
                    left_out=absent)  # fmt: skip
    assert load.loaded == ["default", "slow"]
    assert str(choice).endswith("; quick, alike: no such card")


@pytest.mark.parametrize("change", ["threads", "world", "broken", "candidates", "library", "gpu"])
def test_what_may_have_changed_the_answer_is_measured_anew(
    world: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    choose(world, ("default", "quick"), Loader(clock), threads=None)
    candidates, threads = ("default", "quick"), None
    if change == "threads":
        threads = 1
    elif change == "world":
        (world / "step.onnx").write_bytes(b"another graph")
    elif change == "library":
        monkeypatch.setattr(fastest, "LIBRARIES", ("onnxruntime",))
    elif change == "gpu":
        monkeypatch.setattr(gpu, "described", lambda: "another card")
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


@pytest.mark.parametrize("driver", [False, True])
def test_backends_on_a_gpu_take_part_where_there_is_a_driver(
    exported: Any, monkeypatch: pytest.MonkeyPatch, driver: bool
) -> None:
    tried: list[str] = []

    def refuse(name: str) -> Any:
        def open_nothing(*_: object) -> Any:
            tried.append(name)
            raise BackendError("a card of another kind")

        return open_nothing

    monkeypatch.setattr(gpu, "has_driver", lambda: driver)
    others = {*loading.BACKENDS, *loading.RESIDENTS} - {loading.DEFAULT}
    for name in others:
        kind = loading.BACKENDS if name in loading.BACKENDS else loading.RESIDENTS
        monkeypatch.setitem(kind, name, refuse(name))  # type: ignore[arg-type]
    said: list[str] = []
    load_world(exported.directory, backend=AUTO, say=said.append)
    assert (set(ON_GPU) <= set(tried)) == driver
    assert "torch" not in tried
    reason = "a card of another kind" if driver else gpu.NO_DRIVER
    assert f"torch-cuda-graph: {reason}" in said[0]


def test_without_a_graph_there_is_nothing_to_measure(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(WorldError, match=r"step\.onnx: missing"):
        choose(tmp_path, ("default",), Loader(clock), threads=None)
