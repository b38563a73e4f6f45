"""The whole gateway in one process: started, reloaded, signed into, drained."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from support.gateway import PERMISSIVE
from support.postgres_server import PostgresServer, free_port

from gatekeep.app import Gateway, ready_document, remove_ready, write_ready
from gatekeep.domain.events import SearchQuery
from gatekeep.errors import NotPermitted, SettingsError
from gatekeep.settings import load_settings

DENY_ALL = '@id("nothing") @why("nothing runs here")\nforbid(principal, action in Action::"sql", resource);\n'


@pytest.fixture
def place() -> Any:
    """A short path: the Unix socket needs one."""
    directory = Path(tempfile.mkdtemp(prefix="gk-app-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def configure(place: Path, port: int) -> Path:
    """Settings, one target twice (one of them dead), two principals, a permissive policy."""
    (place / "policy").mkdir()
    (place / "policy" / "rules.cedar").write_text(PERMISSIVE)
    target = {
        "kind": "postgres", "host": "127.0.0.1", "database": "postgres", "tls": "disable",
        "accounts": {"postgres": "env:TARGET_PASSWORD"},
    }  # fmt: skip
    targets = [{"name": "orders", "port": port, **target}, {"name": "dead", "port": free_port(), **target}]
    people = [{"name": name, "person": name, "groups": ["engineers"]} for name in ("alice", "bob")]
    (place / "targets.yaml").write_text(yaml.safe_dump({"targets": targets}))
    (place / "principals.yaml").write_text(yaml.safe_dump({"principals": people}))
    settings = {
        "state_dir": str(place / "state"), "keys_dir": str(place / "keys"),
        "postgres": {"port": 0}, "ssh": {"port": 0}, "http": {"port": 0}, "drain_s": 5.0,
    }  # fmt: skip
    (place / "gatekeep.yaml").write_text(yaml.safe_dump(settings))
    return place / "gatekeep.yaml"


@pytest.fixture
async def gateway(place: Path, postgres_server: PostgresServer) -> AsyncIterator[Gateway]:
    """A gateway that serves, ended afterwards."""
    file = configure(place, postgres_server.port)
    running = await Gateway.start(
        load_settings(file, {}), {"TARGET_PASSWORD": postgres_server.password}
    )
    yield running
    await running.stop()


async def connect(gateway: Gateway, secret: str, **changes: Any) -> psycopg.AsyncConnection[Any]:
    """Sign in through the door as alice."""
    how = {"host": "127.0.0.1", "port": gateway.postgres_port, "user": "alice",
           "dbname": "orders", "password": secret, **changes}  # fmt: skip
    return await psycopg.AsyncConnection.connect(autocommit=True, **how)


async def events(gateway: Gateway, *terms: tuple[str, str]) -> list[dict[str, Any]]:
    """Matching events with their payloads, oldest first."""
    found = await gateway._parts.archive.search(SearchQuery(terms=terms))
    return [{"kind": one.envelope["k"], **(one.payload or {})} for one in reversed(found)]


async def test_a_statement_goes_through_and_is_found(gateway: Gateway) -> None:
    """From a made token to a searched event, in one process."""
    _row, secret = await gateway.make_token("alice", ttl_s=60, note="test")
    connection = await connect(gateway, secret)
    answer = await (await connection.execute("SELECT 40 + 2")).fetchone()
    await connection.close()
    assert answer == (42,)
    (event,) = await events(gateway, ("kind", "action.released"))
    assert event["text"] == "SELECT 40 + 2"


async def test_tokens_made_at_once_are_each_told_once(gateway: Gateway) -> None:
    """Two that make tokens at the same time do not tell the journal of each other's."""
    made = await asyncio.gather(
        *(gateway.make_token("alice", ttl_s=60, note="") for _ in range(5))
    )
    told = [event["token"] for event in await events(gateway, ("kind", "token.made"))]
    assert sorted(told) == sorted(row.id for row, _secret in made)


async def test_only_known_principals_get_tokens(gateway: Gateway) -> None:
    """A token for nobody is refused."""
    with pytest.raises(NotPermitted):
        await gateway.make_token("mallory", ttl_s=None, note="")


async def test_a_target_that_is_down_is_told_and_recorded(gateway: Gateway) -> None:
    """The client reads that it does not answer; the session opens, faults and closes in the log."""
    _row, secret = await gateway.make_token("alice", ttl_s=60, note="")
    with pytest.raises(psycopg.OperationalError, match="gatekeep: dead does not answer"):
        await connect(gateway, secret, dbname="dead")
    kinds = [event["kind"] for event in await events(gateway, ("target", "dead"))]
    assert kinds == ["session.opened", "target.fault", "session.closed"]


async def test_an_unknown_target_is_a_recorded_refusal(gateway: Gateway) -> None:
    """Who is turned away at the door leaves an event."""
    _row, secret = await gateway.make_token("alice", ttl_s=60, note="")
    with pytest.raises(psycopg.OperationalError, match='no target "ordres" for alice'):
        await connect(gateway, secret, dbname="ordres")
    (event,) = await events(gateway, ("kind", "session.refused"))
    assert (event["principal"], event["target"]) == ("alice", "ordres")


async def test_a_start_up_setting_is_a_judged_and_recorded_set(gateway: Gateway) -> None:
    """`options=-c statement_timeout=…` takes effect, and is an action like any other."""
    _row, secret = await gateway.make_token("alice", ttl_s=60, note="")
    connection = await connect(gateway, secret, options="-c statement_timeout=1234")
    shown = await (await connection.execute("SHOW statement_timeout")).fetchone()
    await connection.close()
    assert shown == ("1234ms",)
    (event,) = [
        event
        for event in await events(gateway, ("kind", "action.released"))
        if event["mode"] == "startup"
    ]
    assert event["text"] == "SET statement_timeout TO '1234'"


async def test_a_revoked_token_ends_its_session(gateway: Gateway) -> None:
    """Within a moment of revoking, the live session is told and closed."""
    row, secret = await gateway.make_token("alice", ttl_s=60, note="")
    connection = await connect(gateway, secret)
    await connection.execute("SELECT 1")
    gateway._parts.tokens.revoke(row.id)
    with pytest.raises(psycopg.OperationalError):
        async for _ in connection.notifies(timeout=10):
            pass
    await connection.close()


async def test_a_revoked_token_does_not_wait_for_a_long_statement(gateway: Gateway) -> None:
    """What runs is cancelled, its outcome recorded as that, and the session ends."""
    row, secret = await gateway.make_token("alice", ttl_s=60, note="")
    connection = await connect(gateway, secret)
    running = asyncio.ensure_future(connection.execute("SELECT pg_sleep(60)"))
    while not gateway._parts.gate.tally.allowed:
        await asyncio.sleep(0.01)
    gateway._parts.tokens.revoke(row.id)
    with pytest.raises(psycopg.Error):
        await asyncio.wait_for(running, 20)
    async with asyncio.timeout(10):  # the outcome joins the next group commit
        while not (found := await events(gateway, ("outcome", "cancelled"))):
            await asyncio.sleep(0.01)
    assert [event["text"] for event in found] == ["SELECT pg_sleep(60)"]
    await connection.close()


async def test_a_reload_rules_the_next_statement_and_a_broken_one_changes_nothing(
    gateway: Gateway, place: Path
) -> None:
    """The live session meets the new policy; a typo keeps it, and names file and rule."""
    _row, secret = await gateway.make_token("alice", ttl_s=60, note="")
    connection = await connect(gateway, secret)
    await connection.execute("SELECT 1")
    rules = place / "policy" / "rules.cedar"
    rules.write_text(PERMISSIVE + DENY_ALL)
    told = await gateway.reload()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="nothing"):
        await connection.execute("SELECT 2")
    rules.write_text(PERMISSIVE + DENY_ALL.replace("forbid(", "forbid(principl "))
    with pytest.raises(SettingsError, match=r"rules\.cedar"):
        await gateway.reload()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("SELECT 3")
    await connection.close()
    assert told["policy"].startswith(gateway._parts.desk.version)


@pytest.mark.parametrize("changed", ["groups", "place"])
async def test_a_reload_ends_sessions_let_in_on_other_terms(
    gateway: Gateway, place: Path, changed: str
) -> None:
    """Who left a group, or whose target is another place now, signs in anew; others stay."""
    secrets = {who: (await gateway.make_token(who, ttl_s=60, note=""))[1] for who in ("alice", "bob")}
    alice = await connect(gateway, secrets["alice"])
    bob = await connect(gateway, secrets["bob"], user="bob")
    for connection in (alice, bob):
        await connection.execute("SELECT 1")
    file = place / ("principals.yaml" if changed == "groups" else "targets.yaml")
    document = yaml.safe_load(file.read_text())
    if changed == "groups":
        document["principals"][0]["groups"] = ["guests"]
    else:
        document["targets"][0]["environment"] = "prod"
        document["targets"][0]["accounts"]["other"] = "env:TARGET_PASSWORD"
    file.write_text(yaml.safe_dump(document))
    await gateway.reload()
    for connection in (alice,) if changed == "groups" else (alice, bob):
        with pytest.raises(psycopg.OperationalError):
            async for _ in connection.notifies(timeout=10):
                pass
    if changed == "groups":
        await bob.execute("SELECT 2")
    await alice.close()
    await bob.close()


async def test_the_ready_file_is_private_whole_and_taken_away(
    gateway: Gateway, tmp_path: Path
) -> None:
    """Scripts find door, health and socket in it."""
    path = tmp_path / "ready.json"
    document = ready_document(gateway)
    assert document["doors"]["postgres"]["port"] == gateway.postgres_port
    assert Path(document["socket"]).exists()
    write_ready(path, document)
    assert path.stat().st_mode & 0o777 == 0o600
    remove_ready(path)
    assert not path.exists()
    remove_ready(path)
