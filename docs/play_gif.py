"""Joins recorded runs into the README's animation, side by side, frame for frame.

Run from the repository: first, for each scene,
`rollplay play SCENE --headless --ticks 96 --seed 3 --out runs/gif/SCENE`, then
`python docs/play_gif.py runs/gif/* docs/images/play.gif`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

EVERY = 2
FRAME_MS = 100
SCALE = 2


def main(runs: list[str], out: str) -> None:
    """Write the animation of the frames of `runs` to `out`."""
    columns = [sorted(Path(run).rglob("frame_*.png"))[::EVERY] for run in runs]
    joined = []
    for paths in zip(*columns, strict=False):
        row = np.concatenate([np.asarray(Image.open(path).convert("RGB")) for path in paths], 1)
        big = row.repeat(SCALE, 0).repeat(SCALE, 1)
        joined.append(Image.fromarray(big).quantize(192, dither=Image.Dither.NONE))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    joined[0].save(out, save_all=True, append_images=joined[1:], duration=FRAME_MS, loop=0)


if __name__ == "__main__":
    main(sys.argv[1:-1], sys.argv[-1])
