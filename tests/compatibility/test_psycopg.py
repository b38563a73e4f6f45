"""psycopg 3 as programs use it: sync, async, pipeline, binary, prepared, server-side cursors."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.json import Jsonb
from support.journey import Place

pytestmark = [pytest.mark.journey, pytest.mark.usefixtures("nothing_refused")]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_types_and_parameters(place: Place, *, binary: bool) -> None:
    """Values of many types go there and back in both formats."""
    values = [7, 2.5, Decimal("1.10"), "ü", date(2026, 11, 27), [1, 2], None, True, b"\x00\xff"]
    with place.connect() as connection, connection.cursor(binary=binary) as cursor:
        cursor.execute(
            "SELECT %s::int, %s::float8, %s::numeric, %s::text, %s::date, %s::int[], %s::text,"
            " %s::bool, %s::bytea",
            values,
        )
        assert list(cursor.fetchone() or ()) == values
        cursor.execute("SELECT id FROM customers WHERE data @> %s", [Jsonb({"vip": True})])
        assert cursor.fetchall() == [(2,)]


def test_its_look_up_of_user_types(place: Place) -> None:
    """An enum and a composite are looked up in the catalogue and read as objects."""
    with place.connect() as connection:
        status = EnumInfo.fetch(connection, "status")
        home = CompositeInfo.fetch(connection, "place")
        assert status is not None
        assert home is not None
        register_enum(status, connection)
        register_composite(home, connection)
        row = connection.execute(
            "SELECT home, 'paid'::status FROM customers WHERE id = 1"
        ).fetchone()
        assert row is not None
        assert row[0].town == "London"
        assert row[1].name == "paid"


@pytest.mark.parametrize("threshold", [0, 2, None], ids=["at once", "after two", "never"])
def test_prepared_statements(place: Place, threshold: int | None) -> None:
    """However soon it prepares, the answers are the same."""
    with place.connect(prepare_threshold=threshold) as connection:
        for n in range(1, 9):
            row = connection.execute("SELECT id FROM orders WHERE id = %s", [n]).fetchone()
            assert row == (n,)
        assert len(connection.execute("SELECT * FROM orders WHERE id < %s", [5]).fetchall()) == 4


def test_pipeline(place: Place) -> None:
    """A pipeline of reads and writes with an error in it: what follows the error is aborted."""
    with place.connect(autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", [n]) for n in range(100)]
        assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(100)]
        with pytest.raises(psycopg.errors.DivisionByZero):
            _fails_in_a_pipeline(connection)
        count = "SELECT count(*) FROM notes WHERE note IN ('in a pipeline', 'after')"
        assert connection.execute(count).fetchone() == (0,)


def test_nested_transactions(place: Place) -> None:
    """Savepoints, characteristics of a transaction, and a row that was never written."""
    with place.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        with connection.transaction(force_rollback=True):
            connection.execute("INSERT INTO notes (note) VALUES ('outer')")
            with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
                connection.execute("SELECT 1 / 0")
            rows = "SELECT count(*) FROM notes WHERE note = 'outer'"
            assert connection.execute(rows).fetchone() == (1,)
        connection.commit()
        connection.read_only = True
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO notes (note) VALUES ('read only')")


def test_batches(place: Place) -> None:
    """Executemany with and without RETURNING, and a statement composed from names."""
    with place.connect() as connection, connection.cursor() as cursor:
        table = sql.Identifier("public", "notes")
        insert = sql.SQL("INSERT INTO {} (note) VALUES (%s) RETURNING id").format(table)
        cursor.executemany(insert, [(f"n{n}",) for n in range(200)], returning=True)
        assert cursor.fetchone() is not None
        cursor.executemany("DELETE FROM notes WHERE note = %s", [("n1",), ("n2",)])
        assert cursor.rowcount == 2
        connection.rollback()


async def test_async(place: Place) -> None:
    """The same over asyncio, with a pipeline and a stream of rows."""
    async with await psycopg.AsyncConnection.connect(place.dsn(), autocommit=True) as connection:
        async with connection.pipeline():
            cursors = [await connection.execute("SELECT %s::int", [n]) for n in range(20)]
        assert [await cursor.fetchone() for cursor in cursors] == [(n,) for n in range(20)]
        seen = [row[0] async for row in connection.cursor().stream("SELECT id FROM orders")]
        assert len(seen) == 60


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_server_side_cursors(place: Place, *, binary: bool) -> None:
    """An engineer reads in portions and scrolls: a FETCH has the class of the cursor's statement."""
    with psycopg.connect(place.dsn(name="alice")) as connection:
        with connection.cursor("portions", binary=binary) as cursor:
            cursor.itersize = 25
            cursor.execute("SELECT id FROM orders ORDER BY id")
            assert [row[0] for row in cursor] == list(range(1, 61))
        with connection.cursor("scrolled", scrollable=True) as cursor:
            cursor.execute("SELECT generate_series(1, 5)")
            cursor.scroll(3)
            assert cursor.fetchone() == (4,)


def test_a_cursor_that_outlives_its_transaction(place: Place) -> None:
    """WITH HOLD runs its query at COMMIT, so that COMMIT is for those who may run anything."""
    with psycopg.connect(place.dsn(name="erin")) as connection:
        held = connection.cursor("held", scrollable=True, withhold=True)
        held.execute("SELECT generate_series(1, 5)")
        connection.commit()
        held.scroll(3)
        assert held.fetchone() == (4,)
        held.close()


def _fails_in_a_pipeline(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with connection.pipeline():
        connection.execute("INSERT INTO notes (note) VALUES ('in a pipeline')")
        connection.execute("SELECT 1 / 0")
        connection.execute("INSERT INTO notes (note) VALUES ('after')")
