"""Access tokens: their form, their verifiers, and when they work."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import MovedClock

from gatekeep.domain.events import EventKind
from gatekeep.errors import NotPermitted
from gatekeep.identity import tokens as tokens_module
from gatekeep.identity.tokens import TokenDesk, is_token, new_secret, verifier
from gatekeep.stores.sqlite.state import StateStore

YEAR_S = 365 * 86_400


@pytest.fixture
def clock() -> MovedClock:
    """Time that stands still until told."""
    return MovedClock()


@pytest.fixture
def store(tmp_path: Path, clock: MovedClock) -> Iterator[StateStore]:
    """An empty state."""
    opened = StateStore.open(tmp_path / "state.db", bytes(32), clock)
    yield opened
    opened.close()


@pytest.fixture
def desk(store: StateStore, clock: MovedClock) -> TokenDesk:
    """A desk that knows alice and bob."""
    made = TokenDesk(store, clock)
    made.replace_principals({"alice": (), "bob": ()})
    return made


def working(desk: TokenDesk, principal: str = "alice", ttl_s: int | None = None) -> str:
    """The id of a new token whose event is durable."""
    row, _ = desk.make(principal, ttl_s=ttl_s, note="")
    return desk.settle(row.id, EventKind.TOKEN_MADE).id


def test_a_token_has_a_form_that_scanners_find() -> None:
    """`gk_`, 32 random characters, 6 that check them; a changed character is no token."""
    secret = new_secret()
    assert len(secret) == 41
    assert is_token(secret)
    for index in range(3, len(secret)):
        other = "a" if secret[index] != "a" else "b"
        assert not is_token(secret[:index] + other + secret[index + 1 :])
    assert not is_token(secret + "a")
    assert not is_token(secret[:-1])


@given(st.binary(min_size=64, max_size=64))
def test_every_draw_gives_a_whole_token(drawn: bytes) -> None:
    """Bytes that would favour some characters are drawn again, whatever comes."""
    fallback = hashlib.sha512(drawn).digest()
    feed = [fallback, drawn]
    secret = new_secret(lambda count: (feed.pop() if feed else b"\x01" * 64)[:count])
    assert is_token(secret)


def test_verifiers_are_those_of_the_rfc() -> None:
    """The exchange of RFC 7677 section 3 (user, password `pencil`) checks against our keys."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    keys = verifier("t1", "pencil", salt)
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    auth = (
        f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
    ).encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(keys.stored_key, auth, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == keys.stored_key
    shown = base64.b64encode(hmac.digest(keys.server_key, auth, "sha256"))
    assert shown == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_token_works_only_after_its_receipt(desk: TokenDesk, store: StateStore) -> None:
    """Made, its event pending: it opens nothing. Settled: it does, and nothing is owed."""
    row, secret = desk.make("alice", ttl_s=60, note="laptop")
    assert is_token(secret)
    assert desk.verifiers("alice") == ()
    assert not desk.works(row.id)
    assert [owed.kind for owed in store.pending()] == [EventKind.TOKEN_MADE]
    assert orjson.loads(store.pending()[0].payload) == {
        "expires_us": row.expires_us,
        "note": "laptop",
        "of": "alice",
        "token": row.id,
    }
    desk.settle(row.id, EventKind.TOKEN_MADE)
    assert desk.verifiers("alice") == (verifier(row.id, secret, desk.salt("alice")),)
    assert desk.works(row.id)
    assert store.pending() == []
    assert desk.verifiers("bob") == ()


def test_a_token_revoked_before_its_receipt_never_works(desk: TokenDesk) -> None:
    """When the event cannot be written the caller takes the token back, and it stays back."""
    row, _ = desk.make("alice", ttl_s=None, note="")
    desk.revoke(row.id)
    desk.settle(row.id, EventKind.TOKEN_MADE)
    assert desk.verifiers("alice") == ()


def test_revoking_stops_at_once(desk: TokenDesk, store: StateStore) -> None:
    """Before its event is durable, and by a prefix that names one token only."""
    first, second = working(desk), working(desk)
    with pytest.raises(KeyError):
        desk.revoke("t")
    with pytest.raises(KeyError):
        desk.revoke("")
    with pytest.raises(KeyError):
        desk.revoke("none")
    length = next(n for n in range(2, 12) if not second.startswith(first[:n]))
    row = desk.revoke(first[:length])
    assert row.revoked_us > 0
    assert [kept.token_id for kept in desk.verifiers("alice")] == [second]
    assert not desk.works(first)
    assert desk.revoke(first) == row
    assert [owed.kind for owed in store.pending()] == [EventKind.TOKEN_REVOKED]


def test_a_token_expires_and_no_step_of_the_clock_revives_it(
    desk: TokenDesk, clock: MovedClock
) -> None:
    """A clock set back by a year lengthens no right; one set forward ends it early."""
    working(desk, ttl_s=100)
    clock.pass_s(99)
    assert desk.verifiers("alice")
    clock.step_s(-YEAR_S)
    assert desk.verifiers("alice")
    clock.pass_s(1)
    assert desk.verifiers("alice") == ()
    clock.step_s(2 * YEAR_S)
    assert desk.verifiers("alice") == ()


def test_a_token_made_while_the_clock_is_wrong_ends_in_its_time(
    desk: TokenDesk, clock: MovedClock
) -> None:
    """Made a year ahead of the time; when the clock is put right, it still lasts what was said."""
    clock.step_s(YEAR_S)
    working(desk, ttl_s=100)
    clock.step_s(-YEAR_S)
    clock.pass_s(99)
    assert desk.verifiers("alice")
    clock.pass_s(1)
    assert desk.verifiers("alice") == ()


def test_a_step_forward_ends_tokens_early(desk: TokenDesk, clock: MovedClock) -> None:
    """The later of both clocks counts."""
    working(desk, ttl_s=100)
    clock.step_s(YEAR_S)
    assert desk.verifiers("alice") == ()


def test_at_most_eight_live_tokens(desk: TokenDesk, clock: MovedClock) -> None:
    """Each would cost a try at every sign-in; revoked and expired ones do not count."""
    first = working(desk)
    working(desk, ttl_s=10)
    for _ in range(6):
        working(desk)
    with pytest.raises(NotPermitted, match="at most 8"):
        desk.make("alice", ttl_s=None, note="")
    working(desk, "bob")
    desk.revoke(first)
    working(desk)
    clock.pass_s(11)
    working(desk)
    assert len(desk.verifiers("alice")) == 8


def test_unknown_principals_get_no_token(desk: TokenDesk) -> None:
    """Nor does anybody get one with a life that is not positive."""
    with pytest.raises(NotPermitted):
        desk.make("mallory", ttl_s=None, note="")
    with pytest.raises(NotPermitted):
        desk.make("alice", ttl_s=0, note="")


def test_tokens_of_a_principal_that_is_gone_stop(desk: TokenDesk) -> None:
    """Taken out of the file, nobody signs in under the name; put back, the tokens are good again."""
    kept = working(desk)
    desk.replace_principals({"bob": ()})
    assert desk.verifiers("alice") == ()
    assert not desk.works(kept)
    desk.replace_principals({"alice": ()})
    assert desk.works(kept)


def test_tokens_outlive_the_gateway(desk: TokenDesk, store: StateStore, clock: MovedClock) -> None:
    """A new desk over the same state has the same verifiers and the same salts."""
    working(desk)
    again = TokenDesk(store, clock)
    again.replace_principals({"alice": ()})
    assert again.verifiers("alice") == desk.verifiers("alice")
    assert [row.principal for row in again.rows()] == ["alice"]
    assert again.rows("bob") == []


def test_the_secret_is_in_no_attribute_of_the_desk(desk: TokenDesk) -> None:
    """Shown once: afterwards the process itself does not have it."""
    _, secret = desk.make("alice", ttl_s=None, note="")
    assert secret not in repr(vars(desk))
    assert tokens_module.TOKEN_PATTERN.search(f"x={secret}, y")
