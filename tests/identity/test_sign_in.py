"""A token proves its principal in a whole SCRAM exchange, as the wire room plays it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.events import EventKind
from gatekeep.errors import ClientFault
from gatekeep.gate.ports import ScramSecrets
from gatekeep.identity.directory import EmbeddedDirectory
from gatekeep.identity.principals import principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.tokens import TokenDesk
from gatekeep.protocols.postgres.scram import ClientExchange, ServerExchange, salted_password
from gatekeep.stores.sqlite.state import StateStore


def sign_in(secrets: ScramSecrets, password: str) -> str:
    """The id of the token that the password proves. Raises ClientFault."""
    ours = ServerExchange(
        salt=secrets.salt,
        iterations=secrets.iterations,
        verifiers=[(one.stored_key, one.server_key) for one in secrets.verifiers],
        nonce=os.urandom(18),
    )
    client = ClientExchange(ours.mechanisms, nonce=os.urandom(18))
    client.challenge(ours.first(client.mechanism, client.first()))
    found, answer = ours.final(
        client.proof(salted_password(password, client.salt, client.iterations))
    )
    client.verify(answer)
    assert client.verified
    return secrets.verifiers[found].token_id


def test_each_live_token_signs_in_and_no_other_secret_does(tmp_path: Path) -> None:
    """All tokens of a principal are tried against one proof; each side proves itself."""
    store = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    desk = TokenDesk(store, MovedClock())
    entries = principals_of({"principals": [{"name": "alice"}, {"name": "bob"}]}, "p.yaml")
    directory = EmbeddedDirectory(entries, desk, SecretReader({}), owner_uid=0)
    made = [desk.make("alice", ttl_s=None, note="") for _ in range(8)]
    for row, _ in made:
        desk.settle(row.id, EventKind.TOKEN_MADE)
    for row, secret in made:
        assert sign_in(directory.scram_secrets("alice"), secret) == row.id
        with pytest.raises(ClientFault):
            sign_in(directory.scram_secrets("bob"), secret)
        with pytest.raises(ClientFault):
            sign_in(directory.scram_secrets("mallory"), secret)
    with pytest.raises(ClientFault):
        sign_in(directory.scram_secrets("alice"), made[0][1][:-1])
    desk.revoke(made[3][0].id)
    with pytest.raises(ClientFault):
        sign_in(directory.scram_secrets("alice"), made[3][1])
    assert sign_in(directory.scram_secrets("alice"), made[4][1]) == made[4][0].id
    store.close()
