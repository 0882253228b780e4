"""A world bundle: a directory with the config and the graphs of a world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from world_model.config import WorldConfig
from world_model.errors import ConfigError, WorldError, did_you_mean

CONFIG_FILE: Final = "config.json"


def read_config(directory: Path) -> WorldConfig:
    """Read a bundle's config; raises WorldError naming the file and the cure."""
    path = directory / CONFIG_FILE
    if not directory.is_dir():
        there = [path.parent.name for path in directory.parent.glob(f"*/{CONFIG_FILE}")]
        hint = did_you_mean(directory.name, there)
        raise WorldError(f"{directory}: no such world; {hint}`rollplay export` makes one")
    try:
        return WorldConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise WorldError(f"{path}: missing; a world bundle needs it") from None
    except (OSError, ValueError, ConfigError) as error:
        raise WorldError(f"{path}: {error}") from None
