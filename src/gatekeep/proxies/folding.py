"""Folds what strangers cause into few events: one per kind, cause, address prefix and 10 s.

Bounded whatever arrives (12-threats H17). Does not write events itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.runtime.clock import Clock

WINDOW_NS: Final = 10 * 10**9
MAX_FOLDS: Final = 64
EVERYWHERE: Final = "*"

_V4_PREFIX: Final = 24
_V6_PREFIX: Final = 64


def source_prefix(source: str) -> str:
    """The /24 or /64 of an address, as `192.0.2.0/24`; the text itself if it is no address."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source[:45]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = _V4_PREFIX if address.version == 4 else _V6_PREFIX  # noqa: PLR2004 - the IP version
    return str(ipaddress.ip_network((address, bits), strict=False))


@dataclass(slots=True)
class Folded:
    """What happened `count` times; `principal` and `source` are those of the first time.

    `prefix` is `*` when too many prefixes were seen at once.
    """

    kind: EventKind
    cause: str
    prefix: str
    source: str
    principal: str
    began_ns: int
    count: int = 1


class FoldedEvents:
    """Counts, and hands over each fold when its 10 s are over (`flush`).

    `emit` must not wait; what it raises is the caller's of `flush`.
    """

    def __init__(self, clock: Clock, emit: Callable[[Folded], None]) -> None:
        self._clock = clock
        self._emit = emit
        self._folds: dict[tuple[EventKind, str, str], Folded] = {}

    def note(self, kind: EventKind, source: str, cause: str, principal: str = "") -> None:
        """Something happened. `cause` is one of few words of ours, never a peer's text."""
        prefix = source_prefix(source)
        key = (kind, cause, prefix)
        if key not in self._folds and len(self._folds) >= MAX_FOLDS:
            prefix = EVERYWHERE
            key = (kind, cause, prefix)
        fold = self._folds.get(key)
        if fold is None:
            began = self._clock.monotonic_ns()
            self._folds[key] = Folded(kind, cause, prefix, source, principal, began)
        else:
            fold.count += 1

    def flush(self, *, everything: bool = False) -> None:
        """Hand over what is 10 s old, or everything (at the end)."""
        now = self._clock.monotonic_ns()
        for key, fold in list(self._folds.items()):
            if everything or now - fold.began_ns >= WINDOW_NS:
                del self._folds[key]
                self._emit(fold)
