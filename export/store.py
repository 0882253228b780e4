"""The user's cache: what can be made again, but not at once. A broken file counts as none.

Beside each file lies the hash of its bytes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def place(kind: str) -> Path:
    """Return where things of a kind are kept: `$XDG_CACHE_HOME/rollplay/<kind>`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "rollplay" / kind


def keep(path: Path, data: bytes) -> None:
    """Write data and the hash of its bytes; a write that is cut short leaves nothing to recall."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    _hash_file(path).write_text(_hash(data))
    fresh.replace(path)


def recall(path: Path) -> bytes | None:
    """Return what is kept in `path`; None where there is nothing, or it is broken."""
    try:
        data = path.read_bytes()
        known = _hash_file(path).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return data if known == _hash(data) else None


def _hash_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
