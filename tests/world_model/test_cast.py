"""The model sheet: what the game draws on it is what a world reads off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from games.platformer import physics
from games.platformer.render import HERO_LEFT_PX, Renderer
from games.platformer.sheet import drawing_of, model_sheet
from games.platformer.sprites import hero_sprites
from games.platformer.themes import THEMES
from games.scene import find_scenes, load_scene, start_frames
from world_model.cast import locate, read_cast
from world_model.config import CastConfig
from world_model.data import HELD_OUT_SEED, stage


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_a_cast_is_the_games_sprites(theme: str) -> None:
    sprites = hero_sprites(THEMES[theme])
    flat = sprites.reshape(-1, *sprites.shape[2:]).transpose(0, 3, 1, 2)
    config = CastConfig()
    assert flat.shape == (config.drawings, 4, config.height, config.width)
    cast = read_cast(model_sheet(THEMES[theme]), config)
    opaque = flat[:, 3] > 0
    np.testing.assert_array_equal(cast[:, 3], opaque.astype(np.float32))
    colours = (flat[:, :3] / 127.5 - 1) * opaque[:, None]
    np.testing.assert_allclose(cast[:, :3], colours, atol=1e-6)


def test_a_state_shows_the_drawing_that_it_names() -> None:
    levels, palettes = stage(np.arange(40) + HELD_OUT_SEED)
    rng = np.random.default_rng(0)
    state = physics.initial(levels)
    for _ in range(12):
        state, _ = physics.step(levels, state, rng.random((40, 3)) < 0.5)
    frames = Renderer(levels, palettes).render(state)
    shown = 0
    for index, (frame, drawing) in enumerate(zip(frames, drawing_of(state), strict=True)):
        drawn = read_cast(model_sheet(palettes[index]), CastConfig())[drawing]
        top, left = state.y[index], state.x[index] - HERO_LEFT_PX
        if top > 116:
            continue
        cast = read_cast(model_sheet(palettes[index]), CastConfig())
        place = locate(frame, cast)
        assert place is not None
        assert place[:2] == (top, left)
        np.testing.assert_array_equal(cast[place[2]], cast[drawing])
        if left < 0 or left > 118:
            continue
        part = frame[top : top + 12, left : left + 10].transpose(2, 0, 1) / 127.5 - 1
        np.testing.assert_allclose((part - drawn[:3]) * drawn[3:], 0, atol=1e-6)
        shown += 1
    assert shown > 20


def test_nobody_is_located_where_nobody_is() -> None:
    levels, palettes = stage(np.arange(5) + HELD_OUT_SEED)
    renderer = Renderer(levels, palettes)
    for index, palette in enumerate(palettes):
        cast = read_cast(model_sheet(palette), CastConfig())
        assert locate(renderer.background(index), cast) is None


@pytest.mark.parametrize("path", find_scenes(), ids=lambda path: path.stem)
def test_the_player_is_located_in_every_frame_that_a_scene_starts_from(path: Path) -> None:
    sheet, _, *resting = start_frames(load_scene(path), 6)
    cast = read_cast(sheet, CastConfig())
    assert all(locate(frame, cast) is not None for frame in resting)
