"""TensorRT-RTX engines of a world's graphs, built ahead of time: no GPU is needed, here or in CI.

Engines are kept under a key of graph, target and library, so that none is ever taken for another's;
beside each lies the hash of its bytes, so that a broken one is built anew. Float32 graphs, as the
builder takes its types from the graph.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from export import store
from world_model.errors import WorldError
from world_model.world import GRAPHS

TARGETS: Final[Mapping[str, str]] = {
    "rtx20": "SM75",
    "a100": "SM80",
    "rtx30": "SM86",
    "rtx40": "SM89",
    "rtx50": "SM120",
}
"""GPU generations by name, and the compute capability to build for."""

Build = Callable[[bytes, str], bytes]


@dataclass(frozen=True)
class Engine:
    """A built graph: where it lies, its size, and whether it had to be built just now."""

    graph: str
    path: Path
    size: int
    built: bool


class Builder:
    """TensorRT-RTX's own parser and builder."""

    def __init__(self) -> None:
        try:
            self._trt: Any = _library()
        except ImportError:
            raise WorldError(
                "TensorRT-RTX is not installed: pip install 'rollplay[tensorrt]'"
            ) from None
        self.version: str = self._trt.__version__
        self._logger = self._trt.Logger(self._trt.Logger.ERROR)

    def build(self, graph: bytes, capability: str) -> bytes:
        """Turn an ONNX graph into an engine; raises WorldError with the parser's reasons."""
        trt = self._trt
        builder = trt.Builder(self._logger)
        network = builder.create_network(0)
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse(graph):
            reasons = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
            raise WorldError(f"not a graph that TensorRT takes ({reasons})")
        config = builder.create_builder_config()
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, capability), 0)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            raise WorldError(f"TensorRT builds no engine for {capability}")
        return bytes(engine)


def build_engines(
    directory: Path,
    target: str,
    cache: Path,
    *,
    version: str,
    build: Build,
    done: Callable[[Engine], object] = lambda _: None,
) -> list[Engine]:
    """Return the engines of a bundle for one of `TARGETS`, building those that are not kept."""
    engines = []
    for graph in GRAPHS:
        source = directory / f"{graph}.onnx"
        try:
            onnx = source.read_bytes()
        except OSError as error:
            raise WorldError(f"{source}: cannot be read ({error.strerror})") from None
        path = cache / f"{graph}-{target}-{_key(onnx, TARGETS[target], version)}.engine"
        fresh = store.recall(path) is None
        if fresh:
            try:
                store.keep(path, build(onnx, TARGETS[target]))
            except WorldError as error:
                raise WorldError(f"{source}: {error}") from None
        engines.append(Engine(graph, path, path.stat().st_size, fresh))
        done(engines[-1])
    return engines


def _library() -> Any:
    """Import TensorRT-RTX, whose bindings come without the metapackage on PyPI."""
    try:
        return importlib.import_module("tensorrt_rtx")
    except ImportError:
        return importlib.import_module("tensorrt_rtx_bindings")


def _key(onnx: bytes, capability: str, version: str) -> str:
    digest = hashlib.sha256(onnx)
    digest.update(f"{capability} float32 {version}".encode())
    return digest.hexdigest()[:16]
