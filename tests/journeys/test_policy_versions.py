"""A policy's life with a real gateway and the real command line: diff, apply, held, history, export."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.event_count import events
from support.gateway import PERMISSIVE, Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway, until

NO_UPDATES = """
@id("no-updates")
@why("updates wait for the migration")
forbid(principal, action in Action::"sql", resource) when { context.verb == "UPDATE" };
"""


@pytest.fixture
def gateway(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A gateway that wants two people for loosening, as it does by default."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as made,
    ):
        yield made


def write(gateway: Gateway, text: str) -> None:
    """Edit the policy on disk, and keep it over restarts."""
    gateway.policy = text
    (gateway.config.parent / "policy" / "test.cedar").write_text(text)


def test_the_life_of_a_policy(gateway: Gateway, tmp_path: Path) -> None:
    """Stricter by apply; looser neither by apply, signal nor restart; back to files, same digest."""
    write(gateway, PERMISSIVE + NO_UPDATES)
    told = gateway.run("policy", "diff")
    assert "+ forbid no-updates" in told.stdout, told.stderr
    assert "tightens: every change is proven stricter" in told.stdout
    told = gateway.run("policy", "apply", "--reason", "the migration comes first")
    assert told.returncode == 0, told.stderr
    _no_update_passes(gateway)

    write(
        gateway,
        PERMISSIVE + NO_UPDATES + NO_UPDATES.replace("updates", "typos").replace("verb", "verbb"),
    )
    told = gateway.run("policy", "apply")
    assert told.returncode == 8
    line = (PERMISSIVE + NO_UPDATES).count("\n") + 2
    assert f"test.cedar:{line}: rule no-typos: " in told.stderr, told.stderr
    _no_update_passes(gateway)

    write(gateway, PERMISSIVE)
    told = gateway.run("policy", "apply")
    assert told.returncode == 3
    assert "removed forbid no-updates" in told.stderr
    assert "policy.single_person" in told.stderr
    assert gateway.process is not None
    before = len(gateway.log)
    os.kill(gateway.process.pid, signal.SIGHUP)
    until(lambda: '"reloaded"' in gateway.log[before:], "the reload")
    assert "were not loaded: two people must agree" in gateway.log[before:]
    _no_update_passes(gateway)
    assert gateway.stop() == 0
    gateway.start()
    _no_update_passes(gateway)

    told = gateway.run("policy", "history", "-o", "json")
    versions = json.loads(told.stdout)["versions"]
    assert [(one["state"], one["via"]) for one in versions] == [
        ("held", "apply"), ("active", "apply"), ("before", "start"),
    ]  # fmt: skip
    assert versions[1]["reason"] == "the migration comes first"
    for one, text in ((versions[1], PERMISSIVE + NO_UPDATES), (versions[2], PERMISSIVE)):
        place = tmp_path / one["digest"][:7]
        told = gateway.run("policy", "export", one["digest"][:7], "--to", str(place))
        assert told.returncode == 0, told.stderr
        assert (place / "test.cedar").read_text() == text
    same = gateway.run(
        "policy",
        "diff",
        versions[1]["digest"][:7],
        str(tmp_path / versions[1]["digest"][:7]),
        "-o",
        "json",
    )
    document = json.loads(same.stdout)
    assert document["old"] == document["new"] == versions[1]["digest"]

    kinds = [event.kind for event in events(gateway.state, gateway.keys)]
    assert (kinds.count("policy.activated"), kinds.count("policy.held")) == (2, 1)
    assert gateway.stop() == 0
    assert gateway.verify().returncode in (0, 3)


def _no_update_passes(gateway: Gateway) -> None:
    with psycopg.connect(gateway.dsn(), autocommit=True) as client:
        client.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("UPDATE kept SET id = 1")
