"""What a window shows until the world is awake: the scene's title and what the keys do.

Knows a surface and words; text shrinks until it fits.
"""

from collections.abc import Sequence

import pygame

_BACKGROUND = (14, 15, 20)
_HEADING = (244, 244, 248)
_LABEL = (128, 131, 148)
_KEYS = (255, 214, 92)
_NOTE = (128, 131, 148)
_SMALLEST_PX = 6

Row = tuple[str, str]


def draw_title_card(
    surface: pygame.Surface, heading: str, rows: Sequence[Row], note: str = ""
) -> None:
    """Fill a surface with a heading, a two-column table and a note below."""
    surface.fill(_BACKGROUND)
    width, height = surface.get_size()
    title = _fitted(heading, height // 7, width * 9 // 10, _HEADING)
    font = _table_font(rows, width, height * 5 // 8)
    line_px = font.get_linesize()
    top = (height - title.get_height() - line_px * (len(rows) + 3)) // 2
    surface.blit(title, ((width - title.get_width()) // 2, top))
    top += title.get_height() + line_px
    for label, keys in rows:
        _draw_row(surface, font, label, keys, top)
        top += line_px
    last = font.render(note, True, _NOTE)
    surface.blit(last, ((width - last.get_width()) // 2, top + line_px))


def _draw_row(surface: pygame.Surface, font: pygame.Font, label: str, keys: str, top: int) -> None:
    middle = surface.get_width() // 2
    gap = font.get_linesize() // 2
    left = font.render(label, True, _LABEL)
    surface.blit(left, (middle - gap - left.get_width(), top))
    surface.blit(font.render(keys, True, _KEYS), (middle + gap, top))


def _table_font(rows: Sequence[Row], width: int, height: int) -> pygame.Font:
    """Return the largest font in which every cell fits its half and all rows fit the height."""
    size = max(_SMALLEST_PX, height // (len(rows) + 3))
    while size > _SMALLEST_PX:
        font = pygame.Font(None, size)
        widest = max((font.size(cell)[0] for row in rows for cell in row), default=0)
        if widest + font.get_linesize() <= width // 2:
            break
        size -= 1
    return pygame.Font(None, size)


def _fitted(text: str, size: int, width: int, colour: tuple[int, int, int]) -> pygame.Surface:
    size = max(_SMALLEST_PX, size)
    text_px = pygame.Font(None, size).size(text)[0]
    if text_px > width:
        size = max(_SMALLEST_PX, size * width // text_px)
    return pygame.Font(None, size).render(text, True, colour)
