"""One port for pages, API and health of a running gateway; a held statement is released from a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import psycopg
import pytest
from argon2 import PasswordHasher
from support.asking_gateway import ASKING, PEOPLE, Asking, asking_gateway, until
from support.plain_browser import PlainBrowser
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.events import EventKind
from gatekeep.gate.ports import SearchQuery
from gatekeep.messages import sight

PASSWORD = "correct horse battery"  # noqa: S105 - of people who are not


@pytest.fixture
async def asking(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Asking]:
    """A gateway whose people have passwords, before a database with three customers."""
    line = tmp_path / "password"
    line.touch(mode=0o600)
    line.write_text(PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1).hash(PASSWORD))
    people = [{**one, "password": f"file:{line}"} for one in PEOPLE]
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")
            direct.execute("INSERT INTO customers VALUES (1, 'a'), (2, 'b'), (3, 'c')")
            direct.execute("ANALYZE customers")
        async with asking_gateway(postgres_server, database=name, policy=ASKING, people=people) as made:
            yield made


SignIn = Callable[[str], Awaitable[PlainBrowser]]


@pytest.fixture
async def signed_in(asking: Asking) -> AsyncIterator[SignIn]:
    """Signs people in, each with a browser of their own."""
    opened: list[PlainBrowser] = []

    async def sign_in(name: str) -> PlainBrowser:
        browser = PlainBrowser(f"http://localhost:{asking.gateway.http_port}")
        opened.append(browser)
        await browser.get("/sign-in")
        await browser.press("Sign in", name=name, password=PASSWORD)
        assert browser.now.path == "/inbox", browser.now.text
        return browser

    yield sign_in
    for browser in opened:
        await browser.close()


async def test_a_held_statement_is_released_from_its_page(asking: Asking, signed_in: SignIn) -> None:
    """The client waits in psql, bob finds it in his inbox, reads it whole, approves: exactly it runs."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers WHERE id = 1"))
    (request,) = await asking.asked()
    bob = await signed_in("bob")
    assert request.id in bob.now.words
    await bob.get(f"/r/{request.id}")
    assert "DELETE FROM customers WHERE id = 1" in bob.now.words

    async def seen() -> bool:
        found = await asking.approvals.front.request(request.id)
        return bool(sight.rows(found.sight))

    # A busy machine may not find it out in time, and says that instead.
    await until(seen, "what it would touch is found out, or not")
    found = await asking.approvals.front.request(request.id)
    assert sight.rows(found.sight) in (await bob.get(f"/r/{request.id}")).words
    shown = await bob.press("Approve and run once", reason="agreed")
    assert "● bob approved it (once)" in shown.words
    assert (await running).rowcount == 1
    kinds = [one["kind"] for one in await asking.told(request.id)]
    assert {"approval.requested", "approval.voted", "approval.decided"} <= set(kinds)
    await connection.close()


async def test_a_template_with_its_value_freed(asking: Asking, signed_in: SignIn) -> None:
    """Leave for the template, the id free: the next id runs unasked, until the grant is revoked from its page."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers WHERE id = 1"))
    (request,) = await asking.asked()
    carol = await signed_in("carol")
    await carol.get(f"/r/{request.id}")
    press = "Approve and run, and this template for 30 min"
    await carol.press(press, scope="template", free_1=True)
    assert (await running).rowcount == 1
    assert (await connection.execute("DELETE FROM customers WHERE id = 2")).rowcount == 1
    (grant,) = await asking.approvals.front.grants()
    shown = await carol.get("/grants")
    assert grant.id in shown.words
    await carol.press(f"Revoke {grant.id}")
    with pytest.raises(psycopg.OperationalError, match="revoked"):
        await connection.execute("DELETE FROM customers WHERE id = 3")


async def test_signing_in_is_an_event(asking: Asking, signed_in: SignIn) -> None:
    """Who signed in, how and from where is in the log; so is who failed, folded."""
    bob = await signed_in("bob")
    await bob.get("/sign-out")
    await bob.press("Sign out")
    await bob.press("Sign in", name="bob", password=PASSWORD[::-1])
    parts = asking.gateway._parts
    parts.folds.flush(everything=True)
    behind = parts.journal.append(parts.journal.system, EventKind.LOG_HEARTBEAT, b"{}")
    await behind.durable()  # what was folded stands before it
    found = await parts.archive.search(SearchQuery(terms=(("kind", "auth.*"),)))
    failed, succeeded = ({"kind": one.envelope["k"], **(one.payload or {})} for one in found)
    assert (succeeded["kind"], succeeded["principal"], succeeded["via"]) == ("auth.succeeded", "bob", "web")  # fmt: skip
    assert (failed["kind"], failed["principal"], failed["cause"]) == ("auth.failed", "bob", "wrong password")  # fmt: skip


async def test_a_reload_changes_passwords(
    asking: Asking, signed_in: SignIn, tmp_path: Path
) -> None:
    """A line that was replaced ends sign-ins at the next request; one that is broken changes nothing."""
    bob = await signed_in("bob")
    (tmp_path / "password").write_text("broken")
    with pytest.raises(Exception, match="no argon2id hash line"):
        await asking.gateway.reload()
    assert (await bob.get("/inbox")).path == "/inbox"
    other = PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1).hash("another one entirely")
    (tmp_path / "password").write_text(other)
    await asking.gateway.reload()
    assert (await bob.get("/inbox")).path.startswith("/sign-in")


async def test_the_api_is_on_the_same_port(asking: Asking, signed_in: SignIn) -> None:
    """With a token the API answers under /api; without, or to a page's cookie, it does not; health asks for nothing."""
    bob = await signed_in("bob")
    base = f"http://127.0.0.1:{asking.gateway.http_port}"
    async with aiohttp.ClientSession(base) as http:
        token = {"Authorization": f"Bearer {asking.secrets['alice']}"}
        answer = await (await http.get("/api/v1/whoami", headers=token)).json()
        assert answer["principal"]["name"] == "alice"
        cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in bob.cookies.items())}
        assert (await http.get("/api/v1/whoami", headers=cookie)).status == 401
        assert (await http.get("/inbox", headers=token, allow_redirects=False)).status == 303
        assert (await http.get("/healthz")).status == 200
        assert (await http.get("/readyz")).status in {200, 503}
