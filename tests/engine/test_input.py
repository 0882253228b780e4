"""Inputs without a keyboard: scripts, random players, and the window's commands beside them."""

from pathlib import Path

import numpy as np

from engine.actions import parse_actions
from engine.controls import CONTROL_KEYS, Command
from engine.fakes import FakeClock, FakeInput
from engine.input import RandomInput, ScriptedInput, WindowControlled
from games.keys import RESERVED_KEYS

BUTTONS = ("left", "right", "jump")


def scripted(text: str, clock: FakeClock | None = None) -> ScriptedInput:
    return ScriptedInput(parse_actions(text, BUTTONS, path=Path("a.txt")), clock or FakeClock())


def test_scenes_may_not_use_the_keys_that_command_the_engine() -> None:
    assert set(CONTROL_KEYS) == RESERVED_KEYS
    assert set(CONTROL_KEYS.values()) == set(Command)


def test_a_script_plays_line_by_line_and_then_holds_nothing() -> None:
    source = scripted("right\njump\n")
    played = [source.sample().action.tolist() for _ in range(3)]
    assert played == [[False, True, False], [False, False, True], [False, False, False]]


def test_a_script_resets_before_the_tick_that_says_so() -> None:
    source = scripted("right\n!reset left\n")
    assert list(source.poll()) == []
    source.sample()
    assert list(source.poll()) == [Command.RESET]
    source.sample()
    assert list(source.poll()) == []


def test_a_scripted_sample_happens_when_it_is_taken() -> None:
    clock = FakeClock()
    clock.pass_ns(70)
    assert scripted("right", clock).sample().event_ns == 70


def test_samples_are_reused_not_reallocated() -> None:
    source = scripted("right\nleft")
    assert source.sample() is source.sample()


def random_play(seed: int, ticks: int = 2000) -> np.ndarray:
    source = RandomInput(3, seed=seed, clock=FakeClock())
    return np.array([source.sample().action.copy() for _ in range(ticks)])


def test_random_play_repeats_with_its_seed_and_only_with_it() -> None:
    assert np.array_equal(random_play(5), random_play(5))
    assert not np.array_equal(random_play(5), random_play(6))


def test_random_play_holds_presses_all_buttons_and_rests() -> None:
    play = random_play(0)
    share_held = play.mean(0)
    changes_per_tick = (play[1:] != play[:-1]).any(1).mean()
    assert (share_held > 0.1).all()
    assert (~play.any(1)).mean() > 0.02
    assert changes_per_tick < 0.4


def test_window_commands_join_a_source_that_has_its_own() -> None:
    clock = FakeClock()
    window = FakeInput(0, clock=clock, commands={0: [Command.PAUSE]})
    source = WindowControlled(scripted("!reset right"), window)
    source.start()
    assert list(source.poll()) == [Command.PAUSE, Command.RESET]
    assert source.sample().action.tolist() == [False, True, False]
    assert window.samples == 0
    source.close()
    assert window.closed
