"""A GPU that is none: memory is one numpy array, and engines are ONNX graphs on ONNX Runtime.

What is queued runs at once, except while it is recorded, as on a real one. For tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export.device import Tensor, Told, Work
from export.tensorrt_graph import prepare
from world_model.errors import BackendError

ALIGNED: Final = 256
LAYERS: Final = {"product": 0.5, "sum": 0.25}
"""What engines that are timed tell of each run: layers, and their milliseconds."""
_TYPES: Final = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}


class FakeDevice:
    """A `Device` of so many bytes.

    Set `fails` to a reason for which engines fail from then on, `dead` for which everything does;
    engines in `refuses` are not taken.
    """

    def __init__(self, size: int = 1 << 26, capability: str = "SM89") -> None:
        self.capability = capability
        self._memory = np.zeros(size, np.uint8)
        self._used = 0
        self._recording: list[Work] | None = None
        self.recorded = self.launches = self.allocations = 0
        self.uploaded = self.downloaded = 0
        self.fails = self.dead = ""
        self.refuses: set[bytes] = set()
        self.loaded: list[tuple[bytes, bytes | None]] = []

    def allocate(self, size: int) -> int:
        """Hand out memory from the front."""
        self.allocations += 1
        address, self._used = self._used, self._used + -(-size // ALIGNED) * ALIGNED
        if self._used > len(self._memory):
            raise BackendError(f"out of GPU memory ({size} bytes wanted)")
        return address

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Return host memory."""
        self.allocations += 1
        return np.zeros(size, np.uint8)

    def upload(self, address: int, source: NDArray[Any]) -> None:
        """Copy to the device's memory."""
        self.queue(lambda: self._upload(address, source))

    def download(self, target: NDArray[Any], address: int) -> None:
        """Copy from the device's memory."""
        self.queue(lambda: self._download(target, address))

    def load(self, engine: bytes, compiled: bytes | None) -> FakeEngine:
        """Take an engine of `FakeBuilder`."""
        self.loaded.append((engine, compiled))
        if engine in self.refuses:
            raise BackendError("this engine is not for this device")
        return FakeEngine(self, engine)

    def record(self, work: Work) -> Work:
        """Return what replays the calls that `work` makes now."""
        self._recording = recorded = list[Work]()
        work()
        self._recording = None
        self.recorded += 1

        def launch() -> None:
            self.launches += 1
            for call in recorded:
                call()

        return launch

    def wait(self) -> None:
        """All is done already."""
        if self.dead:
            raise BackendError(self.dead)

    def view(self, address: int, tensor: Tensor) -> NDArray[Any]:
        """Return a tensor in the device's memory."""
        part = self._memory[address : address + tensor.size]
        return part.view(tensor.dtype).reshape(tensor.shape)

    def queue(self, work: Work) -> None:
        """Do it now, or when what is being recorded is launched."""
        if self._recording is not None:
            self._recording.append(work)
        else:
            self.wait()
            work()

    def _upload(self, address: int, source: NDArray[Any]) -> None:
        self.uploaded += source.nbytes
        self._memory[address : address + source.nbytes] = source.reshape(-1).view(np.uint8)

    def _download(self, target: NDArray[Any], address: int) -> None:
        self.downloaded += target.nbytes
        source = self._memory[address : address + target.nbytes]
        target[:] = source.view(target.dtype).reshape(target.shape)


class FakeEngine:
    """An ONNX graph between addresses of a `FakeDevice`."""

    def __init__(self, device: FakeDevice, graph: bytes) -> None:
        self._device = device
        self._told: Told | None = None
        self._session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._given, self._made = (
            {node.name: Tensor(tuple(node.shape), np.dtype(_TYPES[node.type])) for node in nodes}
            for nodes in (self._session.get_inputs(), self._session.get_outputs())
        )
        self.tensors: Mapping[str, Tensor] = {**self._given, **self._made}

    def queue(self, addresses: Mapping[str, int]) -> None:
        """Run; fails where an output lies where an input does, as then the order would matter."""
        assert addresses.keys() == self.tensors.keys()
        for made in self._made:
            for given in self._given:
                assert not self._overlap(addresses, made, given), f"{made} lies on {given}"
        self._device.queue(lambda: self._run(dict(addresses)))

    def compiled(self) -> bytes | None:
        """Return something to recognise."""
        return b"compiled for this GPU"

    def time_layers(self, told: Told) -> None:
        """Tell of `LAYERS` after each run."""
        self._told = told

    def _overlap(self, addresses: Mapping[str, int], one: str, other: str) -> bool:
        begin, end = addresses[one], addresses[one] + self.tensors[one].size
        return addresses[other] < end and begin < addresses[other] + self.tensors[other].size

    def _run(self, addresses: Mapping[str, int]) -> None:
        if self._device.fails:
            raise BackendError(self._device.fails)
        view = {name: self._device.view(at, self.tensors[name]) for name, at in addresses.items()}
        made = self._session.run(list(self._made), {name: view[name] for name in self._given})
        for name, array in zip(self._made, made, strict=True):
            view[name][:] = array
        if self._told is not None:
            for layer, took_ms in LAYERS.items():
                self._told(layer, took_ms)


class FakeBuilder:
    """A builder whose engines are the graphs that it would build."""

    def __init__(self, library: str = "fake 1.0") -> None:
        self.library = library
        self.built: list[tuple[str, str]] = []

    def build(self, graph: bytes, capability: str, precision: str) -> bytes:
        """Return the graph that TensorRT would get."""
        self.built.append((capability, precision))
        return prepare(graph, precision)
