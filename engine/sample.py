"""What an input hands to the loop once per tick."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Sample:
    """What is held during one tick; an input fills the same one again and again.

    action: (buttons,) bool. event_ns: when the newest key event in it happened, 0 if none is new.
    """

    action: NDArray[np.bool_]
    event_ns: int = 0

    @classmethod
    def empty(cls, buttons: int) -> "Sample":
        """Make a sample that holds nothing."""
        return cls(np.zeros(buttons, dtype=np.bool_))
