"""Engines built ahead of time: what is kept, what is built anew, and that the builder is real."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli import cli
from engine.commands.tensorrt import TARGET_NAMES
from export.tensorrt_engines import TARGETS, Builder, Engine, build_engines
from games.scene import WORLDS
from world_model.errors import WorldError
from world_model.world import GRAPHS


class FakeBuild:
    """Counts what it is asked for; an engine is the graph, backwards."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, graph: bytes, capability: str) -> bytes:
        self.calls.append(capability)
        return graph[::-1]


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    for graph in GRAPHS:
        (tmp_path / f"{graph}.onnx").write_bytes(f"the graph {graph}".encode())
    return tmp_path


def engines(
    graphs: Path, build: FakeBuild, target: str = "rtx40", version: str = "1"
) -> list[Engine]:
    return build_engines(graphs, target, graphs / "cache", version=version, build=build)


def test_engines_are_built_once(graphs: Path) -> None:
    build = FakeBuild()
    first = engines(graphs, build)
    assert [engine.graph for engine in first] == list(GRAPHS)
    assert all(engine.built for engine in first)
    assert first[0].path.read_bytes() == b"the graph step"[::-1]
    again = engines(graphs, build)
    assert [engine.path for engine in again] == [engine.path for engine in first]
    assert not any(engine.built for engine in again)
    assert build.calls == ["SM89"] * 3


def test_another_graph_target_or_library_has_engines_of_its_own(graphs: Path) -> None:
    build = FakeBuild()
    paths = {engine.path for engine in engines(graphs, build)}
    paths |= {engine.path for engine in engines(graphs, build, target="rtx50")}
    paths |= {engine.path for engine in engines(graphs, build, version="2")}
    (graphs / "step.onnx").write_bytes(b"another graph")
    paths |= {engine.path for engine in engines(graphs, build)}
    assert len(paths) == 10
    assert build.calls.count("SM120") == 3


@pytest.mark.parametrize("damage", ["cut", "no hash", "odd hash", "other bytes"])
def test_a_broken_engine_is_built_anew(graphs: Path, damage: str) -> None:
    build = FakeBuild()
    path = engines(graphs, build)[1].path
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:4])
    elif damage == "no hash":
        path.with_suffix(".sha256").unlink()
    elif damage == "odd hash":
        path.with_suffix(".sha256").write_text("[]")
    else:
        path.write_bytes(b"x" * path.stat().st_size)
    assert [engine.built for engine in engines(graphs, build)] == [False, True, False]
    assert path.read_bytes() == b"the graph decode"[::-1]


def test_a_missing_graph_is_named(graphs: Path) -> None:
    (graphs / "decode.onnx").unlink()
    with pytest.raises(WorldError, match=r"decode\.onnx: cannot be read"):
        engines(graphs, FakeBuild())


def test_the_targets_of_the_command_are_those_that_can_be_built() -> None:
    assert set(TARGET_NAMES) == set(TARGETS)


def test_a_graph_that_is_none_is_refused_by_the_real_parser() -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    with pytest.raises(WorldError, match="not a graph that TensorRT takes"):
        Builder().build(b"no graph", "SM89")


@pytest.mark.slow
def test_the_shipped_world_gets_engines_for_three_generations(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    arguments = ["export", "tensorrt", str(WORLDS / "platformer"), "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("built in") == 9
    sizes = {path.name.split("-")[0]: path.stat().st_size for path in tmp_path.glob("*.engine")}
    assert sizes["step"] > 5_000_000, "the weights are in it"
    again = CliRunner().invoke(cli, [*arguments, "--target", "rtx40"])
    assert again.stdout.count("kept") == 3
