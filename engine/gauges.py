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
LATE_PERIODS = 1.1


def draw_graph(
    surface: pygame.Surface, area: pygame.Rect, frame_ms: NDArray[np.float64], period_ms: float
) -> None:
    """Draw the newest frame times, a pixel each, and the line that they should not cross."""
    ground, bar, late, line = (surface.map_rgb(colour) for colour in (GROUND, BAR, LATE, LINE))
    shown_ms = frame_ms[-(area.width - 2) :, None]
    room_px = area.height - 2
    scale = room_px / (period_ms * HEADROOM)
    above_px = np.arange(room_px, -1, -1)
    colours = np.where(shown_ms > LATE_PERIODS * period_ms, late, bar)
    pixels = np.full(area.size, ground, np.uint32)
    columns = pixels[1 : 1 + len(shown_ms), : room_px + 1]
    np.copyto(columns, colours, where=above_px <= np.rint(shown_ms * scale), casting="unsafe")
    pixels[:, room_px - round(period_ms * scale)] = line
    pygame.surfarray.blit_array(surface.subsurface(area), pixels)


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
