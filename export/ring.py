"""Where the places of the KV cache lie in a device's memory."""

from __future__ import annotations


class Ring:
    """One block of memory for each place, and a spare one that the next frame is written to.

    A tick may write its keys before it has read those of the frame that they replace, so it never
    writes to a block that it reads. With the spare, writing in place costs no copy.
    """

    def __init__(self, places: int) -> None:
        self._blocks = list(range(places))
        self.spare = places

    @property
    def blocks(self) -> tuple[int, ...]:
        """The block of each place."""
        return tuple(self._blocks)

    def keep(self, place: int) -> None:
        """Let the spare block, now written, have a place; the block that had it is spare."""
        self._blocks[place], self.spare = self.spare, self._blocks[place]
