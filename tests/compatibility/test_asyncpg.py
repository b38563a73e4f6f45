"""asyncpg as services use it: its pool with reset, introspection, prepared, cursors, LISTEN."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from support.journey import Place

pytestmark = [pytest.mark.journey, pytest.mark.usefixtures("nothing_refused")]


async def test_a_pool_that_resets_its_connections(place: Place) -> None:
    """What the pool sends when a connection comes back is a change of the session, and passes."""
    async with asyncpg.create_pool(min_size=1, max_size=3, **place.asyncpg()) as pool:
        async with pool.acquire() as connection:
            await connection.execute("SET application_name = 'mine'")
        answers = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(30)))
        assert answers == list(range(30))
        async with pool.acquire() as connection:
            assert await connection.fetchval("SHOW application_name") != "mine"


async def test_introspection(place: Place) -> None:
    """It asks the catalogue for enums, composites, domains and arrays of them; all are reads."""
    connection = await asyncpg.connect(**place.asyncpg())
    try:
        row = await connection.fetchrow(
            "SELECT ARRAY['new', 'paid']::status[] AS states, ROW('a', 'b')::place AS one,"
            " ARRAY[ROW('a', 'b')::place] AS several, 'AB-1'::sku AS article,"
            " '[1, 2)'::span AS during"
        )
        assert row["states"] == ["new", "paid"]
        assert tuple(row["several"][0]) == ("a", "b")
        assert row["article"] == "AB-1"
        assert row["during"] == asyncpg.Range(1, 2)
        by_value = "SELECT count(*) FROM orders WHERE state = $1"
        assert await connection.fetchval(by_value, "new") == 20
        await connection.set_type_codec(
            "status", schema="public", encoder=str, decoder=str.upper, format="text"
        )
        assert await connection.fetchval("SELECT 'sent'::status") == "SENT"
        await connection.reload_schema_state()
    finally:
        await connection.close()


async def test_statements_cursors_and_transactions(place: Place) -> None:
    """Prepared statements with attributes and plan, portal cursors, savepoints, batches."""
    connection = await asyncpg.connect(**place.asyncpg())
    try:
        statement = await connection.prepare("SELECT id, total FROM orders WHERE id < $1")
        assert [one.name for one in statement.get_attributes()] == ["id", "total"]
        assert len(await statement.fetch(11)) == 10
        assert (await statement.explain(11))[0]["Plan"]
        async with connection.transaction(isolation="serializable", readonly=True):
            cursor = connection.cursor("SELECT id FROM orders ORDER BY id", prefetch=7)
            assert [row["id"] async for row in cursor] == list(range(1, 61))
        transaction = connection.transaction()
        await transaction.start()
        insert = "INSERT INTO notes (note) VALUES ($1)"
        await connection.executemany(insert, [(f"a{n}",) for n in range(120)])
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with connection.transaction():
                await connection.execute("SELECT 1 / 0")
        like_a = "SELECT count(*) FROM notes WHERE note ~ '^a[0-9]+$'"
        assert await connection.fetchval(like_a) == 120
        await transaction.rollback()
    finally:
        await connection.close()


async def test_listening(place: Place) -> None:
    """What bob tells reaches alice."""
    listener = await asyncpg.connect(**place.asyncpg())
    try:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        await listener.add_listener("news", lambda *told: heard.put_nowait(told))
        bob = {**place.asyncpg(), "user": "bob", "password": place.gateway.tokens["bob"]}
        speaker = await asyncpg.connect(**bob)
        await speaker.execute("NOTIFY news, 'of the day'")
        await speaker.close()
        async with asyncio.timeout(20):
            assert (await heard.get())[2:] == ("news", "of the day")
    finally:
        await listener.close()
