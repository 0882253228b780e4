"""The variants of a world that an ablation compares: a grid of windows, and changes to the base.

Plain values, torch-free; they say what a window and a training run become.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from world_model.config import WindowConfig
from world_model.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from world_model.training.presets import WorldRun


@dataclass(frozen=True)
class Variant:
    """A window, and a run's settings as far as they are not the preset's.

    `held_branches`: slots are trained on what comes if the newest key stays held, not on what was
    recorded; `self_forcing`: some steps train on own roll-outs; `overlapping`: every tick of these
    is a lesson, not only those whose windows do not overlap; `motion`: what moves counts more;
    `passes`: for each frame, of a world of one slot; see `sampling`; `distilled`: half of the
    budget only, then a quarter for a teacher and a quarter for distillation.
    """

    name: str
    about: str
    window: WindowConfig = field(default_factory=WindowConfig)
    held_branches: bool = True
    self_forcing: bool = True
    motion: bool = True
    passes: int = 1
    overlapping: bool = True
    distilled: bool = False

    def settings(self) -> dict[str, Any]:
        """Return what decides how this variant is trained, in JSON form."""
        values = asdict(self)
        return {name: value for name, value in values.items() if name != "about"}

    def applied(self, run: WorldRun) -> WorldRun:
        """Return a preset's run with what this variant changes."""
        share = run.roll_out.share if self.self_forcing else 0.0
        stride = 1 if self.overlapping else self.window.slots
        return replace(
            run,
            roll_out=replace(run.roll_out, share=share, stride=stride),
            held_branches=self.held_branches,
            motion_weight=run.motion_weight if self.motion else 0.0,
            passes=self.passes,
        )


_SLOTS: Final = {1: "one slot", 3: "three slots", 4: "four slots", 5: "five slots"}
_RENOISE: Final = 0.9


def _window(slots: int, *, sink: bool = True, renoise: bool = False) -> Variant:
    """Return a cell of the grid of slots, sink and re-noising; all else is as the preset has it."""
    name = "frame-by-frame" if slots == 1 else f"window-{slots}"
    about = _SLOTS[slots]
    if not sink:
        name, about = f"{name}-no-sink", f"{about}, no sink in the cache"
    if renoise:
        name = f"{name}-renoise"
        about = f"{about}, raised to noise level {_RENOISE} when the keys change"
    level = _RENOISE if renoise else 0.0
    return Variant(name, about, WindowConfig(slots, sink_frames=int(sink), renoise=level))


BASE: Final = _window(3)
_ONE: Final = _window(1)

VARIANTS: Final = {
    variant.name: variant
    for variant in (
        _ONE,
        _window(1, sink=False),
        *(
            _window(slots, sink=sink, renoise=renoise)
            for slots in (3, 4, 5)
            for renoise in (False, True)
            for sink in (True, False)
        ),
        replace(
            _ONE,
            name="frame-by-frame-3-passes",
            about="one slot, three passes a frame, trained at their levels (roll-outs take one)",
            passes=3,
        ),
        Variant(
            "true-futures",
            "slots are trained on the recorded future, not on what comes if the key stays held",
            held_branches=False,
        ),
        Variant("no-motion-weight", "what moves counts like the rest", motion=False),
        Variant(
            "non-overlapping",
            "of roll-outs, only windows that do not overlap are lessons, the paper's way",
            overlapping=False,
        ),
        Variant(
            "distilled",
            "half of the budget as the base, a quarter for a teacher, a quarter distilled from it",
            distilled=True,
        ),
        Variant("no-self-forcing", "trained on recorded history alone", self_forcing=False),
        replace(
            _ONE,
            name="frame-by-frame-no-self-forcing",
            about="one slot, trained on recorded history alone",
            self_forcing=False,
        ),
    )
}


def choose_variants(names: Iterable[str]) -> tuple[Variant, ...]:
    """Return the variants of these names, all where there are none.

    Raises ConfigError for a name that is not known, with the nearest.
    """
    wanted = list(dict.fromkeys(names)) or list(VARIANTS)
    for name in wanted:
        if name not in VARIANTS:
            hint = did_you_mean(name, VARIANTS)
            raise ConfigError(f"{name}: no such variant; {hint}known: {', '.join(VARIANTS)}")
    return tuple(VARIANTS[name] for name in wanted)
