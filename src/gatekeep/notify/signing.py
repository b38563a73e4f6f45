"""Signed bodies of webhooks: HMAC-SHA256 over `timestamp.body`, in time, each counted once.

Knows no HTTP but the names of the headers, and reads no secret: both come as arguments.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

TIMESTAMP: Final = "Gatekeep-Timestamp"
SIGNATURE: Final = "Gatekeep-Signature"
DELIVERY: Final = "Gatekeep-Delivery"
SKEW_S: Final = 300
"""How far the clock of the other side may be off, either way, in seconds."""

_VERSION: Final = "v1="
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_MOST_SEEN: Final = 10_000
_US: Final = 1_000_000


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of the signature's header: `v1=` and 64 hex digits."""
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return _VERSION + signed.hexdigest()


def signed_headers(secret: str, at_us: int, body: bytes, delivery: str = "") -> dict[str, str]:
    """What stands beside a body that we send at this time. `delivery` is its id."""
    timestamp = str(at_us // _US)
    headers = {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, body)}
    return headers | ({DELIVERY: delivery} if delivery else {})


class SignatureCheck:
    """Checks what one endpoint receives; a body counts once. `now_us` never goes back."""

    def __init__(self, now_us: Callable[[], int], *, most_seen: int = _MOST_SEEN) -> None:
        self._now_us = now_us
        self._most_seen = most_seen
        self._seen: OrderedDict[str, int] = OrderedDict()

    def objection(self, headers: Mapping[str, str], body: bytes, secret: str) -> str:
        """Why this body is not taken; empty if it is, and then never again.

        `signature`: missing or wrong. `late`: not of these minutes. `seen`: it came before.
        `full`: too many came in these minutes, so a repeat could not be told.
        """
        timestamp, given = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not _SECONDS.fullmatch(timestamp):
            return "signature"
        # The bytes are compared first: who cannot sign learns nothing of our clock.
        expected = signature(secret, timestamp, body)
        if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
            return "signature"
        now_s, sent_s = self._now_us() // _US, int(timestamp)
        if abs(now_s - sent_s) > SKEW_S:
            return "late"
        self._forget(now_s)
        if expected in self._seen:
            return "seen"
        if len(self._seen) >= self._most_seen:
            return "full"
        self._seen[expected] = sent_s + SKEW_S
        return ""

    def _forget(self, now_s: int) -> None:
        """What would be late by now need not be remembered."""
        over = [one for one, until_s in self._seen.items() if until_s < now_s]
        for one in over:
            del self._seen[one]
