"""Whether Slack itself made a call over HTTP: its signature over the raw body, fresh, used once.

Looked at before anything in the body is read. The library's own check is not used: it answers a
timestamp that is no number with an error of its own, and takes the same call twice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

TIMESTAMP: Final = "X-Slack-Request-Timestamp"
SIGNATURE: Final = "X-Slack-Signature"

WITHIN_S: Final = 300
"""How far a call's time may lie from ours, either way."""

_NUMBER: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SEEN: Final = 65_536
_US: Final = 1_000_000


class SignatureCheck:
    """Checks calls with the workspace's secret. `now_us` is microseconds UTC."""

    def __init__(self, secret: Callable[[], str], now_us: Callable[[], int]) -> None:
        self._secret = secret
        self._now_us = now_us
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def accepts(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether to believe this call. The second one with the same signature is refused."""
        stamp = headers.get(TIMESTAMP, "")
        given = headers.get(SIGNATURE, "").encode("utf-8", "surrogatepass")
        if not _NUMBER.fullmatch(stamp):
            return False
        if abs(self._now_us() // _US - int(stamp)) > WITHIN_S:
            return False
        if not hmac.compare_digest(given, signed(self._secret(), stamp, body)):
            return False
        if given in self._seen:
            return False
        self._seen[given] = None
        while len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return True


def signed(secret: str, stamp: str, body: bytes) -> bytes:
    """The signature of a body at a time, version 0."""
    made = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
    return b"v0=" + made.hexdigest().encode()
