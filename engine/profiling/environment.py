"""Name the machine and the libraries a measurement was taken with, importing none of them."""

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_HASH_DIGITS = 12
_ASK_GPU = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")


def environment() -> dict[str, str | int | None]:
    """Describe this machine and the versions that matter to a frame's cost."""
    return {
        "cpu": _cpu_name(),
        "cores": _usable_cores(),
        "governor": _governor(),
        "gpu": _gpu(),
        "python": platform.python_version(),
        "numpy": version_of("numpy"),
        "onnxruntime": version_of("onnxruntime"),
        "tensorrt": version_of("tensorrt") or version_of("tensorrt-rtx-cu13-bindings"),
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


def _governor() -> str | None:
    try:
        return _GOVERNOR.read_text(encoding="utf-8").strip()
    except OSError:
        return None  # virtual machines have none


def _gpu() -> str | None:
    """Name the first NVIDIA GPU and its driver, as the driver's own tool does."""
    try:
        asked = subprocess.run(_ASK_GPU, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(asked.stdout.splitlines()), None)


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


def fingerprint(path: Path) -> str | None:
    """Return the first digits of a file's SHA-256, None where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:_HASH_DIGITS]
    except OSError:
        return None
