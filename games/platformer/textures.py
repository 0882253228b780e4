"""Tile art as ink numbers: every drawing a ground style needs, stacked into one tile set.

Knows what tiles look like; which one a cell shows is chosen in `tiling`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from games.platformer.inks import CLEAR, FIRST, Art, art
from games.platformer.level import TILE

VARIANTS = 4
UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
EDGES = 16
FLAT_TOPS = frozenset({"brick", "plank", "panel"})

# Where each kind of art starts in a tile set.
EMPTY_AT = 0
SOLID_AT = 1
PLATFORM_AT = SOLID_AT + VARIANTS * EDGES
SPIKES_AT = PLATFORM_AT + 4
LAVA_AT = SPIKES_AT + 2
SPRING_AT = LAVA_AT + 4
DOOR_AT = SPRING_AT + 1
TILES = DOOR_AT + 1

GROUND = {
    "brick": ["33333331", "22222221", "22222221", "11111111",
              "33313333", "22212222", "22212222", "11111111"],
    "dirt": ["22222222", "22322222", "22222212", "22222122",
             "21122222", "22122232", "22222222", "22222222"],
    "stone": ["13333133", "32222132", "32222122", "32221112",
              "11113331", "33132222", "22132222", "22113221"],
    "crystal": ["33222111", "32221113", "22211133", "22111332",
                "21113322", "11133222", "11332221", "13322211"],
    "plank": ["33333333", "22222122", "21122222", "11111111",
              "33333333", "22212222", "22222112", "11111111"],
    "panel": ["33333331", "32222221", "32122121", "32222221",
              "32222221", "32122121", "32222221", "11111111"],
    "sand": ["22222222", "22333222", "33222333", "22222222",
             "22222222", "11222211", "22111122", "22222222"],
}  # fmt: skip

# One cell changed here and there keeps a wall from looking stamped: (row, column, shade).
FLECKS: dict[str, tuple[tuple[tuple[int, int, int], ...], ...]] = {
    "brick": (
        (),
        ((1, 2, 1), (1, 3, 1)),
        ((4, 5, 2), (5, 5, 3), (5, 6, 3)),
        ((6, 1, 1), (0, 4, 2), (0, 5, 2)),
    ),
    "dirt": (
        (),
        ((1, 5, 1), (1, 6, 1), (2, 5, 0), (6, 2, 3)),
        ((6, 5, 1), (6, 6, 1), (5, 5, 3), (2, 2, 1)),
        ((3, 2, 3), (3, 3, 3), (4, 2, 2), (6, 3, 1)),
    ),
    "stone": (
        (),
        ((2, 2, 1), (2, 3, 1)),
        ((6, 5, 1), (5, 5, 3)),
        ((1, 3, 3), (6, 0, 1)),
    ),
    "crystal": (
        (),
        ((1, 1, 4), (2, 1, 3)),
        ((5, 5, 4), (4, 5, 4)),
        ((3, 3, 0), (4, 2, 0)),
    ),
    "plank": (
        (),
        ((1, 1, 0), (5, 1, 0), (0, 4, 1), (1, 4, 1), (2, 4, 1)),
        ((4, 6, 1), (5, 6, 1), (6, 6, 1)),
        ((2, 5, 3), (6, 2, 3), (6, 3, 3)),
    ),
    "panel": (
        (),
        ((3, 3, 1), (3, 4, 1), (4, 3, 1), (4, 4, 1)),
        ((3, 2, 1), (3, 3, 1), (3, 4, 1), (3, 5, 1)),
        ((3, 3, 3), (3, 4, 3)),
    ),
    "sand": (
        (),
        ((3, 5, 1), (4, 2, 3)),
        ((1, 1, 1), (6, 6, 3)),
        ((4, 4, 1), (4, 5, 1), (7, 2, 3)),
    ),
}

PLATFORM = ["43333334", "22222222", "21112111", "00000000"]
SPIKES = [
    "..k...k.",
    "..k...k.",
    ".k4k.k4k",
    ".k3k.k3k",
    "k432k432",
    "k432k432",
    "43224322",
    "43214321",
]
SPRING = [
    "........",
    "........",
    ".kkkkkk.",
    "k443332k",
    ".kkkkkk.",
    "..k31k..",
    ".k31kk..",
    "k333222k",
]
DOOR = [
    "..kkkk..",
    ".k4333k.",
    "k43kk32k",
    "k3k44k2k",
    "k3k4wk2k",
    "k3kw4k2k",
    "k3k44k2k",
    "k2k44k1k",
]
LAVA_TOPS = (
    [
        "........",
        "44...444",
        "34444433",
        "33333333",
        "22322332",
        "22222212",
        "21222222",
        "22222222",
    ],
    [
        "........",
        "4444...4",
        "33344444",
        "33333333",
        "22222322",
        "22122222",
        "22222222",
        "22223222",
    ],
)
LAVA_BODIES = (
    [
        "22222222",
        "22322222",
        "22222222",
        "22222112",
        "22222222",
        "21122222",
        "22222222",
        "22222232",
    ],
    [
        "22222222",
        "22222222",
        "21222232",
        "22222222",
        "22232222",
        "22222222",
        "22222122",
        "22222222",
    ],
)
FRINGES = ("22122212", "12221222", "21222122", "22212221")
DRIPS = ("1...1.1.", ".1.1...1", "1.1...1.", ".1...1.1")


@lru_cache
def tile_set(ground_style: str) -> Art:
    """All tile art of a ground style, (TILES, TILE, TILE) inks, read-only."""
    tiles = np.full((TILES, TILE, TILE), CLEAR, dtype=np.uint8)
    for variant in range(VARIANTS):
        for edges in range(EDGES):
            tiles[SOLID_AT + variant * EDGES + edges] = _solid(ground_style, variant, edges)
    for ends in range(4):
        tiles[PLATFORM_AT + ends, :5] = _platform(ends)
    tiles[SPIKES_AT] = art(SPIKES, "hazard")
    tiles[SPIKES_AT + 1] = tiles[SPIKES_AT, ::-1]
    for i, rows in enumerate((*LAVA_TOPS, *LAVA_BODIES)):
        tiles[LAVA_AT + i] = art(rows, "lava")
    tiles[SPRING_AT] = art(SPRING, "spring")
    tiles[DOOR_AT] = art(DOOR, "door")
    tiles.flags.writeable = False
    return tiles


def _solid(style: str, variant: int, edges: int) -> Art:
    """Ground with dark sides where it is exposed and a grown or capped top."""
    tile = art(GROUND[style], "ground")
    dark, shaded = FIRST["ground"], FIRST["ground"] + 1
    for row, column, shade in FLECKS[style][variant]:
        tile[row, column] = dark + shade
    if edges & DOWN:
        tile[6], tile[7] = shaded, dark
    if edges & LEFT:
        tile[:, 0] = dark
    if edges & RIGHT:
        tile[:, 7] = dark
    if edges & UP:
        _grow_top(tile, style, variant)
        _round_corners(tile, edges)
    return tile


def _grow_top(tile: Art, style: str, variant: int) -> None:
    tile[0], tile[1] = art(["3" * 8, "2" * 8], "grass")
    if style in FLAT_TOPS:
        tile[2] = FIRST["grass"]
        return
    tile[2] = art([FRINGES[variant]], "grass")
    drips = art([DRIPS[variant]], "grass")[0]
    tile[3] = np.where(drips == CLEAR, FIRST["ground"] + 1, drips)


def _round_corners(tile: Art, edges: int) -> None:
    for edge, column in ((LEFT, 0), (RIGHT, 7)):
        if edges & edge:
            tile[0, column] = CLEAR
            tile[1:3, column] = FIRST["grass"]


def _platform(ends: int) -> Art:
    """A plank; bit 0 of `ends` closes its left end, bit 1 its right end."""
    plank = np.vstack([art(PLATFORM, "platform"), art(["." * 8], "platform")])
    for bit, column, inner in ((1, 0, 1), (2, 7, 6)):
        if ends & bit:
            plank[:4, column] = FIRST["platform"]
            plank[4, inner] = FIRST["platform"]
    return plank
