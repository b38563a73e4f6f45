"""What real psql shows of a statement that waits, to the letter; and what JDBC tells a program of it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator

import psycopg
import pytest
from support.asking_gateway import Asking, asking_gateway, until
from support.client_tools import CLIENTS, jdbc_driver
from support.held_ways import Psql
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.gate.approval_values import Limits

pytestmark = pytest.mark.journey

NOT_SENT = "The statement was not sent; like any error, this one fails an open transaction."
_WHOLE = re.compile(r"^CONTEXT:  .*\n", re.MULTILINE)
_PROMPT = re.compile(r"[*!?]?> $")
HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\u202egnp\u200b\n\r" + "y" * 10_000
SHOWN = r"\x1b]52;c;aGk=\x07\x1b[2J\u202egnp\u200b\x0a\x0d"


@pytest.fixture
def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with three customers, and one whose statistics are known."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers AS SELECT g AS id FROM generate_series(1, 5000) g")
            direct.execute("ANALYZE customers")
        yield name


@pytest.fixture
async def asking(postgres_server: PostgresServer, database: str) -> AsyncIterator[Asking]:
    """The gateway before it."""
    async with asking_gateway(postgres_server, database=database) as made:
        yield made


@pytest.fixture
async def psql(asking: Asking) -> AsyncIterator[Psql]:
    """A psql 18 as a person has it, but that it always shows CONTEXT."""
    way = Psql("simple", "VERBOSITY=default", "SHOW_CONTEXT=always")
    await way.open(asking)
    yield way
    way._process.kill()
    await way._process.wait()
    asyncio.get_running_loop().remove_reader(way._terminal)
    os.close(way._terminal)


class Held:
    """A statement that was typed and waits."""

    def __init__(self, asking: Asking, psql: Psql, text: str) -> None:
        self._psql = psql
        self._asking = asking
        psql.seen = ""  # what was shown before is not of this one
        self.began = asyncio.get_running_loop().time()
        self.typed = asyncio.ensure_future(psql._typed(f"{text};"))
        self.request: ApprovalRequest

    async def told(self) -> float:
        """Seconds until the notice stood there whole."""
        # A busy machine may not ask for the time at once, so it is asked more often than `until` does.
        while not _WHOLE.search(self._psql.seen):
            await asyncio.sleep(0.001)
            assert asyncio.get_running_loop().time() - self.began < 20
        took = asyncio.get_running_loop().time() - self.began
        (self.request,) = await self._asking.asked()
        return took

    def waiting(self, rows: str, long: str, what: str = "DELETE without WHERE") -> str:
        """The notice, as designed."""
        at = f"http://localhost:{self._asking.gateway.http_port}/r/{self.request.id}"
        return (
            f"NOTICE:  gatekeep: waiting for approval by dba (bob or carol), request {self.request.id}\n"
            f"DETAIL:  {what} on public.customers, {rows}. Asked by rule writes-need-dba. {long}\n"
            f"HINT:  Nothing has been sent to orders yet. Ctrl-C withdraws the request. {at}\n"
            f"CONTEXT:  {self.context}\n"
        )

    @property
    def context(self) -> str:
        """For programs."""
        place = self.request.place
        return (
            f"request {self.request.id}, rule writes-need-dba, policy {self.request.why.policy[:7]},"
            f" session {place.session_code}"
        )

    def ended(self, primary: str, detail: str, hint: str) -> str:
        """The error."""
        hinted = f"HINT:  {hint}\n" if hint else ""
        return f"ERROR:  {primary}\nDETAIL:  {detail}\n{hinted}CONTEXT:  {self.context}\n"

    async def shown(self) -> str:
        """All that psql has shown in the end, but what the test itself had it print."""
        return _PROMPT.sub("", (await self.typed).partition("end of ")[0])


async def test_the_notice_is_there_at_once_and_says_everything(asking: Asking, psql: Psql) -> None:
    """Within 200 ms: who may decide, what, how many rows, which rule, how long, and where; taken back by Ctrl-C."""
    rows, late = "about 5,000 rows of 5,000, no index", []
    # A busy machine is late, or has not looked in time, now and then; but not thirty times.
    while len(late) < 30:
        held = Held(asking, psql, "DELETE FROM customers")
        took = await held.told()
        told = psql.seen
        await psql.cancel()
        end = held.ended(
            "canceling statement due to user request",
            f"Request {held.request.id} was withdrawn. Nothing was sent to orders.", "",
        )  # fmt: skip
        shown = await held.shown()
        assert shown.removeprefix(told).replace("Cancel request sent\n", "") == end
        if took < 0.2 and told == held.waiting(rows, "Open for 15 min."):
            return
        late.append((took, told))
    raise AssertionError(late)


async def test_the_words_of_a_yes(asking: Asking, psql: Psql) -> None:
    """That it is approved and runs now, and then the target's own answer."""
    held = Held(asking, psql, "DELETE FROM customers WHERE id = 1")
    await held.told()
    await asking.vote(held.request)
    shown = await held.shown()
    assert shown.endswith(
        f"NOTICE:  gatekeep: bob approved request {held.request.id}, running it now\n"
        f"CONTEXT:  {held.context}\nDELETE 1\n"
    )


async def test_the_words_of_a_no(asking: Asking, psql: Psql) -> None:
    """Who, why, what was not done; whatever the reason holds, it is printable and cut."""
    held = Held(asking, psql, "DELETE FROM customers")
    await held.told()
    await asking.vote(held.request, deny=HOSTILE)
    shown = await held.shown()
    reason = SHOWN + "y" * (200 - len(SHOWN)) + "…"
    assert shown.endswith(
        held.ended(
            f"gatekeep: bob denied request {held.request.id}", f"Reason: {reason}.",
            f"{NOT_SENT} Talk to bob, or change it and send it again.",
        )
    )  # fmt: skip
    assert shown.replace("\n", "").isprintable()


async def test_the_words_of_an_open_transaction_and_of_nobody(asking: Asking, psql: Psql) -> None:
    """It waits for less, because others wait for its locks; and then nobody has answered."""
    asking.approvals.desk.limits = Limits(in_transaction_s=2)
    await psql.run("BEGIN")
    await psql.run("SELECT count(*) FROM customers")
    held = Held(asking, psql, "DELETE FROM customers")
    await held.told()
    only = "Your open transaction holds locks on 1 table, so this stays open for 2 s only."
    assert f"Asked by rule writes-need-dba. {only}\n" in psql.seen
    shown = await held.shown()
    assert shown.endswith(
        held.ended(
            f"gatekeep: nobody answered request {held.request.id} in 2 s", "Asked: bob, carol.",
            f"{NOT_SENT} Send it again, or ask ahead of time: gatekeep request new",
        )
    )  # fmt: skip


async def test_the_words_of_a_change_meanwhile(
    asking: Asking, psql: Psql, postgres_server: PostgresServer
) -> None:
    """The server's own settings were loaded anew while it waited, and times are read otherwise now."""
    held = Held(asking, psql, "DELETE FROM customers")
    await held.told()
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET timezone = 'Asia/Kolkata'")
        try:
            admin.execute("SELECT pg_reload_conf()")
            (session,) = asking.gateway._parts.sessions._running
            await until(
                lambda: session._holds.current._talk.reported.get("TimeZone") == "Asia/Kolkata", "it is told"
            )
        finally:
            admin.execute("ALTER SYSTEM RESET timezone")
            admin.execute("SELECT pg_reload_conf()")
        await asking.vote(held.request)
    shown = await held.shown()
    assert shown.endswith(
        held.ended(
            f"gatekeep: the approval of request {held.request.id} no longer fits",
            "TimeZone changed after the question was asked.",
            f"{NOT_SENT} Send the statement again to ask anew.",
        )
    )  # fmt: skip


async def test_the_words_of_a_restart(asking: Asking, psql: Psql) -> None:
    """The request is withdrawn, by name, and the connection ends."""
    held = Held(asking, psql, "DELETE FROM customers")
    await held.told()
    asking.gateway._parts.sessions.drain()
    said = (
        f"FATAL:  gatekeep: the gateway is restarting, request {held.request.id} was withdrawn\n"
        "DETAIL:  Nothing was sent.\nHINT:  Connect again and repeat the statement.\n"
    )
    await until(lambda: said in psql.seen, said)
    held.typed.cancel()


async def test_jdbc_tells_programs_state_and_context(asking: Asking) -> None:
    """Notice and error have their SQLSTATE, and in `getWhere` request, rule, policy and session."""
    child = await asyncio.create_subprocess_exec(
        "java", "-XX:TieredStopAtLevel=1", "-cp", str(jdbc_driver()), str(CLIENTS / "Held.java"),
        f"jdbc:postgresql://127.0.0.1:{asking.gateway.postgres_port}/orders?sslmode=disable", "alice",
        asking.secrets["alice"], "DELETE FROM customers", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await until(lambda: asking.approvals.desk._open, "it waits", 60)
    (request,) = await asking.asked()
    await asking.vote(request, deny="run it on the replica first")
    out, _ = await asyncio.wait_for(child.communicate(), 60)
    said = out.decode().splitlines()
    context = (
        f"request {request.id}, rule writes-need-dba, policy {request.why.policy[:7]},"
        f" session {request.place.session_code}"
    )
    assert said[:2] == [
        "notice 00000", f"gatekeep: waiting for approval by dba (bob or carol), request {request.id}",
    ]  # fmt: skip
    assert said[4] == context
    assert said[5:] == [
        "error 42501", f"gatekeep: bob denied request {request.id}",
        "Reason: run it on the replica first.",
        f"{NOT_SENT} Talk to bob, or change it and send it again.", context,
    ]  # fmt: skip
