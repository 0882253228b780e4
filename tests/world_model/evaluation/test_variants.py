"""The variants of an ablation: each changes what it says, of a window or a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from world_model.config import WindowConfig
from world_model.errors import ConfigError
from world_model.evaluation.variants import BASE, VARIANTS, choose_variants
from world_model.training.presets import PRESETS, WorldRun

RUN = PRESETS["cpu"].world
NO_ROLL_OUTS = replace(RUN, roll_out=replace(RUN.roll_out, share=0.0))


@pytest.mark.parametrize(
    ("name", "window", "run"),
    [
        ("window-3", WindowConfig(), RUN),
        ("frame-by-frame", WindowConfig(slots=1), RUN),
        ("frame-by-frame-3-passes", WindowConfig(slots=1), replace(RUN, passes=3)),
        ("window-4", WindowConfig(slots=4), RUN),
        ("window-5", WindowConfig(slots=5), RUN),
        ("window-3-no-sink", WindowConfig(sink_frames=0), RUN),
        ("frame-by-frame-no-sink", WindowConfig(slots=1, sink_frames=0), RUN),
        ("window-3-renoise", WindowConfig(renoise=0.9), RUN),
        ("window-4-renoise", WindowConfig(slots=4, renoise=0.9), RUN),
        ("window-5-no-sink-renoise", WindowConfig(slots=5, sink_frames=0, renoise=0.9), RUN),
        ("true-futures", WindowConfig(), replace(RUN, held_branches=False)),
        ("no-motion-weight", WindowConfig(), replace(RUN, motion_weight=0.0)),
        (
            "non-overlapping",
            WindowConfig(),
            replace(RUN, roll_out=replace(RUN.roll_out, stride=3)),
        ),
        ("no-self-forcing", WindowConfig(), NO_ROLL_OUTS),
        ("frame-by-frame-no-self-forcing", WindowConfig(slots=1), NO_ROLL_OUTS),
    ],
)
def test_a_variant_is_what_its_name_says(name: str, window: WindowConfig, run: WorldRun) -> None:
    variant = VARIANTS[name]
    assert variant.window == window
    assert variant.applied(RUN) == run


def test_the_base_is_the_preset() -> None:
    assert (BASE.window, BASE.applied(RUN)) == (WindowConfig(), RUN)


def test_no_two_variants_are_the_same() -> None:
    settings = [{**variant.settings(), "name": None} for variant in VARIANTS.values()]
    assert all(one not in settings[:i] for i, one in enumerate(settings))


def test_variants_are_chosen_by_name_once_each_or_all() -> None:
    assert [v.name for v in choose_variants(["window-4", "window-3", "window-4"])] == [
        "window-4",
        "window-3",
    ]
    assert choose_variants([]) == tuple(VARIANTS.values())


def test_an_unknown_variant_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"true-future: no such variant; did you mean true-futures\?"
    ):
        choose_variants(["true-future"])
