"""The title card, on surfaces without a window."""

from collections.abc import Iterator

import numpy as np
import pygame
import pytest

from engine.title_card import draw_title_card

ROWS = [("left", "left  a"), ("single step", "n  ."), ("jump", "space  up  w")]


@pytest.fixture(autouse=True)
def fonts() -> Iterator[None]:
    pygame.font.init()
    yield
    pygame.font.quit()


@pytest.mark.parametrize("size", [(128, 128), (512, 512), (1536, 900)])
def test_nothing_is_cut_off_at_the_sides(size: tuple[int, int]) -> None:
    surface = pygame.Surface(size)
    draw_title_card(surface, "The Long Name of a Scene That Goes On and On", ROWS, "waking ...")
    shown = pygame.surfarray.array3d(surface)
    background = shown[0, 0]
    assert (shown != background).any()
    for edge in (shown[0], shown[-1], shown[:, 0], shown[:, -1]):
        assert np.array_equal(edge, np.broadcast_to(background, edge.shape))


def test_a_card_needs_no_rows() -> None:
    surface = pygame.Surface((128, 128))
    draw_title_card(surface, "Meadow", [])
    assert pygame.surfarray.array3d(surface).max() > 200
