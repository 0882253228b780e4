"""A session's memory in torch on a GPU, and its ticks there as one CUDA graph.

The graph holds the step, the decoding, and what the next tick starts from; keys and values are put
into the cache after it, as their place changes. Needs `rollplay[train]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from export.graphs import graphs_of
from export.onnx_export import read_network
from export.resident import NEW, TURNS, UP
from world_model.backend import Buffers, Frame, Operator
from world_model.errors import BackendError

WARM_UP_RUNS: Final = 3

Work = Callable[[], object]
Record = Callable[[Work], Work]
"""Returns what does all that `work` does, at the cost of one launch if it can."""


class TorchTicks:
    """`world.Resident` in torch; warm when made."""

    name = "torch-cuda-graph"

    def __init__(self, directory: Path, device: torch.device, record: Record) -> None:
        config, dit = read_network(directory)
        graphs = graphs_of(config, dit)
        self._step, self._decode = (
            graphs[name].module.to(device).eval() for name in ("step", "decode")
        )
        self._made = graphs["step"].outputs
        self._given = {name: value.to(device) for name, value in graphs["step"].inputs.items()}
        self._frame = torch.zeros(1, *config.frame_shape, dtype=torch.uint8, device=device)
        shape = self._given["cache_k"][:, :, 0].shape
        self._new = {name: torch.zeros(shape, device=device) for name in NEW.values()}
        pinned = device.type == "cuda"
        self._up = {name: _host(self._given[name], pinned) for name in UP}
        self._down = _host(self._frame, pinned)
        self._wait: Work = torch.cuda.synchronize if pinned else lambda: None
        with _reported(), torch.inference_mode():
            self._run = record(self._advance)

    @torch.inference_mode()
    def start(self, memory: Buffers) -> None:
        """Copy a session's memory up."""
        with _reported():
            for name, array in memory.items():
                self._given[name].copy_(torch.from_numpy(array))
            self._wait()

    @torch.inference_mode()
    def tick(self, inputs: Buffers) -> None:
        """Copy inputs up, run `step` and `decode`, and copy the frame down."""
        with _reported():
            for name, host in self._up.items():
                host.copy_(torch.from_numpy(inputs[name]))
                self._given[name].copy_(host, non_blocking=True)
            self._run()
            self._down.copy_(self._frame, non_blocking=True)
            self._wait()

    @torch.inference_mode()
    def keep(self, places: tuple[int, ...]) -> None:
        """Put the last tick's keys and values at places."""
        with _reported():
            for cache, new in NEW.items():
                for place in places:
                    self._given[cache][:, :, place].copy_(self._new[new])

    def show(self, frame: Frame) -> None:
        """Copy the frame of the last tick."""
        torch.from_numpy(frame).copy_(self._down)

    def fetch(self, memory: Buffers) -> None:
        """Copy parts of the session's memory down."""
        with _reported():
            for name, array in memory.items():
                torch.from_numpy(array).copy_(self._given[name])

    def operators(self) -> Sequence[Operator]:
        """Return none: a CUDA graph is launched as a whole."""
        return ()

    def _advance(self) -> None:
        """Run a tick from and into memory that stays where it is."""
        made = dict(zip(self._made, self._step(*self._given.values()), strict=True))
        self._frame.copy_(self._decode(made["head"]))
        for name, new in self._new.items():
            new.copy_(made[name])
        for name, following in TURNS.items():
            self._given[name].copy_(made[following])


def open_torch_ticks(directory: Path) -> TorchTicks:
    """Return ticks of a bundle on the first GPU; raises BackendError where torch has none."""
    if torch.version.cuda is None:
        raise BackendError("this PyTorch is built without CUDA")
    if not torch.cuda.is_available():
        raise BackendError("PyTorch finds no NVIDIA GPU here, or too old a driver")
    return TorchTicks(directory, torch.device("cuda"), captured)


def captured(work: Work) -> Work:
    """Capture a CUDA graph of `work`, which must be warm before, on a stream of its own."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP_RUNS):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def _host(tensor: torch.Tensor, pinned: bool) -> torch.Tensor:
    return torch.zeros(tensor.shape, dtype=tensor.dtype, pin_memory=pinned)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn whatever torch says of its device into a BackendError, in one line."""
    try:
        yield
    except RuntimeError as error:
        raise BackendError(f"torch: {next(iter(str(error).splitlines()), 'no reason')}") from None
