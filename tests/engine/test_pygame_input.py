"""The window's keyboard, with events that no hand made."""

import pygame
import pytest

from engine.controls import CONTROL_KEYS, Command
from engine.errors import InputError
from engine.fakes import FakeClock
from engine.pygame_display import PygameDisplay
from engine.pygame_input import PygameInput
from games.keys import KEY_NAMES

BUTTONS = ("left", "right", "jump")
KEYS = {"left": ("left", "a"), "right": ("right", "d"), "jump": ("space", "up")}

pytestmark = pytest.mark.usefixtures("no_screen")


@pytest.fixture
def keyboard(no_screen: None) -> PygameInput:
    PygameDisplay((128, 128), "test")
    pygame.event.clear()
    return PygameInput(BUTTONS, KEYS, FakeClock())


def send(kind: int, name: str) -> None:
    pygame.event.post(pygame.event.Event(kind, key=pygame.key.key_code(name)))


def token(keyboard: PygameInput) -> str:
    keyboard.poll()
    action = keyboard.sample().action
    return "".join(b[0] if held else "-" for b, held in zip(BUTTONS, action, strict=True))


def test_held_keys_make_the_token(keyboard: PygameInput) -> None:
    send(pygame.KEYDOWN, "d")
    send(pygame.KEYDOWN, "space")
    assert token(keyboard) == "-rj"
    send(pygame.KEYUP, "d")
    assert token(keyboard) == "--j"


def test_a_tap_between_two_samples_counts_for_one_tick(keyboard: PygameInput) -> None:
    send(pygame.KEYDOWN, "up")
    send(pygame.KEYUP, "up")
    assert token(keyboard) == "--j"
    assert token(keyboard) == "---"


def test_control_keys_are_commands_and_no_action(keyboard: PygameInput) -> None:
    for name in CONTROL_KEYS:
        send(pygame.KEYDOWN, name)
    assert list(keyboard.poll()) == list(CONTROL_KEYS.values())
    assert not keyboard.sample().action.any()
    assert list(keyboard.poll()) == []


def test_closing_the_window_is_quit(keyboard: PygameInput) -> None:
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert list(keyboard.poll()) == [Command.QUIT]


def test_a_window_that_loses_the_keyboard_lets_go(keyboard: PygameInput) -> None:
    send(pygame.KEYDOWN, "left")
    assert token(keyboard) == "l--"
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    assert token(keyboard) == "---"


def test_a_sample_is_stamped_when_its_event_was_pumped(keyboard: PygameInput) -> None:
    send(pygame.KEYDOWN, "left")
    keyboard.poll()
    assert keyboard.sample().event_ns >= 0
    assert keyboard.sample().event_ns == 0


def test_starting_forgets_taps_made_before(keyboard: PygameInput) -> None:
    send(pygame.KEYDOWN, "left")
    send(pygame.KEYUP, "left")
    keyboard.start()
    assert token(keyboard) == "---"


def test_a_quit_before_the_start_is_not_forgotten(keyboard: PygameInput) -> None:
    send(pygame.KEYDOWN, "escape")
    keyboard.start()
    assert list(keyboard.poll()) == [Command.QUIT]


def test_every_key_that_a_scene_may_name_is_known(keyboard: PygameInput) -> None:
    PygameInput(("any",), {"any": sorted(KEY_NAMES)}, FakeClock())


def test_an_unknown_key_is_an_error(keyboard: PygameInput) -> None:
    with pytest.raises(InputError, match="'sapce'"):
        PygameInput(("jump",), {"jump": ("sapce",)}, FakeClock())
