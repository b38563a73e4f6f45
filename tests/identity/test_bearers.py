"""Bearer tokens: whom one speaks for, and who is locked out by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.identity.bearers import Bearer, BearerRefusal, Bearers
from gatekeep.identity.directory import EmbeddedDirectory
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.principals import PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.tokens import TokenDesk, new_secret
from gatekeep.stores.sqlite.state import StateStore

HERE = "192.0.2.7"
ALICE = PrincipalEntry(Principal("alice", "p-alice"), tokens=("env:ALICE_TOKEN",))
BOB = PrincipalEntry(Principal("bob", "p-bob"))
SHARED = "one-token-that-two-have-12345"


class Door:
    """A directory with its tokens, and what was noted."""

    def __init__(self, store: StateStore, clock: MovedClock) -> None:
        self.clock = clock
        self.noted: list[tuple[EventKind, str, str, str]] = []
        self.environment = {"ALICE_TOKEN": new_secret()}
        self.tokens = TokenDesk(store, clock)
        self.directory = EmbeddedDirectory(
            (ALICE, BOB), self.tokens, SecretReader(self.environment), owner_uid=0
        )
        self.bearers = Bearers(
            self.directory, self.tokens.holder, LockOutBook(clock),
            lambda *said: self.noted.append(said),
        )  # fmt: skip

    def made(self, principal: str, ttl_s: int | None = None) -> tuple[str, str]:
        """Id and secret of a new token whose event is durable."""
        row, secret = self.tokens.make(principal, ttl_s=ttl_s, note="")
        self.tokens.settle(row.id, EventKind.TOKEN_MADE)
        return row.id, secret


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Alice with a token of the file, bob with none."""
    clock = MovedClock()
    store = StateStore.open(tmp_path / "state.db", bytes(32), clock)
    yield Door(store, clock)
    store.close()


def test_a_token_speaks_for_its_principal_and_for_nobody_else(door: Door) -> None:
    """Those that were made and those of the file; each name alone, without being told."""
    token_id, secret = door.made("bob")
    assert door.bearers.bearer(secret, HERE) == Bearer(BOB.principal, token_id)
    assert door.bearers.bearer(door.environment["ALICE_TOKEN"], HERE) == Bearer(
        ALICE.principal, "file:alice:0"
    )
    assert door.noted == []


@pytest.mark.parametrize(
    "text",
    ["", "x", "gk_", new_secret(), "gk_" + "é" * 38, "\udcff" * 41, "a" * 10_000],
    ids=["nothing", "letter", "prefix", "secret", "letters", "bytes", "long"],
)
def test_any_other_text_is_unknown(door: Door, text: str) -> None:
    """Whatever it is made of, the answer is the same."""
    assert door.bearers.bearer(text, HERE) is BearerRefusal.UNKNOWN
    assert door.noted == [(EventKind.AUTH_FAILED, HERE, "wrong token", "")]


def test_a_token_that_ended_is_unknown(door: Door) -> None:
    """Revoked, expired, not yet recorded, or of a principal that is gone: at once, all alike."""
    token_id, secret = door.made("bob")
    bearer = door.bearers.bearer(secret, HERE)
    assert isinstance(bearer, Bearer)
    assert door.bearers.works(secret, bearer)
    door.tokens.revoke(token_id)
    assert not door.bearers.works(secret, bearer)
    _, short = door.made("bob", ttl_s=60)
    door.clock.pass_s(61)
    _, unsettled = door.tokens.make("bob", ttl_s=None, note="")
    _, lasting = door.made("bob")
    for text in (secret, short, unsettled):
        assert door.bearers.bearer(text, HERE) is BearerRefusal.UNKNOWN
    door.directory.reload((ALICE,))
    assert door.bearers.bearer(lasting, HERE) is BearerRefusal.UNKNOWN


def test_a_principal_that_was_changed_has_to_sign_in_again(door: Door) -> None:
    """What goes on under a token ends when its principal is not the same any more."""
    _, secret = door.made("bob")
    bearer = door.bearers.bearer(secret, HERE)
    assert isinstance(bearer, Bearer)
    door.directory.reload(
        (ALICE, PrincipalEntry(Principal("bob", "p-bob", frozenset({"dba"}))))
    )
    assert not door.bearers.works(secret, bearer)


def test_a_token_that_two_share_is_nobodys(door: Door) -> None:
    """It cannot say who acts."""
    door.environment |= {"ALICE_TOKEN": SHARED, "BOB_TOKEN": SHARED}
    bob = PrincipalEntry(BOB.principal, tokens=("env:BOB_TOKEN",))
    door.directory.reload((ALICE, bob))
    assert door.bearers.bearer(SHARED, HERE) is BearerRefusal.UNKNOWN


def test_guessing_locks_its_own_prefix_for_a_time(door: Door) -> None:
    """Ten wrong ones: then even a right one that is new there has to wait; elsewhere it works."""
    token_id, secret = door.made("bob")
    for _ in range(10):
        assert door.bearers.bearer(new_secret(), "192.0.2.9") is BearerRefusal.UNKNOWN
    assert door.bearers.bearer(new_secret(), HERE) is BearerRefusal.LOCKED
    assert door.bearers.bearer(secret, HERE) is BearerRefusal.LOCKED
    assert door.bearers.bearer(secret, "198.51.100.1") == Bearer(BOB.principal, token_id)
    assert (EventKind.AUTH_LOCKED, "192.0.2.9", "too many failures", "") in door.noted
    door.clock.pass_s(301)
    assert isinstance(door.bearers.bearer(secret, HERE), Bearer)


def test_a_neighbour_who_guesses_locks_nobody_out_who_was_there_before(door: Door) -> None:
    """A token that has worked from a prefix goes on working there during a lock, until revoked."""
    token_id, secret = door.made("bob")
    assert isinstance(door.bearers.bearer(secret, HERE), Bearer)
    for _ in range(11):
        door.bearers.bearer(new_secret(), HERE)
    assert isinstance(door.bearers.bearer(secret, HERE), Bearer)
    door.tokens.revoke(token_id)
    assert door.bearers.bearer(secret, HERE) is BearerRefusal.LOCKED


def test_what_is_remembered_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many addresses push out the oldest."""
    monkeypatch.setattr("gatekeep.identity.bearers._KNOWN", 4)
    _, secret = door.made("bob")
    for third in range(20):
        door.bearers.bearer(secret, f"10.0.{third}.1")
    assert len(door.bearers._known) == 4


def test_tokens_of_before_have_no_digest_and_are_not_found(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older state opens; its tokens go on at the other doors, and are unknown here."""
    monkeypatch.setattr("gatekeep.identity.tokens.finder", lambda _secret: b"")
    _, secret = door.made("bob")
    monkeypatch.undo()
    assert len(door.tokens.verifiers("bob")) == 1
    assert door.bearers.bearer(secret, HERE) is BearerRefusal.UNKNOWN
