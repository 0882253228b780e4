"""torch as a backend: the reference, from a bundle's weights. Needs `rollplay[train]`.

On a GPU weights live there, and every tick's inputs and outputs are copied; on the CPU the caller's
arrays are used in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from export.graphs import STEP_OUTPUTS, CodecGraph, StepGraph, step_inputs
from export.onnx_export import read_modules
from world_model.world import Buffers, Operator


class TorchBackend:
    """Runs a bundle's graphs in torch, eager or compiled."""

    def __init__(
        self, directory: Path, threads: int | None = None, *, compiled: bool = False
    ) -> None:
        config, dit, codec = read_modules(directory)
        self.name = "torch-compiled" if compiled else "torch"
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if threads:
            torch.set_num_threads(threads)
        self._orders = {"step": (tuple(step_inputs(config)), STEP_OUTPUTS),
                        "decode": (("latents",), ("frame",)),
                        "encode": (("frame",), ("latents",))}  # fmt: skip
        graphs: dict[str, nn.Module] = {
            "step": StepGraph(dit),
            "decode": CodecGraph(codec, "decode"),
            "encode": CodecGraph(codec, "encode"),
        }
        self._graphs = {
            name: torch.compile(graph) if compiled else graph
            for name, graph in ((n, g.to(self._device).eval()) for n, g in graphs.items())
        }

    def bind(self, graph: str, inputs: Buffers, outputs: Buffers) -> Callable[[], None]:
        """Return a call that runs `graph` from and into these very arrays."""
        run, (given, made) = self._graphs[graph], self._orders[graph]
        sources = [torch.from_numpy(inputs[name]) for name in given]
        targets = [torch.from_numpy(outputs[name]) for name in made]

        @torch.inference_mode()
        def call() -> None:
            results = run(*(source.to(self._device) for source in sources))
            results = (results,) if isinstance(results, Tensor) else results
            for target, result in zip(targets, results, strict=True):
                target.copy_(result)

        return call

    def operators(self) -> Sequence[Operator]:
        """Return nothing: use torch's own profiler."""
        return ()
