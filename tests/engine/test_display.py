"""Displays: geometry without a window, then a window without a screen."""

from collections.abc import Mapping

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.display import HeadlessDisplay, has_display, is_seen, place
from engine.errors import DisplayError
from engine.pygame_display import PygameDisplay


def some_frame(seed: int = 0, side_px: int = 128) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)


def pixels(display: PygameDisplay) -> NDArray[np.uint8]:
    return pygame.surfarray.array3d(display.surface).swapaxes(0, 1)


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_a_frame_is_enlarged_by_the_largest_integer_that_fits(width: int, height: int) -> None:
    spot = place((128, 96), (width, height))
    scale = spot.width // 128
    assert (spot.width, spot.height) == (128 * scale, 96 * scale)
    if scale > 1:
        assert spot.width <= width
        assert spot.height <= height
    assert 128 * (scale + 1) > width or 96 * (scale + 1) > height


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_a_frame_lies_in_the_middle(width: int, height: int) -> None:
    spot = place((128, 128), (width, height))
    assert abs((width - spot.width) - 2 * spot.left) <= 1
    assert abs((height - spot.height) - 2 * spot.top) <= 1


@pytest.mark.parametrize(
    ("environment", "system", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"SDL_VIDEODRIVER": "dummy"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_a_display_is_needed_on_linux(
    environment: Mapping[str, str], system: str, expected: bool
) -> None:
    assert has_display(environment, system=system) is expected


def test_a_window_that_sdl_hides_counts_only_where_it_was_asked_for() -> None:
    assert is_seen("x11", {})
    assert not is_seen("offscreen", {"DISPLAY": ":99"})
    assert is_seen("dummy", {"SDL_VIDEODRIVER": "dummy"})


def test_without_a_display_the_error_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DisplayError, match="--headless") as caught:
        PygameDisplay((128, 128), "")
    assert "\n" not in str(caught.value)


def test_a_driver_that_does_not_work_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    with pytest.raises(DisplayError, match="--headless") as caught:
        PygameDisplay((128, 128), "")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_screen")
def test_every_pixel_of_a_frame_becomes_a_square() -> None:
    display = PygameDisplay((384, 384), "test")
    frame = some_frame()
    display.blit(frame)
    display.present()
    assert np.array_equal(pixels(display), frame.repeat(3, 0).repeat(3, 1))


@pytest.mark.usefixtures("no_screen")
def test_borders_are_black_also_where_the_title_was() -> None:
    display = PygameDisplay((400, 300), "test")
    display.title("A title", [("what", "key")])
    assert pixels(display).max() > 200
    frame = some_frame()
    display.blit(frame)
    shown = pixels(display)
    assert np.array_equal(shown[22:278, 72:328], frame.repeat(2, 0).repeat(2, 1))
    shown[22:278, 72:328] = 0
    assert not shown.any()


@pytest.mark.usefixtures("no_screen")
def test_a_window_resized_between_frames_refits() -> None:
    display = PygameDisplay((128, 128), "test")
    display.blit(some_frame())
    pygame.display.set_mode((256, 300), pygame.RESIZABLE)
    frame = some_frame(1)
    display.blit(frame)
    assert np.array_equal(pixels(display)[22:278], frame.repeat(2, 0).repeat(2, 1))


@pytest.mark.usefixtures("no_screen")
def test_a_window_smaller_than_the_frame_shows_its_middle() -> None:
    display = PygameDisplay((64, 64), "test")
    frame = some_frame()
    display.blit(frame)
    assert np.array_equal(pixels(display), frame[32:96, 32:96])


@pytest.mark.usefixtures("no_screen")
def test_worlds_of_other_frame_sizes_fit_the_same_window() -> None:
    display = PygameDisplay((128, 128), "test")
    frame = some_frame(side_px=64)
    display.blit(frame)
    assert np.array_equal(pixels(display), frame.repeat(2, 0).repeat(2, 1))


@pytest.mark.usefixtures("no_screen")
def test_a_closed_window_says_so() -> None:
    display = PygameDisplay((128, 128), "test")
    display.close()
    with pytest.raises(DisplayError, match="closed"):
        display.blit(some_frame())


def test_headless_takes_frames_and_shows_nothing() -> None:
    display = HeadlessDisplay()
    display.blit(some_frame())
    display.present()
