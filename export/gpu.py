"""Whether there is an NVIDIA GPU here, told without any library that computes on one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

NO_DRIVER: Final = "no NVIDIA driver here"
_TOLD: Final = Path("/proc/driver/nvidia")


def has_driver() -> bool:
    """Tell whether the driver's library can be loaded."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def described() -> str:
    """Return what Linux knows of the driver and the cards; empty where it knows nothing."""
    files = [_TOLD / "version", *sorted(_TOLD.glob("gpus/*/information"))]
    texts = []
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return "\n".join(texts)
