"""TensorRT engines of a world's graphs. TensorRT-RTX builds them with no GPU here, or in CI.

Engines are kept under a key of graph, GPU, precision and library, so that none is ever taken for
another's; beside each lies the hash of its bytes, so that a broken one is built anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from export import store
from export.tensorrt_graph import FLOAT32, prepare
from export.tensorrt_library import Library, Log
from world_model.backend import GRAPHS
from world_model.errors import WorldError

TARGETS: Final[Mapping[str, str]] = {
    "rtx20": "SM75",
    "a100": "SM80",
    "rtx30": "SM86",
    "rtx40": "SM89",
    "rtx50": "SM120",
}
"""GPU generations by name, and the compute capability to build for."""
FORMAT: Final = 2
"""Counts the ways in which graphs were prepared; another one needs other engines."""


class EngineBuilder(Protocol):
    """Turns graphs into engines."""

    library: str
    """What builds, and its version."""

    def build(self, graph: bytes, capability: str, precision: str) -> bytes:
        """Raises WorldError where it cannot."""


@dataclass(frozen=True)
class EngineFile:
    """A built graph: where it lies, its size, and whether it had to be built just now."""

    graph: str
    path: Path
    size: int
    built: bool


class Builder:
    """TensorRT's own parser and builder."""

    def __init__(self, library: Library) -> None:
        self.library = library.version
        self._trt, self._is_rtx = library.trt, library.is_rtx
        self._log = Log(self._trt)

    def build(self, graph: bytes, capability: str, precision: str) -> bytes:
        """Turn an ONNX graph into an engine; raises WorldError with TensorRT's reason.

        TensorRT for data centres builds for the GPU that is here, whatever the capability.
        """
        trt = self._trt
        prepared = prepare(graph, precision)
        builder = trt.Builder(self._log.logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, self._log.logger)
        if not parser.parse(prepared):
            reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
            raise WorldError(f"not a graph that TensorRT takes ({reasons})")
        config = builder.create_builder_config()
        config.clear_flag(trt.BuilderFlag.TF32)  # pixels are copied through products, for hours
        if self._is_rtx:
            config.num_compute_capabilities = 1
            config.set_compute_capability(self._capability(capability), 0)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            raise WorldError(f"TensorRT builds no engine for {capability} ({self._log.last})")
        return bytes(engine)

    def _capability(self, name: str) -> Any:
        known = self._trt.ComputeCapability
        if not hasattr(known, name):
            raise WorldError(f"{self.library} does not know GPUs of compute capability {name}")
        return getattr(known, name)


def build_engines(
    directory: Path,
    capability: str,
    cache: Path,
    *,
    builder: EngineBuilder,
    precision: str = FLOAT32,
    graphs: Sequence[str] = GRAPHS,
    anew: bool = False,
    begin: Callable[[str], object] = lambda _: None,
    done: Callable[[EngineFile], object] = lambda _: None,
) -> list[EngineFile]:
    """Return the engines of a bundle for GPUs of one capability, building those that are not kept.

    Only `step` can be had in fewer bits. `anew` trusts no kept one; `begin` is told which graph is
    going to be built, `done` of each engine. Raises WorldError naming the graph.
    """
    engines = []
    for graph in graphs:
        source = directory / f"{graph}.onnx"
        try:
            onnx = source.read_bytes()
        except OSError as error:
            raise WorldError(f"{source}: cannot be read ({error.strerror})") from None
        bits = precision if graph == "step" else FLOAT32
        key = _key(onnx, capability, bits, builder.library)
        path = cache / f"{graph}-{capability}-{bits}-{key}.engine"
        fresh = anew or store.recall(path) is None
        if fresh:
            begin(graph)
            try:
                store.keep(path, builder.build(onnx, capability, bits))
            except WorldError as error:
                raise WorldError(f"{source}: {error}") from None
        engines.append(EngineFile(graph, path, path.stat().st_size, fresh))
        done(engines[-1])
    return engines


def _key(onnx: bytes, *made_by: str) -> str:
    digest = hashlib.sha256(onnx)
    digest.update(repr((FORMAT, *made_by)).encode())
    return digest.hexdigest()[:16]
