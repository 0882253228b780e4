"""The numbers of a world: what follows from them, and what does not fit together."""

import json
from typing import Any

import pytest

from world_model.config import DiTConfig, WindowConfig, WorldConfig
from world_model.errors import ConfigError


def test_a_config_survives_json(tiny: WorldConfig) -> None:
    assert WorldConfig.from_dict(json.loads(json.dumps(tiny.to_dict()))) == tiny


def test_shapes_follow_from_the_frame(tiny: WorldConfig) -> None:
    assert tiny.frame_shape == (32, 48, 3)
    assert tiny.latent_shape == (5, 2, 3)
    assert tiny.tokens == 6


def test_a_session_starts_from_a_full_cache_and_the_previous_frame() -> None:
    window = WindowConfig(sink_frames=2, recent_frames=3)
    assert (window.cache_frames, window.start_frames) == (5, 6)


def test_a_width_that_rope_cannot_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="width 30 needs heads of a multiple of 8 channels"):
        DiTConfig(width=30, heads=2)
    with pytest.raises(ConfigError, match="width 32"):
        DiTConfig(width=32, heads=3)


@pytest.mark.parametrize(
    ("entry", "value", "place"),
    [
        ("buttons", "left", "buttons"),
        ("fps", "20", "fps"),
        ("window", {"slots": 2.5}, "window.slots"),
        ("dit", {"widht": 2}, "dit.widht"),
        ("codec", {"encoder_widths": [1, 2]}, "codec.encoder_widths"),
    ],
)
def test_a_misfit_is_named_by_its_place(
    tiny: WorldConfig, entry: str, value: Any, place: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{place}: "):
        WorldConfig.from_dict(tiny.to_dict() | {entry: value})
