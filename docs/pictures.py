"""Draws the pictures of docs/scenes.md into docs/images/, with the game's own renderer.

Run from the repository: `python docs/pictures.py`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import numpy as np
import pygame
from numpy.typing import NDArray

from games.platformer import physics
from games.platformer.level import TILE, Levels, parse_level
from games.platformer.render import Renderer
from games.platformer.themes import THEMES, Palette
from games.scene import find_scenes, load_scene, start_frames

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
BACKGROUND = (24, 25, 32)
TEXT = (232, 232, 238)
LINE_PX = 28

# A room with every map character in it, and where to look for each: (column, row) of the tile.
ROOM = """\
................
................
................
................
................
................
................
.###~~~#........
.###~~~#........
................
.............o..
............===.
................
.P..E..^..S..D..
################
################"""
LEGEND = {
    "#   solid ground": (2, 7),
    "=   one-way platform": (13, 11),
    "P   player start": (1, 13),
    "D   goal door": (13, 13),
    "E   enemy": (4, 13),
    "o   coin": (13, 10),
    "S   spring": (10, 13),
    "^   spikes": (7, 13),
    "~   lava": (5, 7),
    ".   or space: nothing": (10, 4),
}


def main() -> None:
    """Write every picture."""
    pygame.font.init()
    IMAGES.mkdir(exist_ok=True)
    save(level_characters(), "level_characters.png")
    save(themes(), "themes.png")
    save(example_scene(), "example_scene.png")


def render(text: str, palette: Palette) -> NDArray[np.uint8]:
    """Render the first frame of a level, (128, 128, 3)."""
    levels = Levels.stack([parse_level(text)])
    frames: NDArray[np.uint8] = Renderer(levels, [palette]).render(physics.initial(levels))
    frame: NDArray[np.uint8] = frames[0]
    return frame


def level_characters() -> pygame.Surface:
    """Lay out a 3x3-tile cutout around each kind of tile, with its character below."""
    frame = render(ROOM, THEMES["meadow"])
    cells = []
    for caption, (column, row) in LEGEND.items():
        left, top = (column - 1) * TILE, (row - 1) * TILE
        cutout = frame[top : top + 3 * TILE, left : left + 3 * TILE]
        cells.append(cell(cutout, 7, caption))
    return sheet(cells, columns=5)


def themes() -> pygame.Surface:
    """Lay out one room in every theme."""
    meadow = next(path for path in find_scenes() if path.stem == "meadow")
    text = meadow.read_text(encoding="utf-8").split("level: |\n")[1].replace("  ", "")
    cells = [cell(render(text, palette), 1, name) for name, palette in THEMES.items()]
    return sheet(cells, columns=5)


def example_scene() -> pygame.Surface:
    """Show the first frame of the first scene that docs/scenes.md writes out."""
    text = (DOCS / "scenes.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.yaml"
        path.write_text(text, encoding="utf-8")
        (Path(folder) / "platformer").mkdir()
        scene = load_scene(path, worlds=Path(folder))
    return enlarged(start_frames(scene, 1)[0], 3)


def cell(picture: NDArray[np.uint8], scale: int, caption: str) -> pygame.Surface:
    """Put a caption under an enlarged picture."""
    image = enlarged(picture, scale)
    label = pygame.font.Font(None, 20).render(caption, True, TEXT)
    whole = pygame.Surface((image.get_width(), image.get_height() + LINE_PX))
    whole.fill(BACKGROUND)
    whole.blit(image, (0, 0))
    whole.blit(label, (0, image.get_height() + 6))
    return whole


def sheet(cells: list[pygame.Surface], columns: int, gap_px: int = 10) -> pygame.Surface:
    """Lay cells of one size out in rows."""
    width, height = (side + gap_px for side in cells[0].get_size())
    rows = -(-len(cells) // columns)
    whole = pygame.Surface((columns * width + gap_px, rows * height + gap_px))
    whole.fill(BACKGROUND)
    for index, one in enumerate(cells):
        row, column = divmod(index, columns)
        whole.blit(one, (gap_px + column * width, gap_px + row * height))
    return whole


def enlarged(picture: NDArray[np.uint8], scale: int) -> pygame.Surface:
    """Turn (H, W, 3) into a surface, every pixel a square."""
    surface = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
    return pygame.transform.scale_by(surface, scale)


def save(picture: pygame.Surface, name: str) -> None:
    """Write a PNG."""
    pygame.image.save(picture, IMAGES / name)


if __name__ == "__main__":
    main()
