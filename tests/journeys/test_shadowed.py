"""A prepared statement keeps the tables of its Parse, whatever was made before them since."""

from __future__ import annotations

import itertools

import pytest
from psycopg.pq import ExecStatus
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey


_counted = itertools.count(1)


@pytest.fixture
def pair(open_place: Place) -> tuple[str, str]:
    """Two schemas of a path; the table `pay` stands in the second."""
    number = next(_counted)
    first, second = f"first{number}", f"second{number}"
    with open_place.connect(autocommit=True) as connection:  # so that the gateway knows of it
        connection.execute(f"CREATE SCHEMA {first}")
        connection.execute(f"CREATE SCHEMA {second}")
        connection.execute(f"CREATE TABLE {second}.pay AS SELECT 7 AS x")
    return first, second


def _classes(place: Place, mark: int, text: str, table: str = "") -> list[tuple[str, bool]]:
    """Class, and whether `table` is what it is said to read, of each execution of a text."""
    return [
        (event["class"], table in event["tables_read"])
        for event in of_kind(place.evidence.closed(mark), "action.released")
        if event["text"] == text
    ]


@pytest.mark.parametrize("name", [b"", b"kept"])
@pytest.mark.parametrize("again", [False, True], ids=["once", "parsed again in vain"])
def test_what_was_parsed_before_a_shadow_is_not_told_as_the_shadow(
    open_place: Place, pair: tuple[str, str], name: bytes, again: bool
) -> None:
    """The target still reads the second's; the log never says the first's, and calls it opaque."""
    first, second = pair
    mark = open_place.evidence.mark()
    text = "SELECT x FROM pay"
    with (
        open_place.connect(autocommit=True) as connection,
        open_place.connect(autocommit=True) as other,
    ):
        connection.execute(f"SET search_path = {first}, {second}")
        pgconn = connection.pgconn
        assert pgconn.prepare(name, text.encode()).status == ExecStatus.COMMAND_OK
        assert pgconn.exec_prepared(name, []).get_value(0, 0) == b"7"
        other.execute(f"CREATE TABLE {first}.pay AS SELECT 8 AS x")
        if again and name:
            assert pgconn.prepare(name, text.encode()).status == ExecStatus.FATAL_ERROR
        assert pgconn.exec_prepared(name, []).get_value(0, 0) == b"7"
        if not again:
            pgconn.prepare(b"new", text.encode())
            assert pgconn.exec_prepared(b"new", []).get_value(0, 0) == b"8"
    told = _classes(open_place, mark, text, f"{first}.pay")
    assert told[:2] == [("read", False), ("opaque", False)]
    assert told[2:] == ([] if again else [("read", True)])


def test_other_changes_of_the_schema_leave_prepared_statements_alone(
    open_place: Place, pair: tuple[str, str]
) -> None:
    """A new table elsewhere, or another path, and the statement is read as ever."""
    first, second = pair
    mark = open_place.evidence.mark()
    text = "SELECT x + 1 FROM pay"
    with open_place.connect(autocommit=True) as connection:
        connection.execute(f"SET search_path = {second}")
        connection.pgconn.prepare(b"kept", text.encode())
        connection.execute(f"CREATE TABLE {first}.pay AS SELECT 8 AS x")
        assert connection.pgconn.exec_prepared(b"kept", []).get_value(0, 0) == b"8"
        connection.execute(f"SET search_path = {first}, {second}")
        assert connection.pgconn.exec_prepared(b"kept", []).get_value(0, 0) == b"9"
    assert _classes(open_place, mark, text, f"{first}.pay") == [("read", False), ("read", True)]


def test_sql_execute_of_a_parsed_name_is_opaque(open_place: Place) -> None:
    """EXECUTE by SQL of what a Parse made was judged by nobody when the target read it."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        connection.pgconn.prepare(b"kept", b"SELECT 1")
        assert connection.execute("EXECUTE kept").fetchone() == (1,)
    assert _classes(open_place, mark, "EXECUTE kept") == [("opaque", False)]
