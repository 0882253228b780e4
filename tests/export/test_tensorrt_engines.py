"""Engines built ahead of time: what is kept, what is built anew, and that the builder is real."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.cli import cli
from engine.commands.tensorrt import TARGET_NAMES
from export.tensorrt_engines import TARGETS, Builder, EngineFile, build_engines
from export.tensorrt_library import RTX, find_library
from games.scene import WORLDS
from world_model.backend import GRAPHS
from world_model.errors import BackendError, WorldError


class FakeBuild:
    """Counts what it is asked for; an engine is the graph, backwards."""

    def __init__(self) -> None:
        self.library = "library 1"
        self.calls: list[str] = []
        self.precisions: list[str] = []

    def build(self, graph: bytes, capability: str, precision: str) -> bytes:
        self.calls.append(capability)
        self.precisions.append(precision)
        return graph[::-1]


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    for graph in GRAPHS:
        (tmp_path / f"{graph}.onnx").write_bytes(f"the graph {graph}".encode())
    return tmp_path


def engines(
    graphs: Path, build: FakeBuild, target: str = "rtx40", precision: str = "float32"
) -> list[EngineFile]:
    return build_engines(
        graphs, TARGETS[target], graphs / "cache", builder=build, precision=precision
    )


def test_engines_are_built_once(graphs: Path) -> None:
    build = FakeBuild()
    first = engines(graphs, build)
    assert [engine.graph for engine in first] == list(GRAPHS)
    assert all(engine.built for engine in first)
    assert first[0].path.read_bytes() == b"the graph step"[::-1]
    again = engines(graphs, build)
    assert [engine.path for engine in again] == [engine.path for engine in first]
    assert not any(engine.built for engine in again)
    assert build.calls == ["SM89"] * len(GRAPHS)


def test_another_graph_target_or_library_has_engines_of_its_own(graphs: Path) -> None:
    build = FakeBuild()
    paths = {engine.path for engine in engines(graphs, build)}
    paths |= {engine.path for engine in engines(graphs, build, target="rtx50")}
    build.library = "library 2"
    paths |= {engine.path for engine in engines(graphs, build)}
    (graphs / "step.onnx").write_bytes(b"another graph")
    paths |= {engine.path for engine in engines(graphs, build)}
    assert len(paths) == 3 * len(GRAPHS) + 1
    assert build.calls.count("SM120") == len(GRAPHS)


def test_fewer_bits_are_for_the_step_alone(graphs: Path) -> None:
    build = FakeBuild()
    engines(graphs, build, precision="fp16")
    assert build.precisions == ["fp16", *["float32"] * (len(GRAPHS) - 1)]
    assert [file.built for file in engines(graphs, build)] == [True, False, False, False]


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
    assert [engine.built for engine in engines(graphs, build)] == [g == "decode" for g in GRAPHS]
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
        Builder(find_library(ahead_of_time=True)).build(b"no graph", "SM89", "float32")


def test_a_gpu_that_the_library_does_not_know_is_named(exported: Any) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    graph = (exported.directory / "decode.onnx").read_bytes()
    with pytest.raises(WorldError, match="does not know GPUs of compute capability SM90"):
        Builder(find_library(ahead_of_time=True)).build(graph, "SM90", "float32")


def test_a_machine_without_the_library_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("tensorrt", *RTX):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match=r"pip install 'rollplay\[tensorrt\]'"):
        find_library()


def test_the_command_builds_in_fewer_bits(exported: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    arguments = ["export", "tensorrt", str(exported.directory), "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, [*arguments, "--target", "rtx40", "--bf16"])
    assert result.exit_code == 0, result.output
    assert [line.rpartition("/")[2][:11] for line in result.stdout.splitlines()] == [
        "step-SM89-b", "decode-SM89", "encode-SM89", "backdrop-SM"
    ]  # fmt: skip
    assert "building step" in result.stderr


@pytest.mark.slow
def test_the_shipped_world_gets_engines_for_three_generations(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    arguments = ["export", "tensorrt", str(WORLDS / "platformer"), "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("built in") == 3 * len(GRAPHS)
    sizes = {path.name.split("-")[0]: path.stat().st_size for path in tmp_path.glob("*.engine")}
    assert sizes["step"] > 5_000_000, "the weights are in it"
    again = CliRunner().invoke(cli, [*arguments, "--target", "rtx40"])
    assert again.stdout.count("kept") == len(GRAPHS)
