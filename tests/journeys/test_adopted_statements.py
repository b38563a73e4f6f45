"""Adopted rules before a real PostgreSQL: what they let pass runs unasked, samples of it wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from support.adopted_rules import RULE, adopted, deletions, drawn
from support.asking_gateway import ASKING, Asking, asking_gateway, until
from support.postgres_server import PostgresServer, wheel_binaries
from support.running_gateway import own_database

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.events import SearchQuery
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.gate.sampling_ports import DrawKind

pytestmark = pytest.mark.journey

TEMPLATE = "delete from customers where id = $1:int"
VALUES = range(1, 60)
LIKE = [Likeness(TEMPLATE, (LikeSlot("int", str(value)),)) for value in VALUES]


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with a hundred customers."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")
            direct.execute("INSERT INTO customers SELECT g, 'a' FROM generate_series(1, 100) g")
        yield name


@pytest.fixture
async def asking(postgres_server: PostgresServer, database: str) -> AsyncIterator[Asking]:
    """The gateway before it; engineers may delete one of 59 customers, each by number."""
    scope = deletions(TEMPLATE, [*map(str, VALUES)], database, "customers", "public.customers")
    policy = adopted(ASKING, scope, "writes-need-dba")
    async with asking_gateway(postgres_server, database=database, policy=policy) as made:
        yield made


def deletion(asking: Asking, kind: DrawKind = DrawKind.PASS) -> str:
    """A statement of which this is drawn today, on a rule that is long in force."""
    value = VALUES[drawn(asking.approvals.sampler, LIKE, kind)]
    return f"DELETE FROM customers WHERE id = {value}"  # noqa: S608 - a number of ours


async def events(asking: Asking, kind: str) -> list[dict[str, Any]]:
    """Payloads of this kind about deletions, oldest first."""
    found = await asking.gateway._parts.archive.search(SearchQuery(terms=(("kind", kind),)))
    payloads = [one.payload or {} for one in reversed(found)]
    return [one for one in payloads if one.get("verb") == "DELETE"]


async def psql(asking: Asking, *texts: str) -> tuple[int, str, str]:
    """Status, output and errors of psql with these statements, one after the other."""
    commands = [word for text in texts for word in ("-c", text)]
    process = await asyncio.create_subprocess_exec(
        str(wheel_binaries() / "psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1", *commands, asking.dsn(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, out.decode(), err.decode()


async def test_what_a_rule_lets_pass_runs_unasked(asking: Asking) -> None:
    """Plain psql sees nothing but its answer; no request; the event names the rule that let it out."""
    assert await psql(asking, deletion(asking)) == (0, "DELETE 1\n", "")
    assert not await asking.approvals.front.requests()
    (told,) = await events(asking, "action.released")
    approval = told["request"]["approval"]
    assert (approval["kind"], approval["grant"], approval["groups"]) == ("adopted", RULE, ["dba"])
    assert not {"approval", "sample"} & set(told)
    assert not await events(asking, "action.requested")


async def test_bound_values_pass_only_where_the_rule_names_them(asking: Asking) -> None:
    """What was adopted of written values is no leave for bound ones: people are asked."""
    deletion(asking)
    await waits(asking, "DELETE FROM customers WHERE id = %s", [7])


async def test_a_sample_waits_as_anything_else_does(asking: Asking) -> None:
    """The request says of which rule it is a sample, and so does each event; then it passes that day."""
    text = deletion(asking, DrawKind.HELD)
    request = await waits(asking, text)
    assert request.subject.facts["sample"] == RULE
    for kind in ("action.requested", "action.released"):
        assert [one["sample"] for one in await events(asking, kind)] == [RULE]
    assert await psql(asking, text) == (0, "DELETE 0\n", "")


async def test_what_is_looked_at_afterwards_runs_at_once(asking: Asking) -> None:
    """And whoever listens hears of its event, by whom and what it was."""
    heard: list[tuple[Any, ...]] = []
    asking.approvals.sampler.on_after = lambda *said: heard.append(said)
    text = deletion(asking, DrawKind.AFTER)
    assert await psql(asking, text) == (0, "DELETE 1\n", "")
    ((rule, n, session, shown),) = heard
    assert (rule, session.principal.name, shown) == (RULE, "alice", text)
    query = SearchQuery(terms=(("kind", "action.released"),))
    (found,) = [one for one in await asking.gateway._parts.archive.search(query) if one.n == n]
    assert (found.payload or {})["text"] == text


async def test_without_the_state_of_its_rule_all_of_it_waits(asking: Asking) -> None:
    """As after a start, until the loop has told what is in force."""
    request = await waits(asking, "DELETE FROM customers WHERE id = 1")
    assert request.subject.facts["sample"] == RULE


@pytest.mark.parametrize(
    "before",
    [
        "SET search_path = pg_temp, public", "SET TimeZone = 'Asia/Tokyo'", "SET DateStyle = 'SQL, DMY'",
        "SET row_security = off", "CREATE TEMP TABLE x (id int)", "SET ROLE postgres",
        "SET app.tenant = '7'", "SELECT set_config('app.tenant', '7', false)",
        "SET transform_null_equals = on", "SET xmloption = 'document'", "RESET app.tenant",
    ],
)  # fmt: skip
async def test_a_session_that_was_changed_has_no_leave(asking: Asking, before: str) -> None:
    """Whatever decides how a statement is read must be as it was at the start."""
    async with await asking.connect() as connection:
        changing = asyncio.ensure_future(connection.execute(before))
        if before.startswith("CREATE"):
            (request,) = await asking.asked()
            await asking.vote(request)
        await changing
        await waits(asking, deletion(asking), connection=connection)


@pytest.mark.parametrize(
    "option",
    [
        "TimeZone=Asia/Tokyo", "DateStyle=SQL", "search_path=public", "app.tenant=7",
        "xmloption=document", "transform_null_equals=on",
    ],
)  # fmt: skip
async def test_a_session_that_began_otherwise_has_no_leave(asking: Asking, option: str) -> None:
    """Chosen as the client connected, it decides as much as what is set later."""
    async with await asking.connect(options=f"-c {option}") as connection:
        await waits(asking, deletion(asking), connection=connection)


async def test_a_setting_that_turns_nothing_takes_no_leave(asking: Asking) -> None:
    """How long a statement may run, and what a program is called, say nothing of what it does."""
    options = "-c statement_timeout=60000 -c application_name=x"
    async with await asking.connect(options=options) as connection:
        await connection.execute("SET lock_timeout = '5s'")
        await connection.execute("SELECT set_config('application_name', 'y', false)")
        await connection.execute("RESET ALL")
        await connection.execute(deletion(asking))
    assert not await asking.approvals.front.requests()


@pytest.mark.parametrize("before", ["SET app.tenant = '7'", "SET TimeZone = 'Asia/Tokyo'"])
async def test_a_setting_in_the_same_pipeline_has_no_leave(asking: Asking, before: str) -> None:
    """What stands in front of it counts, though the target has not been told of it yet."""
    text = deletion(asking)

    async def both(connection: Any) -> None:
        async with connection.pipeline():
            await connection.execute(before)
            await connection.execute(text)

    async with await asking.connect() as connection:
        running = asyncio.ensure_future(both(connection))
        (request,) = await asking.asked()
        assert "sample" not in request.subject.facts
        await asking.vote(request)
        await running


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM customers WHERE id = 60", "DELETE FROM customers WHERE id > 1",
        "DELETE FROM customers", "DELETE FROM customers WHERE id = 1 OR true",
        "DELETE FROM ONLY customers WHERE id = 1", "UPDATE customers SET name = 'x' WHERE id = 1",
    ],
)  # fmt: skip
async def test_a_neighbour_waits(asking: Asking, text: str) -> None:
    """Another value, another comparison, another statement."""
    deletion(asking)
    request = await waits(asking, text)
    assert "sample" not in request.subject.facts


async def test_several_statements_of_one_query_wait(asking: Asking) -> None:
    """A Query of two has no likeness; two Queries have one each."""
    one = deletion(asking)
    await waits(asking, f"{one}; {one}")


async def waits(
    asking: Asking, text: str, values: Any = None, *, connection: Any = None
) -> ApprovalRequest:
    """The request that this statement waits for; it is approved, and runs."""
    if connection is None:
        async with await asking.connect() as made:
            return await waits(asking, text, values, connection=made)
    before = {one.id for one in await asking.approvals.front.requests()}
    running = asyncio.ensure_future(connection.execute(text, values))
    found: list[ApprovalRequest] = []

    async def asked() -> bool:
        assert not running.done(), running.result()
        kept = await asking.approvals.front.requests()
        found[:] = [one for one in kept if one.id not in before]
        return bool(found)

    await until(asked, "it waits")
    await asking.vote(found[0])
    await running
    return found[0]
