"""What the log holds of each execution: its values, its outcome, and never a secret."""

# ruff: noqa: S608 - statements are the tests' own words
from __future__ import annotations

import contextlib
import decimal
import uuid
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.types.json import Jsonb
from support.journal_evidence import kind, of_kind, outcomes
from support.journey import Place

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module", autouse=True)
def tables(open_place: Place) -> None:
    """A table of common types."""
    open_place.make("CREATE TABLE noted (n int, what text, at date, price numeric, who uuid, j jsonb)")


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_bind_values_are_recorded_as_text(open_place: Place, binary: bool) -> None:
    """Psycopg sends text or binary formats: the event says the same words for both."""
    mark = open_place.evidence.mark()
    mode = "b" if binary else "t"
    key = uuid.UUID(int=7)
    with open_place.connect(autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO noted (n, what, price, who, j) VALUES (%{mode}, %{mode}, %{mode}, %{mode}, %{mode})",
            [-5, "it's é", decimal.Decimal("12.50"), key, Jsonb({"a": 1})],
        )
        connection.execute(f"SELECT * FROM noted WHERE what = %{mode}", [None])
    first, second = of_kind(open_place.evidence.closed(mark), "action.released")
    # In text format psycopg writes the uuid without dashes, and that is what was sent.
    shown = str(key) if binary else key.hex
    assert first["parameters"] == ["-5", "it's é", "12.50", shown, '{"a": 1}']
    assert second["parameters"] == [None]
    assert first["mode"] == "extended"


async def test_asyncpgs_binary_values_are_recorded_as_text(open_place: Place) -> None:
    """Asyncpg sends binary always."""
    mark = open_place.evidence.mark()
    connection = await asyncpg.connect(**open_place.asyncpg())
    await connection.execute("INSERT INTO noted (n, what) VALUES ($1, $2)", 41, "bound")
    assert await connection.fetchval("SELECT n FROM noted WHERE what = $1", "bound") == 41
    await connection.close()
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    assert [one["parameters"] for one in released if "parameters" in one] == [
        ["41", "bound"], ["bound"],
    ]  # fmt: skip


async def test_a_thousand_executions_are_a_thousand_events(open_place: Place) -> None:
    """One prepared statement, run 1,000 times: each has its event, its values and its outcome."""
    mark = open_place.evidence.mark()
    connection = await asyncpg.connect(**open_place.asyncpg())
    prepared = await connection.prepare("SELECT $1::int * 2")
    for n in range(1_000):
        assert await prepared.fetchval(n) == 2 * n
    await connection.close()
    events = open_place.evidence.closed(mark)
    released = [e for e in events if kind(e) == "action.released" and e.payload
                and e.payload["text"] == "SELECT $1::int * 2" and "parameters" in e.payload]  # fmt: skip
    values = [e.payload["parameters"] for e in released if e.payload]
    assert values == [[str(n)] for n in range(1_000)]
    ends = [one["of"] for one in of_kind(events, "action.finished") if one["outcome"] == "done"]
    assert set(ends) >= {e.n for e in released}
    assert len(ends) == len(set(ends))


def test_each_way_to_end_is_recorded(open_place: Place) -> None:
    """Done with tag and rows, failed with SQLSTATE, skipped behind a failure."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        connection.execute("SELECT generate_series(1, 3)")
        connection.pgconn.exec_(b"SELECT 1/0")
        with contextlib.suppress(psycopg.errors.DivisionByZero), connection.pipeline():
            for text in ("SELECT 1/0 AS a", "SELECT 2 AS b", "SELECT 3 AS c"):
                connection.cursor().execute(text)
    events = open_place.evidence.closed(mark)
    by_text = dict(outcomes(events))
    assert by_text == {
        "SELECT generate_series(1, 3)": "done", "SELECT 1/0": "failed",
        "SELECT 1/0 AS a": "failed", "SELECT 2 AS b": "skipped", "SELECT 3 AS c": "skipped",
    }  # fmt: skip
    finished = of_kind(events, "action.finished")
    assert (finished[0]["tag"], finished[0]["rows"]) == ("SELECT 3", 3)
    assert finished[1]["sqlstate"] == "22012"


_SECRET = "hunter2-is-secret"  # noqa: S105 - what must not be found
_TELLING = (
    f"ALTER ROLE app_rw PASSWORD '{_SECRET}'",
    f"CREATE ROLE x LOGIN PASSWORD '{_SECRET}'",
    f"CREATE USER MAPPING FOR app_rw SERVER nowhere OPTIONS (user 'u', password '{_SECRET}')",
    f"CREATE SUBSCRIPTION s CONNECTION 'host=x password={_SECRET}' PUBLICATION p",
    f"ALTER ROLE app_rw PASSWORD '{_SECRET}' WITH NONSENSE",
    f"SELECT 1; ALTER ROLE app_rw PASSWORD '{_SECRET}'; SELEKT",
    f"SELECT dblink_connect('host=x password={_SECRET}')",
    f"DO $$ BEGIN EXECUTE 'ALTER ROLE nobody PASSWORD ''{_SECRET}'''; END $$",
)


def _payloads(place: Place, mark: int) -> str:
    return repr([(e.envelope, e.payload) for e in place.evidence.closed(mark)])


@pytest.mark.parametrize("place_name", ["open_place", "guarded_place"])
@pytest.mark.parametrize("text", _TELLING)
def test_a_secret_is_in_no_event(
    request: pytest.FixtureRequest, place_name: str, text: str
) -> None:
    """Passwords in statements, well-formed or not, run or refused: in no event, in no diagnostics."""
    place: Place = request.getfixturevalue(place_name)
    mark = place.evidence.mark()
    account = "app_rw" if place_name == "guarded_place" else ""
    with place.connect(account, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.pgconn.exec_(text.encode())
        connection.pgconn.exec_(b"ROLLBACK")
    assert _SECRET not in _payloads(place, mark)
    assert _SECRET not in place.gateway.log


def test_nothing_lies_in_clear_in_the_state_directory(open_place: Place) -> None:
    """Neither statement text nor names nor the account's password are readable in any file."""
    with open_place.connect(autocommit=True) as connection:
        connection.execute("SELECT 'a-marker-in-clear' AS something_to_find")
        connection.pgconn.exec_(f"ALTER ROLE nobody PASSWORD '{_SECRET}'".encode())
    open_place.evidence.mark()
    token = open_place.gateway.tokens["alice"]
    words = [b"a-marker-in-clear", b"something_to_find", _SECRET.encode(), token.encode()]
    found: list[Any] = [
        (file.name, word)
        for file in open_place.gateway.state.rglob("*")
        if file.is_file()
        for word in words
        if word in file.read_bytes()
    ]
    assert found == []
