"""SIGHUP: new rules rule the next statement of a live session; a broken file changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psycopg
import pytest
import yaml
from support.event_count import events
from support.gateway import PERMISSIVE, Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway, until

FORBIDS = """
@id("no-updates")
@why("updates wait for the migration")
forbid(principal, action in Action::"sql", resource) when { context.verb == "UPDATE" };
"""
BROKEN = """
@id("no-deletes")
@why("deletes wait")
forbid(principal, action in Action::"sqll", resource);
"""


@pytest.fixture
def gateway(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A gateway with two principals."""
    with (
        own_database(postgres_server) as database,
        running_gateway(
            postgres_server, database=database, groups={"alice": "engineers", "bob": "engineers"}
        ) as made,
    ):
        yield made


def reload(gateway: Gateway, word: str) -> str:
    """SIGHUP, and wait until the diagnostics say what came of it."""
    before = len(gateway.log)
    assert gateway.process is not None
    os.kill(gateway.process.pid, signal.SIGHUP)
    until(lambda: word in gateway.log[before:], f"{word!r} in the diagnostics")
    return gateway.log[before:]


def set_policy(gateway: Gateway, text: str) -> None:
    """Write the policy file."""
    (gateway.config.parent / "policy" / "test.cedar").write_text(text)


def test_a_changed_policy_rules_the_next_statement(gateway: Gateway) -> None:
    """The live session's next UPDATE is refused, its SELECT runs; the activation is an event."""
    with psycopg.connect(gateway.dsn(), autocommit=True) as client:
        client.execute("CREATE TABLE kept (id int)")
        client.execute("UPDATE kept SET id = 1")
        set_policy(gateway, PERMISSIVE + FORBIDS)
        reload(gateway, '"reloaded"')
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="policy does not allow"
        ) as told:
            client.execute("UPDATE kept SET id = 2")
        assert "no-updates" in str(told.value.diag.message_detail)
        assert client.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    kinds = [event.kind for event in events(gateway.state, gateway.keys)]
    assert kinds.count("policy.activated") == 2


def test_a_broken_policy_changes_nothing(gateway: Gateway) -> None:
    """A typo in a forbid: the old version stays, the diagnostics name file, line and rule."""
    set_policy(gateway, PERMISSIVE + FORBIDS)
    reload(gateway, '"reloaded"')
    with psycopg.connect(gateway.dsn(), autocommit=True) as client:
        client.execute("CREATE TABLE kept (id int)")
        set_policy(gateway, PERMISSIVE + BROKEN)
        said = reload(gateway, "not reloaded")
        line = (PERMISSIVE + BROKEN).split("\n").index('@id("no-deletes")') + 1
        assert "test.cedar" in said
        assert any(f"test.cedar:{line + more}:" in said for more in range(4)), said
        assert "no-deletes" in said
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("UPDATE kept SET id = 2")
        client.execute("DELETE FROM kept")
    assert gateway.run("check").returncode != 0


def test_broken_targets_change_nothing(gateway: Gateway) -> None:
    """A wrong key in targets.yaml: named with file and key; sessions still open as before."""
    file = gateway.config.parent / "targets.yaml"
    content = yaml.safe_load(file.read_text())
    content["targets"][0]["hostt"] = "127.0.0.2"
    file.write_text(yaml.safe_dump(content))
    said = reload(gateway, "not reloaded")
    assert "targets.yaml" in said
    assert "hostt" in said
    with psycopg.connect(gateway.dsn(), autocommit=True) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_removed_principal_is_shown_out(gateway: Gateway) -> None:
    """Its live session ends with 57P01 and a new log-in fails; the other's session goes on."""
    with (
        psycopg.connect(gateway.dsn("bob"), autocommit=True) as bob,
        psycopg.connect(gateway.dsn("alice"), autocommit=True) as alice,
    ):
        bob.execute("SELECT 1")
        file = gateway.config.parent / "principals.yaml"
        people = yaml.safe_load(file.read_text())["principals"]
        file.write_text(yaml.safe_dump({"principals": [p for p in people if p["name"] != "bob"]}))
        reload(gateway, '"reloaded"')
        _is_shown_out(bob)
        with pytest.raises(psycopg.OperationalError, match="sign-in refused"):
            psycopg.connect(gateway.dsn("bob"))
        assert alice.execute("SELECT 1").fetchone() == (1,)


def test_a_revoked_token_ends_its_sessions(gateway: Gateway) -> None:
    """Within two seconds the live session is over, and the token signs nobody in any more."""
    listed = gateway.run("tokens", "ls", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    rows = yaml.safe_load(listed.stdout)
    rows = rows if isinstance(rows, list) else rows["tokens"]
    token = next(row for row in rows if row["principal"] == "bob")
    with (
        psycopg.connect(gateway.dsn("bob"), autocommit=True) as bob,
        psycopg.connect(gateway.dsn("alice"), autocommit=True) as alice,
    ):
        bob.execute("SELECT 1")
        revoked = gateway.run("tokens", "revoke", token["id"])
        assert revoked.returncode == 0, revoked.stderr
        assert _is_shown_out(bob) < 2
        with pytest.raises(psycopg.OperationalError, match="sign-in refused"):
            psycopg.connect(gateway.dsn("bob"))
        assert alice.execute("SELECT 1").fetchone() == (1,)


def _is_shown_out(client: psycopg.Connection[tuple[object, ...]]) -> float:
    """The connection ends though its client only listens; the words say why."""
    codes: list[str | None] = []
    # libpq makes a notice of words that come while it waits for nothing
    client.add_notice_handler(lambda said: codes.append(said.sqlstate))

    def gone() -> bool:
        try:
            client.execute("SELECT 1")
        except psycopg.OperationalError as error:
            codes.extend([error.sqlstate] if error.sqlstate else [])
            return True
        return False

    seconds = until(gone, "the end of the session")
    assert codes == ["57P01"]
    return seconds
