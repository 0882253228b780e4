"""What ticks on a GPU ask of it: memory, copies, engines, and work that is recorded once.

`cuda.Cuda` is the real one; `fakes.FakeDevice` needs no GPU. Copies and runs are queued, one after
the other, until `wait`. Whatever fails raises BackendError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Work = Callable[[], None]
Told = Callable[[str, float], object]
"""Is told of a layer: its name, and how many milliseconds it took."""


class Tensor(NamedTuple):
    """An input or output of an engine."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


class Engine(Protocol):
    """A compiled graph on its device."""

    tensors: Mapping[str, Tensor]
    """Inputs and outputs, by name."""

    def queue(self, addresses: Mapping[str, int]) -> None:
        """Queue a run from and to these addresses, one for every tensor."""

    def compiled(self) -> bytes | None:
        """Return what was compiled for this very GPU since it was loaded, to be given to the next
        `Device.load`; None where nothing was."""

    def time_layers(self, told: Told) -> None:
        """Tell of every layer of every run from now on, before `queue` returns.

        So it waits for the run, which cannot be recorded then.
        """


class Device(Protocol):
    """A GPU. Addresses are numbers; memory is freed with the device."""

    capability: str
    """Its compute capability, such as `SM89`."""

    def allocate(self, size: int) -> int:
        """Return the address of so many bytes of zeros."""

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Return host memory that is copied from and to at full speed, and while work goes on."""

    def upload(self, address: int, source: NDArray[Any]) -> None:
        """Queue a copy to the device."""

    def download(self, target: NDArray[Any], address: int) -> None:
        """Queue a copy from the device."""

    def load(self, engine: bytes, compiled: bytes | None) -> Engine:
        """Take an engine into use; raises BackendError where it is not one for this device."""

    def record(self, work: Work) -> Work:
        """Return a call that queues all that `work` does, at the cost of one launch if it can."""

    def wait(self) -> None:
        """Return when all that was queued is done."""
