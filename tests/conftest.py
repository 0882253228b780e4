"""What all tests share: nothing fails because a machine is slow, and one tiny world."""

import os

# Several processes that each want all cores take turns at them, and wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from world_model.config import CastConfig, CodecConfig, DiTConfig, WorldConfig

settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


@pytest.fixture(scope="session")
def tiny() -> WorldConfig:
    """A world of 2x3 tokens a frame: height, width, depth and channels all differ."""
    return WorldConfig(
        name="tiny",
        game="platformer",
        buttons=("left", "right", "jump"),
        fps=20,
        frame_height=32,
        frame_width=48,
        dit=DiTConfig(width=32, depth=2, heads=2, mlp_ratio=2, tile_width=12, cell_width=8),
        codec=CodecConfig(channels=5),
        cast=CastConfig(drawings=3, player_drawings=2, actors=3, height=7, width=6),
    )
