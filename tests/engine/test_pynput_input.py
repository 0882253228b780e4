"""The desktop's keyboard, with a listener that no desktop feeds."""

from types import SimpleNamespace

import pytest

from engine.errors import InputError
from engine.fakes import FakeClock
from engine.pynput_input import OnKey, PynputInput, listen_with_pynput, pynput_names
from games.keys import KEY_NAMES, RESERVED_KEYS


class FakeListener:
    """A listener whose keys a test presses."""

    def __init__(self) -> None:
        self.running = False

    def __call__(self, on_press: OnKey, on_release: OnKey) -> "FakeListener":
        self.press, self.release = on_press, on_release
        return self

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


def special(name: str) -> SimpleNamespace:
    return SimpleNamespace(name=name)


def char(char: str | None) -> SimpleNamespace:
    return SimpleNamespace(char=char)


def make(keys: dict[str, tuple[str, ...]]) -> tuple[PynputInput, FakeListener]:
    listener = FakeListener()
    return PynputInput(tuple(keys), keys, FakeClock(), listen=listener), listener


def test_characters_in_either_case_and_special_keys_are_held() -> None:
    keyboard, listener = make({"left": ("a",), "run": ("left shift",), "jump": ("space",)})
    listener.press(special("shift"))
    listener.press(char("A"))
    assert keyboard.sample().action.tolist() == [True, True, False]
    listener.release(char("a"))
    assert keyboard.sample().action.tolist() == [False, True, False]


def test_a_tap_between_two_samples_counts_for_one_tick() -> None:
    keyboard, listener = make({"jump": ("space",)})
    listener.press(special("space"))
    listener.release(special("space"))
    assert keyboard.sample().action.tolist() == [True]
    assert keyboard.sample().action.tolist() == [False]


def test_it_never_commands_the_engine() -> None:
    keyboard, listener = make({"jump": ("space",)})
    listener.press(special("esc"))
    assert list(keyboard.poll()) == []


def test_keys_without_name_or_character_are_ignored() -> None:
    keyboard, listener = make({"jump": ("space",)})
    listener.press(char(None))
    assert not keyboard.sample().action.any()


def test_it_listens_from_start_to_close() -> None:
    keyboard, listener = make({})
    running = [listener.running]
    keyboard.start()
    running.append(listener.running)
    keyboard.close()
    running.append(listener.running)
    assert running == [False, True, False]


def test_every_key_that_a_scene_may_name_has_names_of_its_own() -> None:
    plain = {key for key in KEY_NAMES - RESERVED_KEYS if not key.startswith("[")}
    names = [name for key in plain for name in pynput_names(key)]
    assert all(names)
    assert set(names) >= {"left", "enter", "shift_r", "page_up", "cmd", "a", "f1"}


def test_without_a_desktop_the_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError("this platform is not supported\nat all")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(InputError, match="--input pynput") as caught:
        listen_with_pynput(lambda key: None, lambda key: None)
    assert "\n" not in str(caught.value)
