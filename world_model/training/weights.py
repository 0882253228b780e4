"""The weights of a world bundle, as torch reads them back: to check an export, or to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from world_model.errors import WorldError

WEIGHTS_FILE: Final = "weights.safetensors"


def read_weights(directory: Path) -> dict[str, Tensor]:
    """Return a bundle's weights; raises WorldError where they are broken."""
    path = directory / WEIGHTS_FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WorldError(f"{path}: cannot be read ({error})") from None


def start_from(module: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Copy those weights that `module` has in the same shape; returns the names it has beside.

    Raises WorldError where none fits.
    """
    own = module.state_dict()
    taken = {name: t for name, t in weights.items() if name in own and own[name].shape == t.shape}
    if not taken:
        raise WorldError("no weight fits: the bundle is of a world of other sizes")
    module.load_state_dict(taken, strict=False)
    return sorted(own.keys() - taken)
