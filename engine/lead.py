"""How long before its deadline a tick has to begin, so that its frame is ready in time.

Knows how long recent ticks took; knows no clock and no deadline.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import Final

RECENT_TICKS: Final = 128
FEW_TICKS: Final = 32
"""So few say too little about the next one."""
EXCEPTIONS: Final = 0.01
"""Of so large a share of the recent ticks, the slowest, no account is taken."""
HOPELESS: Final = 0.1
"""Nor of ticks that no lead makes ready in time, unless they are more than this share."""
MARGIN: Final = 0.1
"""Added to the longest of all others, as a share of it: the slowest tick so far is soon beaten."""
MARGIN_NS: Final = 500_000
"""Added on top, for what does not grow with the work: waking up, and the spin before a deadline."""


class Lead:
    """What all but very few recent ticks took, and a margin; at most `most_ns`.

    A lone slow tick changes nothing once a hundred are known, a collector's pause of several
    periods never does. A lasting change is followed within two ticks if the work grew, and after
    `RECENT_TICKS` if it shrank. Of up to `FEW_TICKS`, or where many take longer, it is `most_ns`.
    """

    def __init__(self, most_ns: int) -> None:
        self._recent: deque[int] = deque()
        self._ordered: list[int] = []
        self._most_ns = self.ns = most_ns

    def observe(self, work_ns: int) -> None:
        """Take account of a tick that was ready so long after it was to begin."""
        if len(self._recent) == RECENT_TICKS:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]
        self._recent.append(work_ns)
        insort(self._ordered, work_ns)
        self.ns = min(self._most_ns, self._needed_ns())

    def _needed_ns(self) -> int:
        known = len(self._ordered)
        in_reach = bisect_right(self._ordered, self._most_ns)
        if known <= FEW_TICKS or known - in_reach > HOPELESS * known:
            return self._most_ns
        longest_ns = self._ordered[in_reach - 1 - int(EXCEPTIONS * in_reach)]
        return longest_ns + round(MARGIN * longest_ns) + MARGIN_NS
