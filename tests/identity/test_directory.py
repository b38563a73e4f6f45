"""The embedded directory: principals, uids, and SCRAM secrets that tell strangers nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.errors import SettingsError
from gatekeep.identity.directory import EmbeddedDirectory, os_user_name
from gatekeep.identity.principals import PrincipalEntry, principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.tokens import TokenDesk, verifier
from gatekeep.stores.sqlite.state import StateStore

OS_USERS = {1000: "al", 1001: "bobby", 0: "root"}
FIXED = "x" * 24


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TokenDesk]:
    """A desk over an empty state."""
    store = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    yield TokenDesk(store, MovedClock())
    store.close()


def entries(*items: dict[str, object]) -> tuple[PrincipalEntry, ...]:
    """Principals as a file would give them."""
    return principals_of({"principals": list(items)}, "principals.yaml")


ALICE: dict[str, object] = {"name": "alice", "os_user": "al", "groups": ["engineers"]}
BOB: dict[str, object] = {"name": "bob"}


def directory(desk: TokenDesk, *items: dict[str, object], owner_uid: int = 0) -> EmbeddedDirectory:
    """A directory on a machine with three local accounts."""
    return EmbeddedDirectory(
        entries(*items),
        desk,
        SecretReader({"FIXED": FIXED, "SHORT": "abc", "ODD": "é" * 30}),
        owner_uid=owner_uid,
        os_account_of=OS_USERS.get,
    )


def test_principals_are_found_by_exact_name(desk: TokenDesk) -> None:
    """A full-width or capital twin of a name is nobody."""
    known = directory(desk, BOB, ALICE)
    assert known.principal("alice") == Principal(
        "alice", "alice", frozenset({"engineers"}), "", "al"
    )
    for stranger in ("Alice", "ａlice", "alice ", "", "alice\0"):  # noqa: RUF001 - that is the point
        assert known.principal(stranger) is None
        assert known.scram_secrets(stranger).verifiers == ()
    assert [one.name for one in known.principals()] == ["alice", "bob"]


def test_a_uid_is_the_principal_with_that_local_account(desk: TokenDesk) -> None:
    """Who owns the state directory is `owner` unless the file names the account; others are nobody."""
    known = directory(desk, ALICE, BOB, owner_uid=0)
    assert known.principal_of_uid(1000) == known.principal("alice")
    owner = known.principal_of_uid(0)
    assert owner is not None
    assert (owner.name, owner.groups) == ("owner", frozenset({"owners"}))
    assert known.principal_of_uid(1001) is None
    assert known.principal_of_uid(4711) is None


def test_a_named_account_is_not_owner_too(desk: TokenDesk) -> None:
    """The file decides: a mapped uid has that principal's groups and no more."""
    known = directory(desk, ALICE, owner_uid=1000)
    assert known.principal_of_uid(1000) == known.principal("alice")


def test_the_owner_may_have_no_account_name(desk: TokenDesk) -> None:
    """In a container the uid is often in no passwd file."""
    owner = directory(desk, owner_uid=4711).principal_of_uid(4711)
    assert owner is not None
    assert (owner.name, owner.person) == ("owner", "owner")
    assert os_user_name(2**31 - 7) is None


def test_strangers_look_like_principals_without_tokens(desk: TokenDesk) -> None:
    """Salt and iterations are stable for each name, and have the same form known or not."""
    known = directory(desk, ALICE)
    real, mock = known.scram_secrets("alice"), known.scram_secrets("mallory")
    assert (len(real.salt), real.iterations) == (len(mock.salt), mock.iterations) == (16, 4096)
    assert mock == known.scram_secrets("mallory")
    assert mock.salt != real.salt != known.scram_secrets("").salt
    known.scram_secrets("\udcff")
    known.reload(entries(ALICE, {"name": "mallory"}))
    assert known.scram_secrets("mallory").salt == mock.salt


def test_all_tokens_share_the_salt_of_their_principal(desk: TokenDesk) -> None:
    """Made ones and those that the file refers to are tried against one proof."""
    known = directory(desk, {**ALICE, "tokens": ["env:FIXED"]})
    row, secret = desk.make("alice", ttl_s=None, note="")
    desk.settle(row.id, EventKind.TOKEN_MADE)
    secrets = known.scram_secrets("alice")
    assert secrets.verifiers == (
        verifier("file:alice:0", FIXED, secrets.salt),
        verifier(row.id, secret, secrets.salt),
    )
    assert desk.works("file:alice:0")
    known.reload(entries(ALICE))
    assert not desk.works("file:alice:0")
    assert [one.token_id for one in known.scram_secrets("alice").verifiers] == [row.id]


@pytest.mark.parametrize(
    ("references", "key", "what"),
    [
        (["env:SHORT"], "principals[1].tokens[0]", "is no token"),
        (["env:FIXED", "env:ODD"], "principals[1].tokens[1]", "is no token"),
        (["env:NONE"], "principals[1].tokens[0]", "not set"),
        (["env:FIXED"] * 9, "principals[1].tokens", "more than 8"),
    ],
)
def test_a_bad_reload_changes_nothing(
    desk: TokenDesk, references: list[str], key: str, what: str
) -> None:
    """The running gateway keeps the principals that it has, and the error says where."""
    known = directory(desk, {**ALICE, "tokens": ["env:FIXED"]})
    before = known.scram_secrets("alice")
    with pytest.raises(SettingsError) as caught:
        known.reload(entries(BOB, {"name": "carol", "tokens": references}))
    error = caught.value
    assert (error.file, error.key) == ("principals.yaml", key)
    assert what in str(error)
    assert error.fix
    assert "abc" not in str(error)
    assert [one.name for one in known.principals()] == ["alice"]
    assert known.scram_secrets("alice") == before


def test_a_principal_that_is_gone_is_nobody(desk: TokenDesk) -> None:
    """By name, by uid and by token."""
    known = directory(desk, {**ALICE, "tokens": ["env:FIXED"]})
    known.reload(entries(BOB))
    assert known.principal("alice") is None
    assert known.principal_of_uid(1000) is None
    assert known.scram_secrets("alice").verifiers == ()
