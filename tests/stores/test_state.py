"""Contract of the state store: each change with the event that it owes; safe for two processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.events import EventKind
from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.gate.ports import StoredToken, TokenRow
from gatekeep.identity.tokens import TokenDesk, new_secret
from gatekeep.stores.sqlite.database import open_database
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.stores.sqlite.state_schema import MIGRATIONS

KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    """An empty state."""
    opened = StateStore.open(tmp_path / "state.db", KEY, MovedClock())
    yield opened
    opened.close()


def token(name: str, *, created_us: int = 1) -> StoredToken:
    """A token of alice."""
    row = TokenRow(name, "alice", created_us, 0, 0, "a note")
    return StoredToken(row, b"s" * 32, b"k" * 32, active=True)


def test_a_token_is_kept_with_its_event_and_works_only_when_that_is_settled(
    store: StateStore,
) -> None:
    """Store, journal, effect: what is pending has no effect yet."""
    owed = store.add_token(token("t1"), b'{"token":"t1"}')
    assert [kept.active for kept in store.tokens()] == [False]
    assert store.pending() == [owed]
    assert (owed.kind, owed.subject, owed.payload) == (
        EventKind.TOKEN_MADE,
        "t1",
        b'{"token":"t1"}',
    )
    store.settle(owed.id)
    assert [kept.active for kept in store.tokens()] == [True]
    assert store.pending() == []
    store.settle(owed.id)


def test_a_refused_change_leaves_neither_row_nor_event(store: StateStore) -> None:
    """One transaction: a token that cannot be kept owes nothing."""
    store.add_token(token("t1"), b"{}")
    with pytest.raises(JournalUnavailable):
        store.add_token(token("t1"), b"{}")
    assert len(store.pending()) == 1
    with pytest.raises(KeyError):
        store.revoke_token("t2", 5, b"{}")
    assert len(store.pending()) == 1


def test_revoking_is_seen_at_once_and_only_once(store: StateStore) -> None:
    """A revocation does not wait for its receipt; a second one is none."""
    store.settle(store.add_token(token("t1"), b"{}").id)
    store.revoke_token("t1", 77, b"{}")
    assert store.tokens()[0].row.revoked_us == 77
    with pytest.raises(KeyError):
        store.revoke_token("t1", 78, b"{}")


def test_tokens_are_listed_newest_first(store: StateStore) -> None:
    """Also when the clock stood still."""
    for number, at_us in enumerate((5, 9, 9)):
        store.add_token(token(f"t{number}", created_us=at_us), b"{}")
    assert [kept.row.id for kept in store.tokens()] == ["t2", "t1", "t0"]


def test_state_outlives_the_process(tmp_path: Path) -> None:
    """Opened again, everything is there: tokens, outbox, keys of its own."""
    first = StateStore.open(tmp_path / "state.db", KEY, MovedClock())
    first.add_token(token("t1"), b"{}")
    salt_key, sampling_key = first.salt_key(), first.sampling_key()
    first.close()
    again = StateStore.open(tmp_path / "state.db", KEY, MovedClock())
    assert [row.subject for row in again.pending()] == ["t1"]
    assert again.salt_key() == salt_key
    assert again.sampling_key() == sampling_key != salt_key
    assert len(salt_key) == len(sampling_key) == 32
    again.close()


def test_a_policy_version_is_active_once_its_event_is_settled(store: StateStore) -> None:
    """The one before stays active until then, and going back is an activation like any other."""
    assert store.active_policy() is None
    one = store.activate_policy("d1", {"a.cedar": "permit;"}, {"by": "start"})
    assert one.payload == b'{"by":"start","policy":"d1","texts":{"a.cedar":"permit;"}}'
    assert store.active_policy() is None
    store.settle(one.id)
    two = store.activate_policy("d2", {"a.cedar": "forbid;"}, {"by": "carol"})
    active = store.active_policy()
    assert active is not None
    assert (active.digest, active.texts) == ("d1", {"a.cedar": "permit;"})
    assert active.activated_us == one.created_us
    store.settle(two.id)
    store.settle(store.activate_policy("d1", {"a.cedar": "permit;"}, {"by": "carol"}).id)
    assert [version.digest for version in store.policy_history()] == ["d1", "d2", "d1"]


def test_a_digest_never_stands_for_two_texts(store: StateStore) -> None:
    """Whoever calls with other texts under a known digest is refused."""
    store.activate_policy("d1", {"a": "1"}, {})
    with pytest.raises(EvidenceBroken):
        store.activate_policy("d1", {"a": "2"}, {})
    assert len(store.pending()) == 1


def test_a_persons_key_is_never_replaced_by_another(store: StateStore) -> None:
    """The same key may be wrapped anew; another would make everything sealed unreadable."""
    key_id = b"i" * 16
    store.put_subject_key("alice", key_id + b"wrapped")
    store.put_subject_key("alice", key_id + b"wrapped anew")
    assert store.subject_key("alice") == key_id + b"wrapped anew"
    assert store.subject_key_by_id(key_id) == key_id + b"wrapped anew"
    with pytest.raises(EvidenceBroken):
        store.put_subject_key("alice", b"j" * 16 + b"other")
    assert store.subject_key("alice") == key_id + b"wrapped anew"
    assert store.subject_key("bob") is None
    assert store.subject_key_by_id(b"j" * 16) is None


def test_session_keys_are_kept_as_they_are(store: StateStore) -> None:
    """One by one or many in one transaction; putting one twice is harmless."""
    store.put_session_key("s1", b"\x00wrapped")
    store.put_session_keys([("s1", b"\x00wrapped"), ("s2", b"w2")])
    assert store.session_key("s1") == b"\x00wrapped"
    assert store.session_key("s2") == b"w2"
    assert store.session_key("s3") is None


def test_nothing_secret_is_readable_in_the_directory(tmp_path: Path) -> None:
    """A token, its note and a policy's text are in no file of the state, not even while open."""
    store = StateStore.open(tmp_path / "state.db", KEY, MovedClock())
    desk = TokenDesk(store, MovedClock())
    desk.replace_principals({"alice": ()})
    secret = desk.make("alice", ttl_s=None, note="laptop of alice")[1]
    store.activate_policy(
        "d1", {"a.cedar": "permit(principal == Alice)"}, {"by": "carol of security"}
    )
    wanted = [secret.encode(), b"laptop", b"permit(", b"carol", b"CREATE TABLE", b"salt_key"]
    kept = desk.verifiers("alice")
    assert kept == ()
    wanted += [stored.stored_key for stored in store.tokens()]
    for _ in range(2):
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            assert [needle for needle in wanted if needle in content] == [], file.name
        store.close()


def test_the_token_itself_is_nowhere_even_with_the_key(store: StateStore) -> None:
    """Only verifiers are kept: whoever decrypts the state cannot sign in as somebody."""
    desk = TokenDesk(store, MovedClock())
    desk.replace_principals({"alice": ()})
    secret = desk.make("alice", ttl_s=None, note="")[1]
    connection = store._connection
    tables = [
        row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
    ]
    for table in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - our own names
            assert secret not in repr(row)
    assert secret.startswith("gk_")
    assert new_secret() != secret


WRITER = """
import sys
from pathlib import Path
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore
store = StateStore.open(Path(sys.argv[1]), bytes(range(32)), SystemClock())
for number in range(150):
    store.put_session_key(f"{sys.argv[2]}-{number}", number.to_bytes(4, "big"))
store.close()
"""


def test_two_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    """Gateway and archivist share the file, from its very first moment: schema made once, no clash."""
    path = tmp_path / "state.db"
    names = ("gateway", "archivist", "third")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stderr=subprocess.PIPE)
        for name in names
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors.decode()
    store = StateStore.open(path, KEY, MovedClock())
    for name in names:
        for number in range(150):
            assert store.session_key(f"{name}-{number}") == number.to_bytes(4, "big")
    store.close()


def test_a_transaction_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    """Locked for too long: an error of the gate's own kind, and the store works afterwards."""
    path = tmp_path / "state.db"
    one = StateStore.open(path, KEY, MovedClock())
    two = StateStore.open(path, KEY, MovedClock())
    two._connection.set_busy_timeout(1)
    one._connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnavailable):
        two.add_token(token("t1"), b"{}")
    one._connection.execute("ROLLBACK")
    two.add_token(token("t1"), b"{}")
    assert len(two.pending()) == 1
    one.close()
    two.close()


def test_a_held_version_is_kept_and_never_active(store: StateStore) -> None:
    """Its text and facts are in the history; what is active stays, also once its event is settled."""
    store.settle(store.activate_policy("d1", {"a": "1"}, {}).id)
    held = store.hold_policy("d2", {"a": "2"}, {"by": "carol"})
    assert held.kind is EventKind.POLICY_HELD
    store.settle(held.id)
    active = store.active_policy()
    assert active is not None
    assert active.digest == "d1"
    newest, _ = store.policy_history()
    assert (newest.digest, newest.held, newest.texts) == ("d2", True, {"a": "2"})
    assert newest.facts == {"by": "carol"}
    assert [one.digest for one in store.policies_named("d2")] == ["d2"]
    assert store.policies_named("d_") == []


def test_a_wish_that_was_never_told_is_taken_back(store: StateStore) -> None:
    """Neither in the outbox nor in the history; a settled activation cannot be taken back."""
    store.withdraw_policy(store.activate_policy("d1", {"a": "1"}, {}).id)
    store.withdraw_policy(store.hold_policy("d2", {"a": "2"}, {}).id)
    assert store.pending() == []
    assert store.policy_history() == []
    row = store.activate_policy("d1", {"a": "1"}, {})
    store.settle(row.id)
    store.withdraw_policy(row.id)
    assert store.active_policy() is not None


def test_versions_of_an_older_state_are_still_there(tmp_path: Path) -> None:
    """A state from before facts were kept opens, its active version with no facts."""
    path = tmp_path / "state.db"
    old = open_database(path, KEY, MIGRATIONS[:1])
    old.execute("INSERT INTO policy_versions VALUES ('d1', ?)", (b'{"a":"1"}',))
    old.execute("INSERT INTO policy_activations VALUES (1, 'd1', 5, 1)")
    old.close()
    store = StateStore.open(path, KEY, MovedClock())
    active = store.active_policy()
    assert active is not None
    assert (active.digest, active.texts, active.facts, active.held) == ("d1", {"a": "1"}, {}, False)
    store.close()


def test_a_token_keeps_what_it_is_found_by(tmp_path: Path) -> None:
    """A digest is kept beside the verifier; a token of an older state has none."""
    path = tmp_path / "state.db"
    old = open_database(path, KEY, MIGRATIONS[:3])
    old.execute("INSERT INTO tokens VALUES ('t1', 'alice', 1, 0, 0, '', x'73', x'6b', 1)")
    old.close()
    store = StateStore.open(path, KEY, MovedClock())
    store.add_token(replace(token("t2", created_us=2), finder=b"f" * 32), b"{}")
    assert [(kept.row.id, kept.finder) for kept in store.tokens()] == [
        ("t2", b"f" * 32), ("t1", b""),
    ]  # fmt: skip
    store.close()
