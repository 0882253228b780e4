"""ONNX Runtime on the CPU: the backend that plays everywhere; and on NVIDIA GPUs, where it can.

Inputs and outputs are bound to the caller's arrays once, so on the CPU a tick copies and allocates
nothing. A GPU is sent all of them at every tick.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import onnxruntime as ort

from export.binding import check_fit, followed_by, graph_path
from world_model.accelerator import NoAccelerator
from world_model.backend import GRAPHS, Buffers, Operator
from world_model.errors import BackendError, WorldError

LOG_ERRORS: Final = 3
_CLOCK_READINGS: Final = 16
CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT_RTX: Final = "NvTensorRTRTXExecutionProvider"
NAMES: Final = {
    CPU: "onnxruntime",
    CUDA: "onnxruntime-cuda",
    TENSORRT_RTX: "onnxruntime-trt-rtx",
}
_OPTIONS: Final[dict[str, dict[str, str]]] = {CUDA: {"use_tf32": "0"}}
"""Pixels are copied through products, for hours: no rounding that float32 has not."""


class OnnxRuntimeBackend:
    """Holds one session per graph of a bundle.

    Raises BackendError for a `provider` that this onnxruntime does not have, or that does not work.
    """

    accelerator = NoAccelerator()

    def __init__(
        self,
        directory: Path,
        threads: int | None = None,
        log_operators: bool = False,
        *,
        provider: str = CPU,
    ) -> None:
        self.name = NAMES[provider]
        if provider not in ort.get_available_providers():
            raise BackendError(f"this onnxruntime {ort.__version__} has no {provider}")
        self._sessions: dict[str, ort.InferenceSession] = {}
        self._logs = TemporaryDirectory(prefix="rollplay-") if log_operators else None
        options = session_options(threads or default_threads())
        if self._logs:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self._logs.name) / "operators")
        for graph in GRAPHS:
            path = graph_path(directory, graph)
            try:
                session = ort.InferenceSession(
                    path, options, providers=[(provider, _OPTIONS.get(provider, {}))]
                )
            except Exception as error:  # noqa: BLE001 onnxruntime's own errors share no public base
                raise WorldError(
                    f"{path}: not a graph that ONNX Runtime can run ({error})"
                ) from None
            if provider not in session.get_providers():  # it goes on on the CPU, and prints why
                raise BackendError(f"{provider} does not start: is there a GPU, and its libraries?")
            self._sessions[graph] = session

    def bind(
        self,
        graph: str,
        inputs: Buffers,
        outputs: Buffers,
        *,
        computed: Callable[[], object] | None = None,
    ) -> Callable[[], None]:
        """Bind arrays to the graph's inputs and outputs; raises WorldError where they don't fit."""
        session = self._sessions[graph]
        for nodes, given in ((session.get_inputs(), inputs), (session.get_outputs(), outputs)):
            check_fit(graph, {node.name: tuple(node.shape) for node in nodes}, given)
        binding = session.io_binding()
        for bind, arrays in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in arrays.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        # The binding holds raw addresses: keep its arrays alive for as long as the call.
        held = (dict(inputs), dict(outputs))

        def run(_held: object = held) -> None:
            session.run_with_iobinding(binding)

        return followed_by(computed, run)

    def operators(self) -> Sequence[Operator]:
        """Stop logging operators, and return those that ran; empty where none were logged."""
        if self._logs is None:
            return ()
        found: list[Operator] = []
        for graph, session in self._sessions.items():
            start_ns = _on_our_clock(session.get_profiling_start_time_ns())
            log = Path(session.end_profiling())
            found += _read_operators(graph, json.loads(log.read_text(encoding="utf-8")), start_ns)
        self._logs.cleanup()
        self._logs = None
        return found


def _on_our_clock(time_ns: int) -> int:
    """Turn a time of ONNX Runtime's clock, which is the wall's or a monotonic one, into ours."""
    ahead_ns, our_ns = _wall_ahead_ns(), time.perf_counter_ns()
    is_wall = abs(time_ns - ahead_ns - our_ns) < abs(time_ns - our_ns)
    return time_ns - ahead_ns if is_wall else time_ns


def _wall_ahead_ns(
    our_ns: Callable[[], int] = time.perf_counter_ns, wall_ns: Callable[[], int] = time.time_ns
) -> int:
    """Return how far the wall's clock is ahead of ours.

    Of several readings, the one that took the least time: a thread that waits for its turn between
    two clocks takes the wait for a difference.
    """
    readings = []
    for _ in range(_CLOCK_READINGS):
        before, wall, after = our_ns(), wall_ns(), our_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


def _read_operators(
    graph: str, events: Sequence[dict[str, Any]], start_ns: int
) -> Iterator[Operator]:
    """Yield the nodes of ONNX Runtime's own log; its times are microseconds since `start_ns`."""
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            began_ns = start_ns + int(event["ts"] * 1000)
            ended_ns = began_ns + int(event["dur"] * 1000)
            yield Operator(graph, event["args"]["op_name"], began_ns, ended_ns)


def default_threads() -> int:
    """Return the number of physical cores; of hyper-threads where there is but one core."""
    return max(physical_cores(), min(2, _allowed_cpus()))


def physical_cores() -> int:
    """Return the number of cores this process may use, without hyper-threads where known."""
    allowed = _allowed_cpus()
    try:
        siblings = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list").read_text()
    except OSError:
        return allowed
    threads = len(_cpu_list(siblings))
    return max(1, allowed // max(1, threads))


def _allowed_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_list(text: str) -> list[int]:
    """Read the kernel's `0-1,4` notation."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def session_options(threads: int) -> ort.SessionOptions:
    """Return how sessions are run: on so many threads, without spinning in each other's way."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Else one graph's idle threads spin on the cores that the other graph needs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Shares of what is masked are about 1e-39: denormal numbers, which take many times as long. The
    # calling thread follows the first session of the process.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = LOG_ERRORS
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return options
