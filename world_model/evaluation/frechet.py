"""The Frechet distance between the patches of two stretches of play (after Heusel et al., 2017).

Needs no frame of one to be compared with a frame of the other: only what patches look like on the
whole, their mean and covariance, is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PATCH_PX = 4


class PatchStatistics:
    """Mean and covariance of all 4x4 patches of the frames taken in."""

    def __init__(self) -> None:
        values = 3 * PATCH_PX**2
        self._count = 0
        self._sum = np.zeros(values)
        self._products = np.zeros((values, values))

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Take in a frame (H, W, 3)."""
        height, width, _ = frame.shape
        cut = frame.reshape(height // PATCH_PX, PATCH_PX, width // PATCH_PX, PATCH_PX, 3)
        patches = cut.transpose(0, 2, 1, 3, 4).reshape(-1, len(self._sum)).astype(np.float32)
        self._count += len(patches)
        self._sum += patches.sum(0)
        self._products += patches.T @ patches

    @property
    def mean(self) -> NDArray[np.float64]:
        return self._sum / self._count

    @property
    def covariance(self) -> NDArray[np.float64]:
        return self._products / self._count - np.outer(self.mean, self.mean)


def frechet_distance(one: PatchStatistics, other: PatchStatistics) -> float:
    """Return the root of |m - m'|^2 + tr(C + C' - 2 (C C')^1/2), in grey levels of 255."""
    half = _root(one.covariance)
    between = _root(half @ other.covariance @ half)
    means = np.square(one.mean - other.mean).sum()
    spread = np.trace(one.covariance + other.covariance - 2 * between)
    return float(np.sqrt(max(0.0, means + spread)))


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square root of a symmetric, positive semidefinite matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.sqrt(values.clip(min=0))) @ vectors.T)
