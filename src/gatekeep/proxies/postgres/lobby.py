"""Who has connected and not signed in yet: caps per address and in total; the oldest makes room.

Counts and chooses only; how a connection is shed is the listener's.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from gatekeep.proxies.postgres.folding import source_prefix


class Visitor:
    """One connection in the lobby. `shed()` is called once if it must make room."""

    __slots__ = ("crowd", "shed")

    def __init__(self, crowd: str, shed: Callable[[], None]) -> None:
        self.crowd = crowd
        self.shed = shed


class Lobby:
    """At most `per_address` visitors of one address (IPv6: of one /64) and `total` of all."""

    def __init__(self, *, per_address: int, total: int) -> None:
        self._per_address = per_address
        self._total = total
        self._all: OrderedDict[Visitor, None] = OrderedDict()
        self._crowds: dict[str, OrderedDict[Visitor, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, source: str, shed: Callable[[], None]) -> Visitor:
        """Take in a new connection; the oldest of its address, else of all, is shed if need be."""
        visitor = Visitor(_crowd(source), shed)
        own = self._crowds.get(visitor.crowd, ())
        leaving = None
        if len(own) >= self._per_address:
            leaving = next(iter(own))
        elif len(self._all) >= self._total:
            leaving = next(iter(self._all))
        if leaving is not None:
            self.leave(leaving)
            leaving.shed()
        self._all[visitor] = None
        self._crowds.setdefault(visitor.crowd, OrderedDict())[visitor] = None
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """It signed in, or went; a second call does nothing."""
        if self._all.pop(visitor, False) is False:
            return
        own = self._crowds[visitor.crowd]
        del own[visitor]
        if not own:
            del self._crowds[visitor.crowd]


def _crowd(source: str) -> str:
    """What counts as one address: an IPv6 client has a whole /64 to choose from."""
    try:
        version = ipaddress.ip_address(source.partition("%")[0]).version
    except ValueError:
        return source
    return source if version == 4 else source_prefix(source)  # noqa: PLR2004 - the IP version
