"""What a failed sign-in costs says nothing of who there is: medians over a thousand tries."""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path

import pytest
from support.clock import MovedClock

from gatekeep.domain.events import EventKind
from gatekeep.errors import ClientFault
from gatekeep.identity.directory import EmbeddedDirectory
from gatekeep.identity.principals import principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.tokens import TokenDesk
from gatekeep.protocols.postgres.scram import ClientExchange, ServerExchange, salted_password
from gatekeep.stores.sqlite.state import StateStore

TRIES = 1_000
APART = 0.15


@pytest.mark.soak
def test_known_and_unknown_names_take_the_same_time(tmp_path: Path) -> None:
    """One with eight tokens, one with none and one that nobody is: medians within 15 %."""
    store = StateStore.open(tmp_path / "state.db", bytes(32), MovedClock())
    desk = TokenDesk(store, MovedClock())
    entries = principals_of({"principals": [{"name": "alice"}, {"name": "bob"}]}, "p.yaml")
    directory = EmbeddedDirectory(entries, desk, SecretReader({}), owner_uid=0)
    for _ in range(8):
        desk.settle(desk.make("alice", ttl_s=None, note="")[0].id, EventKind.TOKEN_MADE)
    took: dict[str, list[int]] = {"alice": [], "bob": [], "mallory": []}
    salted = {
        name: salted_password("gk_wrong", secrets.salt, secrets.iterations)
        for name in took
        for secrets in [directory.scram_secrets(name)]
    }
    order, draw = list(took), random.Random(5)
    for _ in range(TRIES):
        draw.shuffle(order)
        for name in order:
            took[name].append(_failed_try(directory, name, salted[name]))
    store.close()
    medians = [statistics.median(times) for times in took.values()]
    assert max(medians) <= min(medians) * (1 + APART), medians


def _failed_try(directory: EmbeddedDirectory, name: str, salted: bytes) -> int:
    """Nanoseconds that the gateway spends on a wrong proof; the client's own work is left out."""
    client = ClientExchange(["SCRAM-SHA-256"], nonce=os.urandom(18))
    first = client.first()
    begun = time.perf_counter_ns()
    secrets = directory.scram_secrets(name)
    ours = ServerExchange(
        salt=secrets.salt,
        iterations=secrets.iterations,
        verifiers=[(one.stored_key, one.server_key) for one in secrets.verifiers],
        nonce=bytes(18),
    )
    challenge = ours.first(client.mechanism, first)
    spent = time.perf_counter_ns() - begun
    client.challenge(challenge)
    proof = client.proof(salted)
    begun = time.perf_counter_ns()
    with pytest.raises(ClientFault):
        ours.final(proof)
    return spent + time.perf_counter_ns() - begun
