"""The model sheet and who is on a frame: what the game draws is what a world reads off it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import Levels
from games.platformer.physics import State
from games.platformer.render import Renderer
from games.platformer.sheet import model_sheet
from games.platformer.sprites import ENEMY_PX, FACINGS, POSES, enemy_sprites, hero_sprites
from games.platformer.themes import THEMES
from games.scene import find_scenes, load_scene, start_frames
from world_model.cast import CUT_PX, GOES_ON, NOWHERE, follow, locate, read_cast
from world_model.config import CastConfig
from world_model.data import HELD_OUT_SEED, places_of, stage

CONFIG = CastConfig()
LEVELS = 24
HEROES = len(POSES) * len(FACINGS)

Place = tuple[int, int, int, int]


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_a_cast_is_the_games_sprites(theme: str) -> None:
    palette = THEMES[theme]
    sprites = [*hero_sprites(palette).reshape(HEROES, 12, 10, 4)]
    sprites += [*enemy_sprites(palette).reshape(-1, 8, 8, 4)]
    assert (len(sprites), HEROES) == (CONFIG.drawings, CONFIG.player_drawings)
    for drawing, sprite in zip(read_cast(model_sheet(palette), CONFIG), sprites, strict=True):
        height, width = sprite.shape[:2]
        opaque = np.zeros((CONFIG.height, CONFIG.width), np.bool_)
        opaque[:height, :width] = sprite[..., 3] > 0
        np.testing.assert_array_equal(drawing[3], opaque.astype(np.float32))
        colours = sprite[..., :3].transpose(2, 0, 1) / 127.5 - 1
        np.testing.assert_allclose(drawing[:3, opaque], colours[:, opaque[:height, :width]],
                                   atol=1e-6)  # fmt: skip
        assert not drawing[:3, ~opaque].any()


@dataclass(frozen=True)
class Shown:
    """A frame, its cast, and where the game has drawn the player and those enemies that it has."""

    frame: NDArray[np.uint8]
    cast: NDArray[np.float32]
    player: Place
    enemies: list[Place]

    def located(self) -> list[Place]:
        return [tuple(place) for place in locate(self.frame, self.cast, CONFIG).tolist()]

    @property
    def overlapping(self) -> list[tuple[Place, Place]]:
        """Enemies of which one may hide the other."""
        pairs = combinations(self.enemies, 2)
        return [pair for pair in pairs if np.abs(np.subtract(*pair))[:2].max() < ENEMY_PX]

    def covered(self, place: Place) -> int:
        """How many pixels of an actor the player hides."""
        silhouettes = [np.zeros((160, 160), np.bool_) for _ in range(2)]
        for picture, (top, left, drawing, _) in zip(silhouettes, (self.player, place), strict=True):
            rows, columns = np.nonzero(self.cast[drawing, 3])
            picture[(top + rows).clip(0, 159), left + columns + 16] = True
        return int((silhouettes[0] & silhouettes[1]).sum())


@pytest.fixture(scope="module")
def moments() -> list[Shown]:
    """Some moments of levels that no world is trained on."""
    return list(_play())


def _play() -> Iterator[Shown]:
    levels, palettes = stage(np.arange(LEVELS) + HELD_OUT_SEED)
    rng, renderer = np.random.default_rng(0), Renderer(levels, palettes)
    casts = [read_cast(model_sheet(palette), CONFIG) for palette in palettes]
    state = physics.initial(levels)
    for tick in range(24):
        state, _ = physics.step(levels, state, rng.random((LEVELS, 3)) < (0.2, 0.7, 0.5))
        if tick % 12 < 11:
            continue
        yield from _shown(levels, renderer, casts, state)


def _shown(
    levels: Levels, renderer: Renderer, casts: list[NDArray[np.float32]], state: State
) -> Iterator[Shown]:
    """Yield what is shown of every level."""
    heroes, enemies = np.split(places_of(levels, state), [1], 1)
    for index, frame in enumerate(renderer.render(state)):
        alive = enemies[index][levels.enemy_alive[index]]
        yield Shown(frame, casts[index], tuple(heroes[index, 0].tolist()),
                    [tuple(place) for place in alive.tolist()])  # fmt: skip


def pixels(shown: Shown, place: Place) -> bytes:
    """How the drawing of a place looks: two that look alike cannot be told apart."""
    return shown.cast[place[2]].tobytes()


def test_the_player_is_located_where_the_game_draws_it(moments: list[Shown]) -> None:
    count = 0
    for shown in moments:
        if shown.player[0] > 116:  # falls out of the frame
            continue
        found = shown.located()[0]
        assert found[:2] == shown.player[:2]
        assert pixels(shown, found) == pixels(shown, shown.player)
        count += 1
    assert count > len(moments) / 2


def test_enemies_are_located_where_the_game_draws_them_and_no_others(moments: list[Shown]) -> None:
    count = 0
    for shown in moments:
        if any(shown.covered(place) for place in shown.enemies) or shown.overlapping:
            continue
        found = [place for place in shown.located()[1:] if place != NOWHERE]
        assert found == sorted(found), "from the top left on"
        assert [place[:2] for place in found] == sorted(place[:2] for place in shown.enemies)
        for place in found:
            (drawn,) = (enemy for enemy in shown.enemies if enemy[:2] == place[:2])
            assert pixels(shown, place) == pixels(shown, drawn)
        count += len(found)
    assert count > 30


def on_grey(*actors: Place) -> Shown:
    """A frame of plain grey with these actors on it, the first on top."""
    cast = read_cast(model_sheet(THEMES["meadow"]), CONFIG)
    frame = np.full((128, 128, 3), 90, np.uint8)
    for top, left, drawing, _ in reversed(actors):
        rows, columns = np.nonzero(cast[drawing, 3])
        inside = (left + columns >= 0) & (left + columns < 128)
        rows, columns = rows[inside], columns[inside]
        colours = ((cast[drawing, :3, rows, columns] + 1) * 127.5).round().astype(np.uint8)
        frame[top + rows, left + columns] = colours
    return Shown(frame, cast, actors[0], list(actors[1:]))


def test_an_enemy_partly_hidden_by_the_player_is_still_found() -> None:
    enemy = (60, 40, HEROES + 1, GOES_ON)
    shown = on_grey((52, 33, 0, GOES_ON), enemy)
    assert 0 < shown.covered(enemy) < 16
    assert shown.located()[:2] == [(52, 33, 0, GOES_ON), enemy]
    hidden = on_grey((56, 39, 0, GOES_ON), enemy)
    assert hidden.covered(enemy) > 30
    assert hidden.located()[1:] == [NOWHERE] * 3


def test_all_actors_are_told_apart_and_there_are_no_more_than_there_can_be() -> None:
    player, *enemies = (
        (100, 10, 7, GOES_ON),
        (20, 100, HEROES, GOES_ON),
        (20, 30, HEROES + 2, GOES_ON),
        (90, 64, HEROES + 1, GOES_ON),
    )
    shown = on_grey(player, *enemies)
    assert shown.located() == [player, enemies[1], enemies[0], enemies[2]]
    crowded = on_grey(player, *enemies, (50, 50, HEROES + 3, GOES_ON))
    assert NOWHERE not in crowded.located()


@pytest.mark.parametrize("left", [-CUT_PX, 0, 118, 118 + CUT_PX])
def test_a_player_cut_by_the_sides_is_found(left: int) -> None:
    player = (30, left, 4, GOES_ON)
    assert on_grey(player).located() == [player, *[NOWHERE] * 3]


def test_nobody_is_located_where_nobody_is() -> None:
    levels, palettes = stage(np.arange(3) + HELD_OUT_SEED)
    renderer = Renderer(levels, palettes)
    for index, palette in enumerate(palettes):
        cast = read_cast(model_sheet(palette), CONFIG)
        places = locate(renderer.background(index), cast, CONFIG)
        assert places.tolist() == [list(NOWHERE)] * CONFIG.actors


def test_a_blank_sheet_is_of_nobody() -> None:
    cast = read_cast(np.zeros((128, 128, 3), np.uint8), CONFIG)
    places = locate(np.zeros((128, 128, 3), np.uint8), cast, CONFIG)
    assert places.tolist() == [list(NOWHERE)] * CONFIG.actors


@pytest.mark.parametrize("path", find_scenes(), ids=lambda path: path.stem)
def test_the_player_is_located_in_every_frame_that_a_scene_starts_from(path: Path) -> None:
    sheet, _, *resting = start_frames(load_scene(path), 6)
    cast = read_cast(sheet, CONFIG)
    places = [locate(frame, cast, CONFIG)[0] for frame in resting]
    assert all(tuple(place) != NOWHERE for place in places)


@pytest.fixture(scope="module")
def openings() -> list[list[Shown]]:
    """The first frames of levels that no world is trained on, four of each."""
    levels, palettes = stage(np.arange(LEVELS) + HELD_OUT_SEED)
    renderer, state = Renderer(levels, palettes), physics.initial(levels)
    casts = [read_cast(model_sheet(palette), CONFIG) for palette in palettes]
    ticks = []
    for _ in range(4):
        ticks.append(_shown(levels, renderer, casts, state))
        state, _ = physics.step(levels, state, np.zeros((LEVELS, 3), np.bool_))
    return [list(of_level) for of_level in zip(*ticks, strict=True)]


def followed(opening: list[Shown]) -> NDArray[np.int64]:
    return follow(np.stack([shown.frame for shown in opening]), opening[0].cast, CONFIG)


def test_actors_are_followed_behind_each_other(openings: list[list[Shown]]) -> None:
    hidden = 0
    for opening in openings:
        for shown, places in zip(opening, followed(opening), strict=True):
            player, *others = map(tuple, places.tolist())
            assert player == shown.player
            assert sorted(place for place in others if place != NOWHERE) == sorted(shown.enemies)
            hidden += shown.located().count(NOWHERE) > others.count(NOWHERE)
    assert hidden > 2, "some are found no other way"


def test_everybody_keeps_a_row(openings: list[list[Shown]]) -> None:
    for opening in openings:
        places = followed(opening)
        assert np.abs(np.diff(places[:, 1:, :2], axis=0)).max() <= 1, "an enemy's step"
