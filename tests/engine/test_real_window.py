"""The real window, on an X server of its own: keys that xdotool presses move the dreamt hero.

Plays the shipped world in a process of its own, as a person would, and looks at the recording and
at the screen. Real processes are waited for by what they write, never by a number of seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pygame
import pytest
from numpy.typing import NDArray

from engine.actions import RESET_WORD, read_actions
from engine.recorder import ACTIONS_NAME, FRAME_NAME
from games.scene import WORLDS, load_scene, resolve_scene
from world_model.evaluation.detector import HeroDetector

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("Xvfb", "xdotool")
SCENE = "meadow"
BUTTONS = ("left", "right", "jump")
LEFT, RIGHT, JUMP = range(3)
SCALE = 4
HOLD_TICKS = 9
LOOK_TICKS = 4
LEAST_MOVE_PX = 6
"""In the game the hero runs 11 px to the right in LOOK_TICKS, and 9 px to the left, to the wall."""
PATIENCE_S = 120.0
LOOKS = 200

missing = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
    pytest.mark.skipif(
        not (WORLDS / "platformer" / "config.json").exists(), reason="no world bundle is here"
    ),
]


class Screen:
    """An X server of just the window's size, whose pixels lie in a file."""

    def __init__(self, folder: Path) -> None:
        reader, writer = os.pipe()
        side = 128 * SCALE
        self._file = folder / "Xvfb_screen0"
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{side}x{side}x24",
             "-fbdir", folder, "-nolisten", "tcp", "-nocursor"],
            pass_fds=[writer], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writer)
        with os.fdopen(reader) as line:
            name = f":{line.readline().strip()}"
        self.environment = {**os.environ, "DISPLAY": name, "SDL_VIDEODRIVER": "x11"}

    def xdotool(self, *words: str) -> str:
        """Press keys, or ask about windows."""
        command = ["xdotool", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def pixels(self) -> NDArray[np.uint8]:
        """Read the screen, (H, W, 3): the server keeps it as an XWD file with a 25-word header."""
        data = self._file.read_bytes()
        header = np.frombuffer(data, ">u4", 25)
        size, width, height, stride, colours = (int(header[i]) for i in (0, 4, 5, 12, 19))
        rows = np.frombuffer(data, np.uint8, height * stride, size + 12 * colours)
        return rows.reshape(height, stride // 4, 4)[:, :width, 2::-1]

    def close(self) -> None:
        """Stop the server."""
        self.server.terminate()
        self.server.wait()


class Player:
    """`rollplay play`, recording, in a process of its own."""

    def __init__(self, screen: Screen, out: Path) -> None:
        program = "from engine.cli import main\nmain()"
        self._actions = out / ACTIONS_NAME
        self._out = out
        self.process = subprocess.Popen(
            # Of two threads on a busy machine, each waits for the other.
            [sys.executable, "-c", program, "play", SCENE, "--scale", str(SCALE), "--threads", "1",
             "--out", out],
            cwd=ROOT, env=screen.environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def lines(self) -> list[str]:
        """What was held so far, a line a tick."""
        return self._actions.read_text().splitlines() if self._actions.exists() else []

    def ticks(self, line: str) -> int:
        """For how many ticks so far a line was held."""
        return self.lines().count(line)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                pytest.fail(f"{self.process.stderr and self.process.stderr.read()}")
            time.sleep(0.005)

    def frame(self, tick: int) -> NDArray[np.uint8]:
        """Read a recorded frame, (H, W, 3)."""
        surface = pygame.image.load(self._out / FRAME_NAME.format(tick))
        return pygame.surfarray.array3d(surface).swapaxes(0, 1)

    def finished_ticks(self) -> int:
        """Count the frames on disk."""
        return len(list(self._out.glob("frame_*.png")))


@dataclass(frozen=True)
class Session:
    """What came of a few seconds at the keyboard."""

    player: Player
    title: str
    held: NDArray[np.bool_]
    shown: NDArray[np.uint8]
    newest: NDArray[np.uint8]
    exit_code: int
    said: str

    def moved_px(self, button: int) -> int:
        """How far the hero moved right in the first ticks in which a button was held."""
        pressed = int(self.held[:, button].argmax())
        before = self._hero_px(range(pressed - 1, pressed - 4, -1))
        return self._hero_px(range(pressed + LOOK_TICKS - 1, pressed + HOLD_TICKS)) - before

    def _hero_px(self, ticks: range) -> int:
        """Where the hero is drawn, in pixels from the left, in the first frame that shows it."""
        detector = HeroDetector(load_scene(resolve_scene(SCENE)).palette)
        for tick in ticks:
            if heroes := detector.find(self.player.frame(tick)):
                return heroes[0].x
        pytest.fail(f"no hero in frames {list(ticks)}")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Hold right, start anew, hold left, pause, look, quit."""
    screen = Screen(tmp_path_factory.mktemp("screen"))
    out = tmp_path_factory.mktemp("play") / "run"
    player = Player(screen, out)
    try:
        yield play(screen, player, out)
    finally:
        player.process.kill()
        player.process.communicate()
        screen.close()


def play(screen: Screen, player: Player, out: Path) -> Session:
    player.wait_until(lambda: player.ticks("") >= HOLD_TICKS)
    title = screen.xdotool("getwindowfocus", "getwindowname")
    hold(screen, player, "Right")
    screen.xdotool("key", "r")
    player.wait_until(lambda: any(line.startswith(RESET_WORD) for line in player.lines()))
    hold(screen, player, "Left")
    screen.xdotool("key", "p")
    shown, newest = look(screen, player)
    screen.xdotool("key", "Escape")
    said = player.process.communicate(timeout=PATIENCE_S)[1]
    held = read_actions(out / ACTIONS_NAME, BUTTONS).held
    return Session(player, title, held, shown, newest, player.process.returncode, said)


def hold(screen: Screen, player: Player, key: str) -> None:
    screen.xdotool("keydown", key)
    player.wait_until(lambda: player.ticks(key.lower()) >= HOLD_TICKS)
    screen.xdotool("keyup", key)


def look(screen: Screen, player: Player) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the screen and the newest frame, again until play rests and they agree, or for a while.

    A key takes until the next tick to pause the game, and frames come meanwhile.
    """
    for _ in range(LOOKS):
        shown, newest = screen.pixels(), player.frame(player.finished_ticks() - 1)
        if shows(shown, newest):
            break
        time.sleep(0.05)
    return shown, newest


def shows(shown: NDArray[np.uint8], frame: NDArray[np.uint8]) -> bool:
    """Tell whether the screen shows a frame; the note that play is paused hides its foot."""
    free = shown.shape[0] * 3 // 4
    enlarged = frame.repeat(SCALE, 0).repeat(SCALE, 1)
    return bool(np.array_equal(shown[:free], enlarged[:free]))


def test_right_moves_the_dreamt_hero_right(session: Session) -> None:
    assert session.moved_px(RIGHT) >= LEAST_MOVE_PX


def test_left_moves_the_dreamt_hero_left(session: Session) -> None:
    assert session.moved_px(LEFT) <= -LEAST_MOVE_PX


def test_the_window_that_has_the_keyboard_is_named_after_its_scene(session: Session) -> None:
    assert session.title == "Meadow - Rollplay"


def test_keys_that_nobody_pressed_are_not_held(session: Session) -> None:
    assert not session.held[:, JUMP].any()
    assert not (session.held[:, LEFT] & session.held[:, RIGHT]).any()


def test_the_window_shows_the_frames_that_were_recorded(session: Session) -> None:
    assert shows(session.shown, session.newest)


def test_escape_ends_the_game_with_a_summary(session: Session) -> None:
    assert session.exit_code == 0
    assert f"{len(session.held)} ticks of {SCENE}" in session.said
