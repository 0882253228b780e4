"""The detector, on true frames of levels that no world is trained on, and on spoilt ones."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import FRAME, PLAYER_H, PLAYER_W
from games.platformer.physics import State
from games.platformer.policy import PlayLikePolicy
from games.platformer.render import Renderer
from games.platformer.sprites import FACINGS, POSES, hero_pose, hero_sprites
from games.platformer.themes import Palette
from world_model.data import HELD_OUT_SEED, stage
from world_model.evaluation.detector import HeroDetector

Frame = NDArray[np.uint8]

LEVELS = 150
MOMENTS = 14
SEEDS = np.arange(HELD_OUT_SEED + 5000, HELD_OUT_SEED + 5000 + LEVELS)
OUT_OF_SIGHT = 3 * FRAME


class Moments:
    """Many levels at many moments of play."""

    def __init__(self) -> None:
        self.levels, self.palettes = stage(SEEDS)
        self.renderer = Renderer(self.levels, self.palettes)
        self.detectors = [HeroDetector(palette) for palette in self.palettes]

    def play(self, moments: int) -> Iterator[State]:
        policy = PlayLikePolicy(self.levels, np.random.default_rng(3))
        state = physics.initial(self.levels)
        for tick in range(moments * 7):
            state, _ = physics.step(self.levels, state, policy.act(state))
            if tick % 7 == 6:
                yield state


@pytest.fixture(scope="module")
def moments() -> Moments:
    return Moments()


def places(detector: HeroDetector, frame: Frame) -> list[tuple[int, int]]:
    return [(found.x, found.y) for found in detector.find(frame)]


def test_one_hero_is_found_at_its_very_pixel_in_true_frames(moments: Moments) -> None:
    right, poses = [], set()
    for state in moments.play(MOMENTS):
        frames = moments.renderer.render(state)
        poses |= set(hero_pose(state).tolist())
        right += [
            places(detector, frame) == [(x, y)]
            for detector, frame, x, y in zip(
                moments.detectors, frames, state.x, state.y, strict=True
            )
        ]
    assert len(right) > 2000
    assert len(poses) == len(POSES)
    assert np.mean(right) >= 0.995


def test_a_level_without_its_hero_has_none(moments: Moments) -> None:
    found = []
    for state in moments.play(5):
        gone = replace(state, y=np.full_like(state.y, OUT_OF_SIGHT))
        frames = moments.renderer.render(gone)
        found += [len(d.find(frame)) for d, frame in zip(moments.detectors, frames, strict=True)]
    assert np.mean(np.array(found) == 0) >= 0.995


@pytest.mark.parametrize("blend", [0.3, 0.7])
def test_codec_blur_hides_and_moves_no_hero(moments: Moments, blend: float) -> None:
    rng = np.random.default_rng(5)
    right, psnr = [], []
    for state in moments.play(4):
        frames = moments.renderer.render(state)
        for detector, frame, x, y in zip(moments.detectors, frames, state.x, state.y, strict=True):
            if y > FRAME - PLAYER_H:
                continue
            noisy = frame + blend * (blurred(frame) - frame) + rng.normal(0, 5, frame.shape)
            spoilt = noisy.round().clip(0, 255).astype(np.uint8)
            psnr.append(10 * np.log10(255**2 / np.mean((spoilt - frame.astype(float)) ** 2)))
            right.append(places(detector, spoilt) == [(x, y)])
    assert 26 < np.median(psnr) < 33
    assert np.mean(right) >= 0.995


def blurred(frame: Frame) -> NDArray[np.float64]:
    """Blur by the binomial kernel (1 2 1) in x and y."""
    image = frame.astype(np.float64)
    for axis in (0, 1):
        before, after = np.roll(image, 1, axis), np.roll(image, -1, axis)
        image = (before + 2 * image + after) / 4
    return image


@pytest.mark.parametrize("x", [0, 1, FRAME - PLAYER_W - 1, FRAME - PLAYER_W])
@pytest.mark.parametrize("y", [0, 60, FRAME - PLAYER_H, FRAME - 8])
def test_a_hero_cut_by_a_border_is_found(x: int, y: int) -> None:
    palette = some_palette()
    for pose in range(len(POSES)):
        for facing in range(len(FACINGS)):
            frame = drawn(palette, [(x, y)], pose=pose, facing=facing)
            assert places(HeroDetector(palette), frame) == [(x, y)]


def test_two_heroes_are_two() -> None:
    palette = some_palette()
    heroes = [(20, 30), (31, 32), (90, 100)]
    assert sorted(places(HeroDetector(palette), drawn(palette, heroes))) == heroes


def test_a_perfect_match_scores_one_and_a_fading_hero_ever_less() -> None:
    palette = some_palette()
    detector, empty = HeroDetector(palette), drawn(palette, [])
    scores = []
    for left in (1.0, 0.8, 0.6, 0.4, 0.2):
        hero = drawn(palette, [(50, 50)]).astype(np.float64)
        faded = (empty + left * (hero - empty)).round().astype(np.uint8)
        scores.append(float(detector.scores(faded)[50, 50]))
    assert scores[0] == pytest.approx(1.0, abs=1e-4)
    assert scores == sorted(scores, reverse=True)
    assert detector.find(faded) == []


def some_palette() -> Palette:
    return stage(SEEDS[:1])[1][0]


def drawn(
    palette: Palette, heroes: list[tuple[int, int]], *, pose: int = 0, facing: int = 0
) -> Frame:
    """Paint heroes with their boxes at (x, y) on a plain sky."""
    sprite = hero_sprites(palette)[pose, facing]
    wide = np.full((FRAME + 20, FRAME + 20, 3), palette.sky, np.uint8)
    for x, y in heroes:
        part = wide[y : y + 12, x - 2 + 10 : x + 8 + 10]
        np.copyto(part, sprite[..., :3], where=sprite[..., 3:] > 0)
    return np.ascontiguousarray(wide[:FRAME, 10 : 10 + FRAME])
