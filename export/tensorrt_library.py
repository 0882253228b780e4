"""Finds TensorRT: the one for data centres, or the one for RTX cards, which share an API."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final

from export.device import Told
from world_model.errors import BackendError

RTX: Final = ("tensorrt_rtx", "tensorrt_rtx_bindings")
"""The second is there where the bindings were installed without the metapackage."""


@dataclass(frozen=True)
class Library:
    """TensorRT's module, and whether it is the one for RTX cards."""

    trt: Any
    is_rtx: bool

    @property
    def version(self) -> str:
        """Its name and version."""
        return f"{'TensorRT-RTX' if self.is_rtx else 'TensorRT'} {self.trt.__version__}"


def find_library(*, ahead_of_time: bool = False) -> Library:
    """Import TensorRT; `ahead_of_time`: one that builds for GPUs that are not here.

    Raises BackendError where there is none.
    """
    for name in RTX if ahead_of_time else ("tensorrt", *RTX):
        try:
            return Library(importlib.import_module(name), name in RTX)
        except (ImportError, OSError):  # not there, or there without the libraries it is built on
            continue
    raise BackendError("TensorRT is not installed: pip install 'rollplay[tensorrt]'")


def layer_timer(trt: Any, told: Told) -> Any:
    """Return a profiler for an execution context: it tells of every layer that has run."""

    def report(_profiler: object, layer: str, took_ms: float) -> None:
        told(layer, took_ms)

    return type("_Profiler", (trt.IProfiler,), {"report_layer_time": report})()


class Log:
    """Keeps TensorRT's last error for whoever reports it, and prints nothing."""

    def __init__(self, trt: Any) -> None:
        self.last = "no reason given"
        severe = int(trt.ILogger.Severity.ERROR)

        def log(_logger: object, severity: Any, message: str) -> None:
            if int(severity) <= severe:
                self.last = message.strip().splitlines()[0]

        self.logger: Any = type("_Logger", (trt.ILogger,), {"log": log})()
