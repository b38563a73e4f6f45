"""Chains are made with a key that is kept, or not at all."""

from __future__ import annotations

import pytest
from support.live_journal import ORIGIN, HandClock
from support.wrapped_keys import MemoryKeys

from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.opened import OpenSession
from gatekeep.journal.streams import Streams
from gatekeep.journal.timekeeping import Timekeeper

_A = "aa" * 16


class _LockedKeys(MemoryKeys):
    """A store that cannot write."""

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        """Fail as a database does."""
        raise RuntimeError("database is locked")


def _streams(keys: MemoryKeys) -> Streams:
    return Streams(ORIGIN, KeyRing(bytes(32)), keys, Timekeeper(HandClock()))


def test_no_key_no_record() -> None:
    """When the person's key cannot be kept the session is refused, whatever the store raised."""
    with pytest.raises(JournalUnavailable) as refused:
        _streams(_LockedKeys()).open(_A, "alice", "shop")
    assert "locked" not in refused.value.public


def test_a_resumed_chain_stands_where_it_stood() -> None:
    """Same key, same count, same head; only a missing key is damage."""
    keys = MemoryKeys()
    first = _streams(keys).open(_A, "alice", "shop")
    again = _streams(keys).resume(_A, OpenSession(4, "ab" * 32, "shop", first.extra))
    assert (again.q, again.previous, again.carries_key) == (4, b"ab" * 32, False)
    assert (again.extra, again.place.target) == (first.extra, "shop")
    with pytest.raises(EvidenceBroken):
        _streams(keys).resume(_A, OpenSession(4, "ab" * 32, "shop", b""))
    keys.forget("alice")
    assert _streams(keys).resume(_A, OpenSession(4, "ab" * 32, "", first.extra)).carries_key
