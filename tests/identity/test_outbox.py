"""The outbox: what the state owes the journal is told before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.clock import MovedClock
from support.fake_journal import FakeJournal

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.identity.outbox import drain
from gatekeep.identity.tokens import TokenDesk
from gatekeep.stores.sqlite.state import StateStore


async def test_what_was_pending_at_a_crash_is_told_at_the_next_start(tmp_path: Path) -> None:
    """Both events come in order, their effects follow, and nothing stays owed."""
    store = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    desk = TokenDesk(store, MovedClock())
    desk.replace_principals({"alice": ()})
    kept = desk.make("alice", ttl_s=None, note="one")[0]
    desk.revoke(desk.make("alice", ttl_s=None, note="two")[0].id)
    store.close()

    again = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    journal = FakeJournal()
    assert await drain(again, journal) == 3
    assert [event.kind for event in journal.events] == [
        EventKind.TOKEN_MADE,
        EventKind.TOKEN_MADE,
        EventKind.TOKEN_REVOKED,
    ]
    assert again.pending() == []
    fresh = TokenDesk(again, MovedClock())
    fresh.replace_principals({"alice": ()})
    assert [one.token_id for one in fresh.verifiers("alice")] == [kept.id]
    assert await drain(again, journal) == 0
    again.close()


async def test_what_the_journal_did_not_take_stays_owed(tmp_path: Path) -> None:
    """No receipt, no effect: the token does not work and the event is still pending."""
    store = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    desk = TokenDesk(store, MovedClock())
    desk.replace_principals({"alice": ()})
    desk.make("alice", ttl_s=None, note="")
    journal = FakeJournal(broken_sync=JournalUnavailable("the disk is gone", fatal=True))
    with pytest.raises(JournalUnavailable):
        await drain(store, journal)
    assert len(store.pending()) == 1
    assert [kept.active for kept in store.tokens()] == [False]
    store.close()
