"""An NVIDIA GPU as a `Device`: CUDA through NVIDIA's own bindings, engines through TensorRT.

Needs `rollplay[tensorrt]`. All work goes through one stream.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from export.device import Tensor, Told, Work
from export.tensorrt_library import Library, Log, layer_timer
from world_model.errors import BackendError


class Cuda:
    """The first GPU; raises BackendError where there is none that works."""

    def __init__(self, library: Library) -> None:
        try:
            _call(cudart.cudaGetDeviceCount)
        except BackendError as error:
            raise BackendError(f"no NVIDIA GPU here, or too old a driver ({error})") from None
        _call(cudart.cudaSetDevice, 0)
        attributes = cudart.cudaDeviceAttr
        major, minor = (
            _call(cudart.cudaDeviceGetAttribute, attribute, 0)
            for attribute in (
                attributes.cudaDevAttrComputeCapabilityMajor,
                attributes.cudaDevAttrComputeCapabilityMinor,
            )
        )
        self.capability = f"SM{major}{minor}"
        self.stream = _call(cudart.cudaStreamCreate)
        self._library, self._log = library, Log(library.trt)
        self._runtime = library.trt.Runtime(self._log.logger)
        stream = self.stream
        self._free: list[Callable[[], object]] = [lambda: cudart.cudaStreamDestroy(stream)]
        weakref.finalize(self, _free_all, self._free)

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes of zeros."""
        address = int(_call(cudart.cudaMalloc, size))
        self._free.append(lambda: cudart.cudaFree(address))
        _call(cudart.cudaMemset, address, 0, size)
        return address

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Return page-locked host memory, zeroed."""
        address = int(_call(cudart.cudaMallocHost, size))
        self._free.append(lambda: cudart.cudaFreeHost(address))
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        memory.fill(0)
        return memory

    def upload(self, address: int, source: NDArray[Any]) -> None:
        """Queue a copy to the device."""
        self._copy(address, source.ctypes.data, source.nbytes, "HostToDevice")

    def download(self, target: NDArray[Any], address: int) -> None:
        """Queue a copy from the device."""
        self._copy(target.ctypes.data, address, target.nbytes, "DeviceToHost")

    def load(self, engine: bytes, compiled: bytes | None) -> CudaEngine:
        """Take an engine into use."""
        loaded = self._runtime.deserialize_cuda_engine(engine)
        if loaded is None:
            raise BackendError(f"{self._library.version} takes no such engine ({self._log.last})")
        return CudaEngine(self, self._library, self._log, loaded, compiled)

    def record(self, work: Work) -> Work:
        """Capture a CUDA graph of `work`; where that does not work, return `work` itself."""
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        try:
            _call(cudart.cudaStreamBeginCapture, self.stream, mode)
            try:
                work()
            finally:
                graph = _call(cudart.cudaStreamEndCapture, self.stream)
            launched = _call(cudart.cudaGraphInstantiate, graph, 0)
            _call(cudart.cudaGraphDestroy, graph)
        except BackendError:
            cudart.cudaGetLastError()  # else the next call reports this one
            return work
        self._free.append(lambda: cudart.cudaGraphExecDestroy(launched))
        return lambda: _call(cudart.cudaGraphLaunch, launched, self.stream)

    def wait(self) -> None:
        """Return when all that was queued is done."""
        _call(cudart.cudaStreamSynchronize, self.stream)

    def _copy(self, target: int, source: int, size: int, way: str) -> None:
        kind = cudart.cudaMemcpyKind[f"cudaMemcpy{way}"]
        _call(cudart.cudaMemcpyAsync, target, source, size, kind, self.stream)


class CudaEngine:
    """An engine of TensorRT on a `Cuda`."""

    def __init__(
        self, device: Cuda, library: Library, log: Log, engine: Any, compiled: bytes | None
    ) -> None:
        self._device, self._log, self._engine, self._cache = device, log, engine, None
        self._trt, self._timer = library.trt, None
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        self.tensors: Mapping[str, Tensor] = {
            name: Tensor(
                tuple(engine.get_tensor_shape(name)),
                np.dtype(library.trt.nptype(engine.get_tensor_dtype(name))),
            )
            for name in names
        }
        if library.is_rtx:  # it compiles for the very GPU when an engine is first used
            config = engine.create_runtime_config()
            self._cache = config.create_runtime_cache()
            if compiled is not None:
                self._cache.deserialize(compiled)
            config.set_runtime_cache(self._cache)
            self._context = engine.create_execution_context(config)
        else:
            self._context = engine.create_execution_context()
        if self._context is None:
            raise BackendError(f"{library.version} cannot run this engine ({log.last})")

    def queue(self, addresses: Mapping[str, int]) -> None:
        """Queue a run from and to these addresses."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise BackendError(f"TensorRT takes no {name!r} there ({self._log.last})")
        if not self._context.execute_async_v3(int(self._device.stream)):
            raise BackendError(f"TensorRT failed ({self._log.last})")

    def compiled(self) -> bytes | None:
        """Return what TensorRT-RTX has compiled; TensorRT compiles nothing when it runs."""
        return None if self._cache is None else bytes(self._cache.serialize())

    def time_layers(self, told: Told) -> None:
        """Tell of every layer of every run; with a profiler, TensorRT waits for each run's end."""
        self._timer = layer_timer(self._trt, told)  # TensorRT does not keep it alive
        self._context.profiler = self._timer


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call CUDA; returns its result without the error code, raises BackendError with the reason."""
    try:
        code, *results = function(*arguments)
    except RuntimeError as error:  # the bindings found no driver to call
        raise BackendError(f"CUDA: {error}") from None
    if code != cudart.cudaError_t.cudaSuccess:
        _, reason = cudart.cudaGetErrorString(code)
        raise BackendError(f"CUDA: {bytes(reason).decode()}")
    return results[0] if results else None


def _free_all(calls: list[Callable[[], object]]) -> None:
    """Give memory back; whatever fails was lost before."""
    for call in reversed(calls):
        call()
