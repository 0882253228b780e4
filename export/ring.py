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

    def keep(self, places: tuple[int, ...]) -> None:
        """Let places have the spare block, now written; one that no place has any more is spare.

        Places may share a block: a refreshed sink holds what the ring holds, too.
        """
        for place in places:
            self._blocks[place] = self.spare
        self.spare = next(n for n in range(len(self._blocks) + 1) if n not in self._blocks)
