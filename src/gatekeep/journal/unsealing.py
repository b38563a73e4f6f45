"""Opens sealed payloads for those who may read: finds a session's key, keeps a few at hand.

No files: wrapped keys come from a WrappedKeys or from the `extra` beside a session's first event.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.keys import KeyRing, WrappedKeys
from gatekeep.journal.sealing import (
    NONCE_BYTES,
    SALT_BYTES,
    RandomPool,
    SessionSealer,
    associated_data,
)

_SESSIONS_KEPT = 20_000


class Unsealer:
    """Opens payloads with a key ring. Not for several threads at once."""

    def __init__(self, ring: KeyRing, keys: WrappedKeys) -> None:
        self._ring = ring
        self._keys = keys
        self._pool = RandomPool()
        self._sessions: OrderedDict[str, SessionSealer | None] = OrderedDict()

    def open(
        self, envelope: Mapping[str, Any], ciphertext: bytes, extra: bytes = b""
    ) -> bytes | None:
        """The payload of this event, or None if its key is gone or was never kept (SEALED).

        Raises EvidenceBroken if a key is there and does not open it, or opens something that was
        not committed to.
        """
        session = envelope["s"]
        sealer = self._sessions.get(session)
        if sealer is None:
            sealer = self._find(session, extra)
            if sealer is None:
                return None
        place = associated_data(envelope["o"], envelope["n"], envelope["k"])
        return sealer.open(envelope["q"], place, ciphertext, envelope["y"]["com"])

    def sealer(self, session: str) -> SessionSealer | None:
        """What opens this session's events, if it was needed before and is still at hand."""
        return self._sessions.get(session)

    def peek(
        self, envelope: Mapping[str, Any], ciphertext: bytes, extra: bytes = b""
    ) -> bytes | None:
        """As `open`, but whether the payload is the one committed to is not checked.

        Half the cost; for what is no evidence, such as an index.
        """
        session = envelope["s"]
        sealer = self._sessions.get(session) or self._find(session, extra)
        if sealer is None:
            return None
        place = associated_data(envelope["o"], envelope["n"], envelope["k"])
        try:
            plain = AESGCM(sealer.event_key(envelope["q"])).decrypt(
                ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], place
            )
        except InvalidTag as error:
            raise EvidenceBroken("a sealed payload does not open with its key") from error
        return plain[SALT_BYTES:]

    def read(
        self, envelope: Mapping[str, Any], ciphertext: bytes, extra: bytes = b""
    ) -> Mapping[str, Any] | None:
        """The payload as JSON, or None if it stays sealed. Raises as `open` does."""
        payload = self.open(envelope, ciphertext, extra)
        if payload is None:
            return None
        try:
            value = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise EvidenceBroken("a payload is not JSON") from error
        if not isinstance(value, dict):
            raise EvidenceBroken("a payload is not an object")
        return value

    def _find(self, session: str, extra: bytes) -> SessionSealer | None:
        if session in self._sessions and not extra:
            return None
        wrapped = extra or self._keys.session_key(session)
        key = self._ring.open_session_key(session, wrapped, self._keys) if wrapped else None
        sealer = SessionSealer(key, self._pool) if key is not None else None
        if sealer is not None:
            self._sessions[session] = sealer
            if len(self._sessions) > _SESSIONS_KEPT:
                self._sessions.popitem(last=False)
        return sealer
