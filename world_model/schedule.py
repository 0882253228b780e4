"""Noise levels of the rolling window, and the noise itself. One convention for all of Rollplay:

    x_sigma = (1 - sigma) * x0 + sigma * eps,   sigma in [0, 1]   (flow matching)

Slot 0 (the head) is the cleanest, slot T-1 (the tail) pure noise; the staircase is their sigmas.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from world_model.config import WindowConfig

Array = NDArray[np.float32]
Steps = TypeVar("Steps", bound=Any)


def staircase(slots: int, shift: float) -> Array:
    """Return the sigmas of slots 0..T-1, rising to 1; (T,) float32.

    Evenly spaced steps warped by shift s / (1 + (shift - 1) s) (Rolling Forcing, section 3).
    """
    return warped(np.arange(1, slots + 1) / slots, shift).astype(np.float32)


def warped(steps: Steps, shift: float) -> Steps:
    """Return the noise levels of even steps in [0, 1], of numpy or of torch."""
    return cast("Steps", shift * steps / (1 + (shift - 1) * steps))


def window_sigmas(config: WindowConfig) -> Array:
    """Return the sigmas of [previous frame | slots 0..T-1], (1 + T,) float32; the first is 0."""
    return np.pad(staircase(config.slots, config.shift), (1, 0))


class Raised(NamedTuple):
    """How slots are raised to a noise level: x' = keep x + add eps, and their levels are `sigmas`.

    sigmas (1 + T,), the previous frame's first, which is not raised; keep and add (T, 1, 1, 1).
    """

    sigmas: Array
    keep: Array
    add: Array


def raised(config: WindowConfig) -> Raised:
    """Return how the slots of a window that are less noisy than `config.renoise` are raised to it.

    From s to rho: keep = (1 - rho) / (1 - s) leaves of x0 what rho has of it, and
    add = sqrt(rho^2 - (keep s)^2) makes up for the noise that this took away.
    """
    sigmas, rho = window_sigmas(config), config.renoise
    slots = sigmas[1:].astype(np.float64)
    low = slots < rho
    keep = np.where(low, (1 - rho) / np.where(low, 1 - slots, 1), 1)
    add = np.where(low, np.sqrt((rho**2 - (keep * slots) ** 2).clip(min=0)), 0)
    sigmas[1:] = np.where(low, rho, slots)
    columns = (part.astype(np.float32).reshape(-1, 1, 1, 1) for part in (keep, add))
    return Raised(sigmas, *columns)


def tick_noise(seed: int, draw: int, out: Array) -> Array:
    """Fill `out` with standard normal noise, a function of (seed, draw) alone.

    Every tick is one draw, every window that a session starts from another. Counter-based
    (Philox): any draw can be repeated without those before it; a slot's noise is its row of `out`.
    """
    generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, draw]))
    return generator.standard_normal(out=out, dtype=np.float32)
