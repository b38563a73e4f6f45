"""The gateway's own cancel keys: what a client gets in BackendKeyData, and what a hit does.

Looked up before anything is dialled; every request is answered alike, by closing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.runtime.clock import Clock

CancelSession = Callable[[], Awaitable[None]]

_KEY_BYTES: Final = 8
_LONG_KEY_BYTES: Final = 36
_WINDOW_NS: Final = 10 * 10**9
_MAX_SOURCES: Final = 4096


class CancelKeys:
    """Keys of live sessions, number and secret both ours and random.

    Together they have 64 bits; a long key's secret alone has 256 (protocol 3.2).
    `draw(count)` gives random bytes. `on_hit(source)` is told of each request that fits.
    At most `per_source` requests in 10 s are looked up for one source; further ones meet nothing.
    """

    def __init__(
        self,
        clock: Clock,
        draw: Callable[[int], bytes],
        *,
        on_hit: Callable[[str], None] | None = None,
        per_source: int = 100,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._on_hit = on_hit
        self._per_source = per_source
        self._live: dict[bytes, CancelSession] = {}
        self._spent: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def issue(self, cancel: CancelSession, *, long: bool = False) -> CancelKey:
        """A new key; `cancel` is awaited whenever a request shows it, until it is withdrawn."""
        while True:
            drawn = self._draw(_LONG_KEY_BYTES if long else _KEY_BYTES)
            key = CancelKey(int.from_bytes(drawn[:4], "big"), drawn[4:])
            if key.pid and drawn not in self._live:
                self._live[drawn] = cancel
                return key

    def withdraw(self, key: CancelKey) -> None:
        """The session is over: its key opens nothing any more."""
        self._live.pop(_bits(key), None)

    async def request(self, key: CancelKey, source: str) -> bool:
        """Act on a CancelRequest from `source`; whether it hit, which the client is not told."""
        if not self._may(source):
            return False
        cancel = self._live.get(_bits(key))
        if cancel is None:
            return False
        if self._on_hit is not None:
            self._on_hit(source)
        await cancel()
        return True

    def _may(self, source: str) -> bool:
        now = self._clock.monotonic_ns()
        began, spent = self._spent.pop(source, (now, 0))
        if now - began >= _WINDOW_NS:
            began, spent = now, 0
        self._spent[source] = (began, spent + 1)
        if len(self._spent) > _MAX_SOURCES:
            self._spent.popitem(last=False)
        return spent < self._per_source


def _bits(key: CancelKey) -> bytes:
    return key.pid.to_bytes(4, "big") + key.secret
