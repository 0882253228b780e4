"""The arcade: what it shows of a moment is what the game did there, and no moment comes twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from games.platformer import physics
from games.platformer.sheet import model_sheet
from world_model.cast import ANEW, GOES_ON, NOWHERE, PUT_BACK, read_cast
from world_model.config import CastConfig
from world_model.data import HELD_OUT_SEED, looks, stage
from world_model.network.finding import GLIMPSE
from world_model.training import arcade
from world_model.training.arcade import Arcade, Moments

GAMES = 6


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The levels that were built, as they are."""
    built: list[np.ndarray] = []

    def spied(seeds: np.ndarray) -> object:
        built.append(seeds)
        return stage(seeds)

    monkeypatch.setattr(arcade, "stage", spied)
    return built


def same(one: Moments, other: Moments) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_same_seed_plays_the_same_games_and_every_moment_is_new() -> None:
    ours, theirs = (Arcade(GAMES, np.random.default_rng(3)) for _ in range(2))
    first, second = ours.moments(), ours.moments()
    assert same(first, theirs.moments())
    assert same(second, theirs.moments())
    assert not torch.equal(first.seen, second.seen)
    assert not same(first, Arcade(GAMES, np.random.default_rng(4)).moments())


def test_levels_are_played_for_their_life_and_none_is_held_out(
    seeds: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arcade, "ROOM", 4)
    games = Arcade(GAMES, np.random.default_rng(0))
    assert [len(room) for room in seeds] == [4, 2]
    while len(seeds) < 4:
        games.moments()
        assert max(room.ticks for room in games._rooms) < arcade.LIFE_TICKS + 7
    assert sorted(len(room) for room in seeds) == [2, 2, 4, 4], "each was replaced once"
    used = np.concatenate(seeds)
    assert used.max() < HELD_OUT_SEED
    assert len(set(used.tolist())) == len(used)


def test_a_moment_shows_player_and_other_where_they_were(seeds: list[np.ndarray]) -> None:
    moments = Arcade(GAMES, np.random.default_rng(1)).moments()
    height, width = CastConfig.height, CastConfig.width
    top, left = -GLIMPSE[0][0], -GLIMPSE[1][0]
    checked = 0
    for row, seed in enumerate(np.concatenate(seeds)):
        cast = read_cast(model_sheet(looks(int(seed))), CastConfig())
        for actor in (0, 1):
            at = moments.trail[row, 2, actor].tolist()
            if at == list(NOWHERE):
                continue
            drawing = cast[at[2]]
            shown = moments.seen[row, actor, 3:, top : top + height, left : left + width].numpy()
            opaque = (drawing[3] > 0) & (shown[3] > 0)
            alike = np.abs(shown[:3] / 127.5 - 1 - drawing[:3]).max(0) < 0.01
            assert alike[opaque].mean() > 0.7, "but for what stands in front"
            checked += 1
    assert checked > GAMES


def test_a_player_moves_as_the_rules_allow_or_is_back_at_its_start() -> None:
    games = Arcade(64, np.random.default_rng(2))
    ways, moves = set(), 0
    for _ in range(12):
        moments = games.moments()
        start, _, last = (places[:, 0, :2] for places in moments.trail.unbind(1))
        now, came = moments.places[:, 0, :2], moments.places[:, 0, 3]
        assert torch.equal(now[came != GOES_ON], start[came != GOES_ON])
        step = (now - last)[came == GOES_ON].abs()
        assert step[:, 0].max() <= physics.SPRING_SPEED
        assert step[:, 1].max() <= physics.RUN_SPEED
        ways |= set(came.tolist())
        moves += int((step.sum(1) > 0).sum())
    assert ways == {GOES_ON, PUT_BACK, ANEW}
    assert moves > 300


def test_any_buttons_are_tried() -> None:
    held = Arcade(256, np.random.default_rng(0)).moments().held
    assert len({tuple(row) for row in held.tolist()}) == 8


def test_what_walks_steadily_is_seen_at_every_pixel_of_its_way() -> None:
    games, seen = Arcade(64, np.random.default_rng(0)), set()
    for _ in range(60):
        last = games.moments().trail[:, 2, 1]
        seen |= set((last[last[:, 0] != NOWHERE[0], 1] % 8).tolist())
    assert seen == set(range(8))
