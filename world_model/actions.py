"""Action tokens: the held buttons as the vector that conditions a frame.

a_t causes frame t. A token is multi-hot over the world's buttons plus three marks that must not
be confused: NOOP (nothing held), UNKNOWN (the frame's action was not recorded) and DROPPED
(hidden from the network, for guidance).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MARKS: Final = 3
NOOP, UNKNOWN, DROPPED = range(MARKS)


def encode_actions(held: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Turn held buttons (..., A) into tokens (..., A + 3)."""
    marks = np.zeros((*held.shape[:-1], MARKS), np.float32)
    marks[..., NOOP] = ~held.any(-1)
    return np.concatenate([held.astype(np.float32), marks], -1)


def mark_token(buttons: int, mark: int) -> NDArray[np.float32]:
    """Return the token (A + 3,) of UNKNOWN or DROPPED."""
    token = np.zeros(buttons + MARKS, np.float32)
    token[buttons + mark] = 1
    return token
