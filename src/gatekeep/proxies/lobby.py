"""Who has connected and not signed in yet: caps per address and in total; the oldest makes room.

Counts and chooses only; how a connection is shed is the listener's.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from gatekeep.proxies.folding import source_prefix

_UNKNOWN = ""


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

    def enter(self, source: str | None, shed: Callable[[], None]) -> Visitor:
        """Take in a new connection; the oldest of its address, else of all, is shed if need be.

        None for one that came through a proxy, as long as the proxy has not said for whom.
        """
        visitor = Visitor(_UNKNOWN if source is None else _crowd(source), shed)
        if not self._made_room(visitor.crowd) and len(self._all) >= self._total:
            self._shed(next(iter(self._all)))
        self._all[visitor] = None
        self._crowds.setdefault(visitor.crowd, OrderedDict())[visitor] = None
        return visitor

    def belongs(self, visitor: Visitor, source: str) -> None:
        """It is known now whose connection this is, and counts as one of that address."""
        if visitor not in self._all:
            return
        self._leave_crowd(visitor)
        visitor.crowd = _crowd(source)
        self._made_room(visitor.crowd)
        self._crowds.setdefault(visitor.crowd, OrderedDict())[visitor] = None

    def leave(self, visitor: Visitor) -> None:
        """It signed in, or went; a second call does nothing."""
        if self._all.pop(visitor, False) is False:
            return
        self._leave_crowd(visitor)

    def _made_room(self, crowd: str) -> bool:
        """Shed the oldest of a crowd that is full; whether that was needed."""
        own = self._crowds.get(crowd, ())
        if crowd == _UNKNOWN or len(own) < self._per_address:
            return False
        self._shed(next(iter(own)))
        return True

    def _shed(self, visitor: Visitor) -> None:
        self.leave(visitor)
        visitor.shed()

    def _leave_crowd(self, visitor: Visitor) -> None:
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
