"""Makes chains: each under a session key of its own, wrapped under its person's key.

What is appended to a chain, and when, is `live`.
"""

from __future__ import annotations

from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal.chain import Chain, Place
from gatekeep.journal.keys import KeyRing, WrappedKeys
from gatekeep.journal.opened import OpenSession
from gatekeep.journal.sealing import RandomPool
from gatekeep.journal.timekeeping import Timekeeper

GATEWAY_SUBJECT = "gatekeep"


class Streams:
    """Opens and resumes chains of one log. `GATEWAY_SUBJECT` is the gateway's own person."""

    def __init__(self, origin: str, ring: KeyRing, keys: WrappedKeys, time: Timekeeper) -> None:
        self._origin = origin
        self._ring = ring
        self._keys = keys
        self._time = time
        self._pool = RandomPool()

    def open(self, session_id: str, subject: str, target: str) -> Chain:
        """Begin a chain under a fresh key.

        Raises JournalUnavailable if the person's key cannot be read or kept: what cannot be
        sealed cannot be recorded.
        """
        try:
            key, extra = self._ring.new_session_key(session_id, subject, self._keys)
        except Exception as error:
            raise JournalUnavailable(
                "the keys of this record cannot be kept", cause=repr(error)
            ) from error
        return self._chain(session_id, target, key, extra)

    def resume(self, session_id: str, session: OpenSession) -> Chain:
        """Go on with a chain that an earlier run left open.

        Where the person's key was destroyed since, a fresh key of the gateway's own is used; it
        travels with the chain's next events. Raises EvidenceBroken if the ring is another one.
        """
        if not session.extra:
            raise EvidenceBroken("the key of an open session is missing", cause=session_id)
        key = self._ring.open_session_key(session_id, session.extra, self._keys)
        if key is not None:
            chain = self._chain(session_id, session.target, key, session.extra)
        else:
            chain = self.open(session_id, GATEWAY_SUBJECT, session.target)
            chain.carries_key = True
        chain.q, chain.previous = session.q, session.head().encode()
        return chain

    def _chain(self, session_id: str, target: str, key: bytes, extra: bytes) -> Chain:
        place = Place(self._time.boot, self._origin, session_id, target)
        return Chain(place, key, extra, self._pool)
