"""Loading scenes: values, defaults, finding them, and the frames that they start with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from games.keys import KEY_NAMES, PLATFORMER_KEYS, RESERVED_KEYS
from games.platformer import physics
from games.platformer.themes import HERO, THEMES
from games.problems import SceneErrors
from games.scene import Scene, find_scenes, load_scene, resolve_scene, start_frames

LEVEL = """\
level: |
  ................
  ................
  ................
  ................
  ................
  ................
  ................
  ................
  ................
  ................
  ................
  ......oo........
  .....====.......
  .P...........E.D
  ################
  ################
"""
# A whole scene, as a designer would first write it.
MINIMAL = f"world: tiny\ntheme: dusk\n{LEVEL}"

Load = Callable[[str], Scene]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "worlds" / "tiny").mkdir(parents=True)

    def load_text(text: str) -> Scene:
        path = tmp_path / "first_light.yaml"
        path.write_text(text, encoding="utf-8")
        return load_scene(path, worlds=tmp_path / "worlds")

    return load_text


def test_a_scene_takes_under_twenty_lines(load: Load) -> None:
    assert len(MINIMAL.splitlines()) < 20
    scene = load(MINIMAL)
    assert (scene.name, scene.title, scene.world) == ("first_light", "First light", "tiny")
    assert scene.palette == THEMES["dusk"]
    assert (scene.fps, scene.scale, scene.seed, scene.sink) == (20, 4, 0, "pinned")
    assert scene.keys == PLATFORMER_KEYS


def test_every_value_can_be_set(load: Load) -> None:
    scene = load(f"title: 'Höhle: Zwei'\nfps: 60\nscale: 12\nseed: 4294967295\n{MINIMAL}")
    assert (scene.title, scene.fps, scene.scale, scene.seed) == ("Höhle: Zwei", 60, 12, 2**32 - 1)


@pytest.mark.parametrize("sink", ["pinned", "refresh", "off", "'off'"])
def test_the_sink_can_be_chosen_and_off_needs_no_quotes(load: Load, sink: str) -> None:
    assert load(f"sink: {sink}\n{MINIMAL}").sink == sink.strip("'")


def test_the_level_is_read_from_the_map(load: Load) -> None:
    level = load(MINIMAL).level
    assert level.spawn == (1, 13)
    assert level.enemies == ((13, 13),)
    assert level.coins.sum() == 2


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_and_a_byte_order_mark_do_not_matter(load: Load, ending: str) -> None:
    assert load("\ufeff" + MINIMAL.replace("\n", ending)).level.spawn == (1, 13)


def test_a_palette_overrides_its_base(load: Load) -> None:
    text = MINIMAL.replace(
        "theme: dusk",
        'palette: {base: neon, sky: "#0A0b0C", ground_style: sand, backdrop_seed: 7}',
    )
    palette = load(text).palette
    assert palette.sky == (10, 11, 12)
    assert palette.haze == THEMES["neon"].haze
    assert (palette.ground_style, palette.backdrop_seed) == ("sand", 7)
    assert palette.hero == HERO


def test_a_button_keeps_its_keys_unless_the_scene_names_others(load: Load) -> None:
    scene = load(f"keys: {{jump: [k, 1, ';']}}\n{MINIMAL}")
    assert scene.keys == {**PLATFORMER_KEYS, "jump": ("k", "1", ";")}


def test_a_key_may_move_from_one_button_to_another(load: Load) -> None:
    scene = load(f"keys: {{left: [d], right: [a]}}\n{MINIMAL}")
    assert (scene.keys["left"], scene.keys["right"]) == (("d",), ("a",))


def test_buttons_stand_in_the_order_of_the_game(load: Load) -> None:
    assert tuple(load(f"keys: {{jump: [k]}}\n{MINIMAL}").keys) == physics.BUTTONS


def test_key_names_are_those_of_pygame() -> None:
    import pygame

    known = {pygame.key.name(getattr(pygame, name)) for name in dir(pygame) if name[:2] == "K_"}
    assert known >= KEY_NAMES
    assert KEY_NAMES >= RESERVED_KEYS
    assert not RESERVED_KEYS & {key for keys in PLATFORMER_KEYS.values() for key in keys}


def test_start_frames_are_the_game_at_rest(load: Load) -> None:
    scene = load(MINIMAL)
    frames = start_frames(scene, 5)
    assert frames.shape == (5, 128, 128, 3)
    assert frames.dtype == np.uint8
    hero = (frames == np.array(HERO, np.uint8)).all(-1)
    assert hero[0].any(), "the model sheet shows it"
    assert not hero[1].any(), "the scenery has nobody in it"
    assert all(hero[index][:, :24].any() for index in range(2, 5))
    assert (start_frames(scene, 5) == frames).all()
    assert (start_frames(scene, 2) == frames[:2]).all()


def test_start_frames_show_time_passing(load: Load) -> None:
    frames = start_frames(load(MINIMAL), 5)
    assert (frames[2] != frames[4]).any()  # the enemy walks


def test_a_shipped_scene_is_found_by_its_name() -> None:
    assert resolve_scene("meadow") in find_scenes()
    assert len(find_scenes()) >= 4


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.touch()
    assert resolve_scene(str(path)) == path


def test_a_wrong_scene_name_gets_the_nearest_one() -> None:
    with pytest.raises(SceneErrors) as caught:
        resolve_scene("medow")
    (problem,) = caught.value.problems
    assert problem.suggestion == "meadow"
    assert "icefall" in problem.expected


def test_a_wrong_path_gets_the_nearest_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "forest.yaml").touch()
    with pytest.raises(SceneErrors) as caught:
        resolve_scene(str(tmp_path / "forst.yaml"))
    assert caught.value.problems[0].suggestion == str(tmp_path / "forest.yaml")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", "/", "no/such/folder/scene.yaml"])
def test_an_impossible_name_is_an_error_like_any_other(name: str) -> None:
    with pytest.raises(SceneErrors):
        load_scene(resolve_scene(name))
