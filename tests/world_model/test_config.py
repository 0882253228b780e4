"""The numbers of a world: what follows from them, and what does not fit together."""

import json
from dataclasses import replace
from typing import Any

import pytest

from world_model.config import CastConfig, CodecConfig, DiTConfig, WindowConfig, WorldConfig
from world_model.errors import ConfigError


def test_a_config_survives_json(tiny: WorldConfig) -> None:
    assert WorldConfig.from_dict(json.loads(json.dumps(tiny.to_dict()))) == tiny


def test_shapes_follow_from_the_frame(tiny: WorldConfig) -> None:
    assert tiny.frame_shape == (32, 48, 3)
    assert tiny.latent_shape == (48, 8, 12)
    assert tiny.seen_shape == (5, 8, 12)
    assert tiny.grid == (2, 3)
    assert tiny.tokens == 6


def test_a_session_starts_from_a_full_cache_and_the_previous_frame() -> None:
    window = WindowConfig(sink_frames=2, recent_frames=3)
    assert (window.cache_frames, window.start_frames) == (5, 8)
    without = WindowConfig(sink_frames=0, recent_frames=3)
    assert (without.cache_frames, without.start_frames) == (3, 7), "the first frame is still seen"


def test_a_width_that_rope_cannot_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="width 30 needs heads of a multiple of 8 channels"):
        DiTConfig(width=30, heads=2)
    with pytest.raises(ConfigError, match="width 32"):
        DiTConfig(width=32, heads=3)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("slots", 0), ("recent_frames", 0), ("sink_frames", -1),
        ("shift", 0.0),
        ("renoise", -0.1), ("renoise", 1.1),
    ],
)  # fmt: skip
def test_a_window_that_cannot_roll_is_refused(entry: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=str(value)):
        WindowConfig(**{entry: value})


@pytest.mark.parametrize("channels", [0, 49])
def test_a_network_sees_no_more_of_a_cell_than_there_is(channels: int) -> None:
    with pytest.raises(ConfigError, match=f"1 to 48 channels to see, not {channels}"):
        CodecConfig(channels)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("actors", 0, "at least 1 actor"),
        ("height", 0, "at most 16x16 pixels, not 4 of 0x10"),
        ("width", 17, "at most 16x16 pixels, not 4 of 12x17"),
        ("player_drawings", 0, "1 to 14 of the player, not 0"),
        ("player_drawings", 15, "1 to 14 of the player, not 15"),
    ],
)
def test_a_cast_that_no_sheet_can_show_is_refused(entry: str, value: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CastConfig(**{entry: value})


def test_drawings_fit_into_the_upper_half_of_a_model_sheet(tiny: WorldConfig) -> None:
    assert tiny.cast.drawings == 3, "as many as there are squares"
    with pytest.raises(ConfigError, match="4 drawings do not fit on a model sheet"):
        replace(tiny, cast=replace(tiny.cast, drawings=4))


def test_frames_are_whole_tokens(tiny: WorldConfig) -> None:
    with pytest.raises(ConfigError, match="multiple of 16"):
        replace(tiny, frame_width=40)


@pytest.mark.parametrize(
    ("entry", "value", "place"),
    [
        ("buttons", "left", "buttons"),
        ("fps", "20", "fps"),
        ("window", {"slots": 2.5}, "window.slots"),
        ("dit", {"widht": 2}, "dit.widht"),
        ("codec", {"channels": 2.5}, "codec.channels"),
    ],
)
def test_a_misfit_is_named_by_its_place(
    tiny: WorldConfig, entry: str, value: Any, place: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{place}: "):
        WorldConfig.from_dict(tiny.to_dict() | {entry: value})
