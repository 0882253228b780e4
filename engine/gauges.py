"""Small pictures for the HUD: frame times, stages, and the frames in flight.

Knows numbers and a surface to draw them on; knows nothing about where they come from.
"""

from collections.abc import Mapping

import numpy as np
import pygame
from numpy.typing import NDArray

BAR = (120, 190, 255)
LATE = (255, 110, 100)
LINE = (255, 214, 92)
TEXT = (225, 225, 232)
FILL = (58, 92, 128)
GROUND = (16, 16, 22)
HEADROOM = 1.6
"""The graph's top, in periods."""


def draw_graph(
    surface: pygame.Surface, area: pygame.Rect, frame_ms: NDArray[np.float64], period_ms: float
) -> None:
    """Draw the newest frame times, a pixel each, and the line that they should not cross."""
    surface.fill(GROUND, area)
    scale = (area.height - 2) / (period_ms * HEADROOM)
    bottom = area.bottom - 2
    for column, value in enumerate(frame_ms[-(area.width - 2) :].tolist()):
        x, height = area.left + 1 + column, min(area.height - 2, round(value * scale))
        colour = LATE if value > 1.1 * period_ms else BAR
        pygame.draw.line(surface, colour, (x, bottom), (x, bottom - height))
    deadline = bottom - round(period_ms * scale)
    pygame.draw.line(surface, LINE, (area.left, deadline), (area.right - 1, deadline))


def draw_bars(
    surface: pygame.Surface,
    area: pygame.Rect,
    values_ms: Mapping[str, float],
    period_ms: float,
    font: pygame.Font,
) -> None:
    """Draw a named bar for every value; a period fills the area's width."""
    line_px = font.get_linesize()
    for row, (name, value) in enumerate(values_ms.items()):
        top = area.top + row * line_px
        width = min(area.width, round(area.width * value / period_ms))
        pygame.draw.rect(surface, FILL, (area.left, top + 1, width, line_px - 2))
        surface.blit(font.render(f"{name} {value:.2f} ms", True, TEXT), (area.left + 2, top))


def draw_in_flight(
    surface: pygame.Surface, left_top: tuple[int, int], pictures: NDArray[np.uint8], scale: int
) -> None:
    """Draw pictures (T, h, w, 3) side by side, the tail on the left, the head on the right."""
    left, top = left_top
    for picture in pictures[::-1]:
        height, width = picture.shape[:2]
        small = pygame.image.frombuffer(np.ascontiguousarray(picture).data, (width, height), "RGB")
        surface.blit(pygame.transform.scale_by(small, scale), (left, top))
        left += width * scale + scale
