"""How often may be asked: a bucket of tries for each name, refilled with time. Knows no request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_NS = 1_000_000_000


class Pace:
    """At most `burst` at once for each name, then `per_s` a second.

    Keeps `capacity` names; the one that was met longest ago is forgotten first.
    """

    def __init__(
        self,
        monotonic_ns: Callable[[], int],
        *,
        per_s: float,
        burst: int,
        capacity: int = 16_384,
    ) -> None:
        self._now_ns = monotonic_ns
        self._per_s = per_s
        self._burst = float(burst)
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def takes(self, name: str) -> bool:
        """Whether this one still is within the pace; if so, it is counted."""
        now = self._now_ns()
        left, at = self._buckets.get(name, (self._burst, now))
        left = min(self._burst, left + (now - at) / _NS * self._per_s)
        within = left >= 1
        self._buckets[name] = (left - 1 if within else left, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return within
