"""What buttons carry: a request's id under a seal of ours. Nothing else that comes back is believed.

The seal covers the request's digest and the deed, so it fits only what the message showed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

from gatekeep.domain.approvals import ID_ALPHABET, ApprovalRequest

APPROVE: Final = "approve"
DENY: Final = "deny"

KEY_BYTES: Final = 32
_VALUE: Final = re.compile(rf"([{ID_ALPHABET}]{{4,16}})\.([A-Za-z0-9_-]{{43}})")
_LABEL: Final = b"gatekeep slack button 1"


class Seal:
    """Makes and checks values with one key. Raises ValueError for a key that is not 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("the key of buttons has 32 bytes")
        self._key = key

    def value(self, request: ApprovalRequest, deed: str) -> str:
        """The value of a button; well below the 2,000 characters that Slack allows."""
        return f"{request.id}.{self._sealed(request, deed)}"

    def fits(self, value: str, request: ApprovalRequest, deed: str) -> bool:
        """Whether we made this value for this request, as it is, and this deed."""
        expected = self.value(request, deed)
        return hmac.compare_digest(value.encode("utf-8", "surrogatepass"), expected.encode())

    def _sealed(self, request: ApprovalRequest, deed: str) -> str:
        hashed = hmac.new(self._key, _LABEL, hashlib.sha256)
        for part in (deed, request.id, request.digest):
            data = part.encode("utf-8", "surrogatepass")
            hashed.update(len(data).to_bytes(4, "big") + data)
        return base64.urlsafe_b64encode(hashed.digest()).rstrip(b"=").decode()


def request_in(value: str) -> str:
    """The id of the request that a value names, not yet believed; empty for what is no value."""
    found = _VALUE.fullmatch(value)
    return found[1] if found else ""
