"""A session's memory on a GPU, and its ticks there: up go a token, ages and noise, down a frame.

Two windows, two trails and two finished frames take turns as input and output, keys and values are
written where the cache has room (see `ring`), and the head goes from `step` to `decode` where it
lies. Each state of these turns is recorded once; after that a tick is one launch, and nothing is
allocated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from export.device import Device, Engine, Tensor, Work
from export.layers import LayerLog
from export.ring import Ring
from export.tensorrt_graph import CACHES, frame_name
from world_model.backend import Buffers, Frame, Operator

UP: Final = ("actions", "noise", "ages")
FIXED: Final = ("sigmas", "cast", "sources", "behind")
TURNS: Final = {"window": "next_window", "trail": "next_trail", "previous": "head"}
"""Inputs, and what a tick makes for the next one in their place."""
NEW: Final = dict(zip(CACHES, ("k", "v"), strict=True))
ALIGNED: Final = 256
"""Bytes at whose multiples tensors begin."""


class ResidentTicks:
    """`world.Resident` on a device; warm when made: all is compiled, and a tick has run.

    With a `log` its layers are timed, and nothing is recorded.
    """

    def __init__(
        self, name: str, device: Device, step: Engine, decode: Engine, log: LayerLog | None = None
    ) -> None:
        self.name, self._log, self._record = name, log, device.record
        if log is not None:
            step, decode = log.watch("step", step), log.watch("decode", decode)
            self._record = _as_it_is
        self._device, self._step, self._decode = device, step, decode
        tensors, picture = step.tensors, decode.tensors["frame"]
        self._up = _Parcel({name: tensors[name] for name in UP}, device)
        self._down = device.pinned(picture.size).view(picture.dtype).reshape(picture.shape)
        self._frame = device.allocate(picture.size)
        self._at = {name: device.allocate(tensors[name].size) for name in FIXED}
        self._turns = {name: _blocks(2, tensors[name], device) for name in TURNS}
        self._places = sum(name.startswith(f"{CACHES[0]}_") for name in tensors)
        self._caches = {
            cache: _blocks(self._places + 1, tensors[new], device) for cache, new in NEW.items()
        }
        self._recorded: dict[object, Work] = {}
        self._rewind()
        self._queue()
        device.wait()

    def _rewind(self) -> None:
        """Begin with the first of all turns, so that sessions share what was recorded."""
        self._ring, self._turn = Ring(self._places), 0

    def start(self, memory: Buffers) -> None:
        """Copy a session's memory up."""
        self._rewind()
        for piece, at in self._pieces(memory):
            self._device.upload(at, np.ascontiguousarray(piece))
        self._device.wait()

    def tick(self, inputs: Buffers) -> None:
        """Copy inputs up, run `step` and `decode`, and copy the frame down."""
        self._up.fill(inputs)
        state = self._turn, self._ring.blocks
        if state not in self._recorded:
            self._recorded[state] = self._record(self._queue)
        self._recorded[state]()
        self._device.wait()

    def keep(self, places: tuple[int, ...]) -> None:
        """Keep the last tick's keys and values at places; what it made of the window is next."""
        self._ring.keep(places)
        self._turn = 1 - self._turn

    def show(self, frame: Frame) -> None:
        """Copy the frame of the last tick."""
        np.copyto(frame, self._down)

    def fetch(self, memory: Buffers) -> None:
        """Copy parts of the session's memory down."""
        for piece, at in self._pieces(memory):
            landed = np.empty(piece.shape, piece.dtype)
            self._device.download(landed, at)
            self._device.wait()
            piece[:] = landed

    def operators(self) -> Sequence[Operator]:
        """Return the layers that ran; empty without a log."""
        return () if self._log is None else self._log.operators()

    def addresses(self) -> dict[str, int]:
        """Return where each tensor of `step` lies in the next tick."""
        ring, old, new = self._ring, self._turn, 1 - self._turn
        at = {**self._at, **self._up.at}
        for name, pair in self._turns.items():
            at |= {name: pair[old], TURNS[name]: pair[new]}
        for cache, blocks in self._caches.items():
            at |= {frame_name(cache, i): blocks[block] for i, block in enumerate(ring.blocks)}
            at[NEW[cache]] = blocks[ring.spare]
        return at

    def _queue(self) -> None:
        self._up.send()
        addresses = self.addresses()
        self._step.queue(addresses)
        self._decode.queue({"latents": addresses["head"], "frame": self._frame})
        self._device.download(self._down, self._frame)

    def _pieces(self, memory: Buffers) -> Iterator[tuple[NDArray[Any], int]]:
        """Yield the parts of the host's arrays, and the address of each."""
        at = self.addresses()
        for name, array in memory.items():
            if name in CACHES:
                for place in range(self._places):
                    yield array[:, :, place], at[frame_name(name, place)]
            else:
                yield array, at[name]


class _Parcel:
    """Small inputs side by side, in pinned memory and on the device, so that one copy does."""

    def __init__(self, tensors: Mapping[str, Tensor], device: Device) -> None:
        begins, end = {}, 0
        for name, tensor in tensors.items():
            begins[name] = end
            end += -(-tensor.size // ALIGNED) * ALIGNED
        self._device, self._host, self._begin = device, device.pinned(end), device.allocate(end)
        self.at = {name: self._begin + begin for name, begin in begins.items()}
        self._views = {
            name: self._host[begins[name] :][: tensor.size].view(tensor.dtype).reshape(tensor.shape)
            for name, tensor in tensors.items()
        }

    def fill(self, arrays: Buffers) -> None:
        """Copy arrays into it."""
        for name, view in self._views.items():
            np.copyto(view, arrays[name])

    def send(self) -> None:
        """Queue its copy to the device."""
        self._device.upload(self._begin, self._host)


def _as_it_is(work: Work) -> Work:
    return work


def _blocks(count: int, tensor: Tensor, device: Device) -> list[int]:
    return [device.allocate(tensor.size) for _ in range(count)]
