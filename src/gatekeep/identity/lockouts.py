"""Lock-outs against guessing, per (principal, address prefix). Implements gate.ports.LockOuts.

Never per principal alone: an outsider could then lock out every approver.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from gatekeep.runtime.clock import Clock

_V4_PREFIX: Final = 24
_V6_PREFIX: Final = 64
_LONGEST_NAME: Final = 128
_NS: Final = 1_000_000_000


@dataclass(slots=True)
class _Failures:
    count: int
    first_ns: int
    locked_until_ns: int = 0


class LockOutBook:
    """Counts failed sign-ins in memory that is bounded.

    `limit` failures within `window_s` seconds lock the pair for `lock_s` seconds. At most
    `capacity` pairs are kept; the one that failed longest ago is forgotten first.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        limit: int = 10,
        window_s: float = 300.0,
        lock_s: float = 300.0,
        capacity: int = 65_536,
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._window_ns = int(window_s * _NS)
        self._lock_ns = int(lock_s * _NS)
        self._capacity = capacity
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def locked(self, principal: str, source: str) -> bool:
        """Whether this pair must be refused now."""
        known = self._failures.get(_pair(principal, source))
        return known is not None and self._clock.monotonic_ns() < known.locked_until_ns

    def failed(self, principal: str, source: str) -> bool:
        """Count a failed sign-in; true when this one locks the pair."""
        pair = _pair(principal, source)
        now = self._clock.monotonic_ns()
        known = self._failures.get(pair)
        if known is not None and now < known.locked_until_ns:
            return False  # tries during a lock neither lengthen nor renew it
        if known is None or known.locked_until_ns or now - known.first_ns >= self._window_ns:
            known = _Failures(0, now)
            self._failures[pair] = known
        self._failures.move_to_end(pair)
        if len(self._failures) > self._capacity:
            self._failures.popitem(last=False)
        known.count += 1
        if known.count < self._limit:
            return False
        known.locked_until_ns = now + self._lock_ns
        return True

    def succeeded(self, principal: str, source: str) -> None:
        """Forget the failures of the pair."""
        self._failures.pop(_pair(principal, source), None)


def address_prefix(source: str) -> str:
    """The /24 or /64 of an address, with or without a port; other sources stand for themselves.

    IPv6 forms of IPv4 addresses count as IPv4, zones are ignored.
    """
    host = source
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return source[:_LONGEST_NAME]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    length = _V6_PREFIX if isinstance(address, IPv6Address) else _V4_PREFIX
    return str(ip_network((address, length), strict=False))


def _pair(principal: str, source: str) -> tuple[str, str]:
    return principal[:_LONGEST_NAME], address_prefix(source)
