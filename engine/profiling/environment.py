"""Name the machine and the libraries a measurement was taken with, importing none of them."""

import os
import platform
from importlib import metadata
from pathlib import Path


def environment() -> dict[str, str | int | None]:
    """Describe this machine and the versions that matter to a frame's cost."""
    return {
        "cpu": _cpu_name(),
        "cores": _usable_cores(),
        "python": platform.python_version(),
        "numpy": version_of("numpy"),
        "onnxruntime": version_of("onnxruntime"),
        "pygame": version_of("pygame-ce"),
        "platform": platform.platform(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _usable_cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def version_of(distribution: str) -> str | None:
    """Return the installed version of a distribution, None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
