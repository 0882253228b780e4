"""The Gymnasium environment: the game's frames, rewards from its events."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from games.platformer import physics
from games.platformer.gym_env import PlatformerEnv
from games.platformer.level import Level, Levels, parse_level
from games.platformer.render import Renderer
from games.platformer.themes import THEMES

NOOP, RIGHT = np.zeros(3, np.int8), np.array([0, 1, 0], np.int8)


def level_with(row: str) -> Level:
    top = "." * 16 if "D" in row else "." * 15 + "D"
    return parse_level("\n".join([top, *["." * 16] * 13, row.ljust(16, "."), "#" * 16]))


def rewards(level: Level, ticks: int = 20) -> dict[str, float]:
    """Run right; the reward of each tick in which something happened."""
    env = PlatformerEnv(level)
    env.reset()
    found = {}
    for _ in range(ticks):
        _, reward, terminated, truncated, info = env.step(RIGHT)
        assert (terminated, truncated) == (False, False)
        if reward:
            found["+".join(info["events"])] = reward
    return found


@pytest.mark.filterwarnings("ignore:.*alternative render modes:UserWarning")
def test_gymnasium_finds_nothing_to_complain_about() -> None:
    check_env(PlatformerEnv(render_mode="rgb_array"))


def test_the_reward_is_for_coins_deaths_and_the_goal() -> None:
    assert rewards(level_with("P.o")) == {"coin": 1.0}
    assert rewards(level_with("P.^"))["death"] == -1.0
    assert rewards(level_with("P.D"))["goal"] == 5.0


def test_observations_are_the_games_own_frames() -> None:
    level = level_with("P.o.E")
    env = PlatformerEnv(level, theme="meadow", render_mode="rgb_array")
    levels = Levels.stack([level])
    renderer, state = Renderer(levels, [THEMES["meadow"]]), physics.initial(levels)
    seen, _ = env.reset(seed=1)
    np.testing.assert_array_equal(seen, renderer.render(state)[0])
    for _ in range(5):
        state, _ = physics.step(levels, state, np.array([[False, True, False]]))
        seen = env.step(RIGHT)[0]
        np.testing.assert_array_equal(seen, renderer.render(state)[0])
        np.testing.assert_array_equal(seen, env.render())


def test_a_seed_chooses_level_and_theme() -> None:
    first, again, other = (PlatformerEnv().reset(seed=seed)[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_kept_observations_do_not_change() -> None:
    env = PlatformerEnv()
    kept, _ = env.reset(seed=0)
    before = kept.copy()
    for _ in range(5):
        env.step(RIGHT)
    np.testing.assert_array_equal(kept, before)


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="no theme 'marsh'; there are meadow"):
        PlatformerEnv(theme="marsh")
    with pytest.raises(ValueError, match="no render mode 'human'"):
        PlatformerEnv(render_mode="human")
    with pytest.raises(gymnasium.error.ResetNeeded):
        PlatformerEnv().step(NOOP)
