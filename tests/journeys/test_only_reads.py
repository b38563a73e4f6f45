"""Where policy lets a session only read, nothing writes: neither code behind a read, nor a switch."""

from __future__ import annotations

import psycopg
import pytest
from support.attacks import ATTACKS
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

_TRACES = "SELECT (SELECT count(*) FROM lab.trace) + (SELECT last_value FROM lab.seq)"


@pytest.mark.parametrize("simple", [True, False], ids=["simple", "extended"])
def test_every_family_of_writing_read_is_refused(reading_place: Place, simple: bool) -> None:
    """Each statement that looks like a read and writes is refused, and nothing was written."""
    before = reading_place.value(_TRACES)
    passed = []
    with reading_place.connect(autocommit=True) as connection:
        for family, text in ATTACKS:
            try:
                connection.execute(text, binary=not simple)
            except psycopg.Error as error:
                if error.sqlstate not in {"42501", "0A000"}:
                    passed.append((family, text, error.sqlstate))
                elif "gatekeep: " not in str(error):
                    passed.append((family, text, str(error)))
            else:
                passed.append((family, text, "ran"))
        assert passed == []
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)
    assert reading_place.value(_TRACES) == before
    assert reading_place.value("SELECT to_regclass('lab.made')") is None


@pytest.mark.parametrize(
    "text",
    [
        "SET transaction_read_only = off",
        "SET LOCAL transaction_read_only = off",
        "SET default_transaction_read_only = off",
        'SET SESSION "default_transaction_read_only" TO off',
        "RESET default_transaction_read_only",
        "RESET ALL",
        "DISCARD ALL",
        "BEGIN READ WRITE",
        "START TRANSACTION READ WRITE",
        "BEGIN; SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "SELECT pg_catalog.set_config('transaction_read_only', 'off', true)",
        "DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); END $$",
        "CALL lab.nothing()",
        "SET SESSION AUTHORIZATION app_ro",
        "SET ROLE app_ro",
        "INSERT INTO lab.trace VALUES ('x')",
        "CREATE TEMP TABLE t (n int)",
        "SELECT * FROM orders FOR UPDATE",
        "LOCK TABLE lab.orders",
        "PREPARE p AS INSERT INTO lab.trace VALUES ('x')",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'",
    ],
)
def test_the_second_wall_cannot_be_taken_down(reading_place: Place, text: str) -> None:
    """The session is read-only, what could switch that off is refused, and it stays read-only."""
    before = reading_place.value(_TRACES)
    with reading_place.connect(autocommit=True) as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        connection.pgconn.exec_(text.encode())
        connection.pgconn.exec_(b"INSERT INTO lab.trace VALUES ('behind the wall')")
        connection.pgconn.exec_(b"ROLLBACK")
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        shown = connection.execute("SHOW default_transaction_read_only").fetchone()
        assert shown == ("on",)
    assert reading_place.value(_TRACES) == before


@pytest.mark.parametrize(
    "options",
    [
        "-c default_transaction_read_only=off",
        "-c transaction_read_only=off",
        "--default-transaction-read-only=off",
        "-c session_replication_role=replica",
        "-c role=app_ro",
    ],
)
def test_start_up_settings_are_judged_like_set(reading_place: Place, options: str) -> None:
    """A start-up option that policy would refuse as SET ends the start-up, in its words."""
    with pytest.raises(psycopg.OperationalError, match="gatekeep: "):
        psycopg.connect(reading_place.dsn(options=options))


def test_the_path_of_role_and_database_is_the_sessions_path(reading_place: Place) -> None:
    """What ALTER ROLE … IN DATABASE gives the account there holds for the session too."""
    with reading_place.connect(autocommit=True) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("lab, public",)


def test_plain_reads_pass(reading_place: Place) -> None:
    """A read that touches none of the traps beside it is a read."""
    with reading_place.connect(autocommit=True) as connection:
        for text in ("SELECT id, status FROM orders WHERE id = 1", "TABLE orders", "SELECT now()"):
            connection.execute(text)


def test_a_refused_read_says_what_broke_its_proof(reading_place: Place) -> None:
    """The event of the refusal names the code that would have run."""
    mark = reading_place.evidence.mark()
    with reading_place.connect(autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM viewed")
        connection.execute("SELECT 1")
    refused = of_kind(reading_place.evidence.closed(mark), "action.refused")
    assert [one["class"] for one in refused] == ["procedural"]
    assert "lab." in str(refused[0]["unproven"])


def test_nothing_of_all_this_harmed_the_gateway(reading_place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    reading_place.unharmed()
