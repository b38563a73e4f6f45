"""Code that changes how later statements are read is never followed under the old reading."""


from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

# One SELECT where backslashes are plain characters; an INSERT where they escape.
_HIDDEN = (
    "WITH x AS (SELECT 'a\\', '), d AS (INSERT INTO flips.seen VALUES (1)) SELECT 1 --') SELECT 1"
)

_SETUP = """
CREATE SCHEMA flips; CREATE SCHEMA other;
CREATE TABLE flips.seen (n int);
CREATE TABLE flips.which (name text); INSERT INTO flips.which VALUES ('flips');
CREATE TABLE other.which (name text); INSERT INTO other.which VALUES ('other');
CREATE TABLE flips.fired (n int);
CREATE FUNCTION flips.scs() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); RETURN 1; END $$;
CREATE FUNCTION flips.path() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('search_path', 'other', false); RETURN 1; END $$;
CREATE FUNCTION flips.on_fire() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON flips.fired FOR EACH ROW EXECUTE FUNCTION flips.on_fire();
CREATE PROCEDURE flips.proc() LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$;
"""

FLIPS = {
    "function": "SELECT flips.scs()",
    "do": "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$",
    "call": "CALL flips.proc()",
    "trigger": "INSERT INTO flips.fired VALUES (1)",
    "set_config": "SELECT set_config('standard_conforming_strings', 'off', false)",
    "set": "SET standard_conforming_strings = off",
}


@pytest.fixture(scope="module", autouse=True)
def code(open_place: Place) -> None:
    """Code of every kind that flips, and two tables of one name."""
    open_place.make(_SETUP)


def _pipeline(connection: psycopg.Connection[Any], *texts: str) -> list[str | None]:
    """Each of these by Parse, Bind, Execute before one Sync: the SQLSTATE of each, None when run."""
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    for text in texts:
        pgconn.send_query_params(text.encode(), None)
    pgconn.pipeline_sync()
    answers: list[str | None] = []
    while True:
        result = pgconn.get_result()
        if result is None:
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            break
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        aborted = result.status == ExecStatus.PIPELINE_ABORTED
        answers.append("aborted" if aborted else state.decode() if state else None)
    pgconn.exit_pipeline_mode()
    return answers


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_what_hides_behind_a_flip_in_a_pipeline_is_not_forwarded(
    open_place: Place, flip: str
) -> None:
    """The flip may run; the statement behind it is refused with the reason, nothing is written."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        assert _pipeline(connection, FLIPS[flip], _HIDDEN) == [None, "0A000"]
        assert open_place.value("SELECT count(*) FROM flips.seen") == 0
        assert connection.execute("SELECT 1").fetchone() == (1,)
    refused = of_kind(open_place.evidence.closed(mark), "action.refused")
    assert [one["cause"] for one in refused] == ["vector"]


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_what_hides_behind_a_flip_in_one_query_is_read_as_the_target_reads_it(
    open_place: Place, flip: str
) -> None:
    """A Query is parsed whole before any of it runs: the INSERT stays a string on both sides."""
    with open_place.connect(autocommit=True) as connection:
        connection.pgconn.exec_(f"{FLIPS[flip]}; {_HIDDEN}".encode())
        assert open_place.value("SELECT count(*) FROM flips.seen") == 0


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_after_the_segment_the_next_is_read_under_what_holds_then(
    open_place: Place, flip: str
) -> None:
    """With the flip over, the hidden INSERT is no read to us any more: its event says opaque."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        connection.execute(FLIPS[flip])
        connection.pgconn.exec_(_HIDDEN.encode())
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    assert [one["class"] for one in released if one["text"] != FLIPS[flip]] == ["opaque"]
    open_place.run("TRUNCATE flips.seen")


def test_a_set_of_the_path_rules_the_next_segment(open_place: Place) -> None:
    """After SET search_path the same words read another table, for us as for the target."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        for schema in ("flips", "other"):
            connection.execute(f"SET search_path = {schema}")
            assert connection.execute("SELECT name FROM which").fetchone() == (schema,)
        connection.execute("SELECT flips.path()")
        assert connection.execute("SELECT name FROM which").fetchone() == ("other",)
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    read = [one["tables_read"] for one in released if one["text"] == "SELECT name FROM which"]
    assert [("flips.which" in one, "other.which" in one) for one in read] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip


def test_a_path_that_a_function_changes_in_a_pipeline(open_place: Place) -> None:
    """The read behind a function that changes the path is not forwarded under the old path."""
    with open_place.connect(autocommit=True) as connection:
        connection.execute("SET search_path = flips")
        assert _pipeline(connection, "SELECT flips.path()", "SELECT name FROM which") == [
            None, "0A000",
        ]  # fmt: skip


def test_a_prepared_statement_is_judged_again_under_the_path_of_its_execution(
    open_place: Place,
) -> None:
    """Facts belong to an execution: after SET search_path the old statement reads another table."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        connection.execute("SET search_path = flips")
        pgconn = connection.pgconn
        pgconn.prepare(b"again", b"SELECT name FROM which")
        assert pgconn.exec_prepared(b"again", None).get_value(0, 0) == b"flips"
        connection.execute("SET search_path = other")
        assert pgconn.exec_prepared(b"again", None).get_value(0, 0) == b"other"
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    read = [one["tables_read"] for one in released if one["text"] == "SELECT name FROM which"]
    assert ["other.which" in one for one in read] == [False, True]


def test_a_role_that_code_assumes_rules_what_follows(open_place: Place) -> None:
    """SET ROLE and what undoes it work from segment to segment; in a pipeline they end it."""
    with open_place.direct() as admin:
        admin.execute("GRANT app_ro TO app_rw WITH SET TRUE")
    with open_place.connect(autocommit=True) as connection:
        assert _pipeline(connection, "SET ROLE app_ro", "SELECT current_user") == [None, "0A000"]
        # The refusal failed the pipeline's transaction, and with it SET ROLE.
        assert connection.execute("SELECT current_user").fetchone() == ("app_rw",)
        connection.execute("SET ROLE app_ro")
        assert connection.execute("SELECT current_user").fetchone() == ("app_ro",)
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT current_user").fetchone() == ("app_rw",)


def test_a_flip_in_a_failed_transaction_leaves_rollback_alone(open_place: Place) -> None:
    """While the vector cannot be read, the target's own 25P02 answers, and ROLLBACK works."""
    with open_place.connect(autocommit=True) as connection:
        assert _pipeline(connection, "BEGIN", "SELECT flips.scs()", "SELECT 1/0")[-1] is not None
        connection.pgconn.exec_(b"BEGIN; SELECT flips.scs(); SELECT 1/0")
        result = connection.pgconn.exec_(_HIDDEN.encode())
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        assert state == b"25P02"
        connection.execute("ROLLBACK")
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert open_place.value("SELECT count(*) FROM flips.seen") == 0


def test_reading_the_vector_casts_nothing(open_place: Place) -> None:
    """Where PUBLIC may not cast integers, SET is followed by what it is followed by directly."""
    with open_place.direct() as admin:
        admin.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.int8(integer) FROM PUBLIC")
        try:
            with open_place.connect(autocommit=True) as connection:
                connection.execute("SET search_path = public")
                assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            admin.execute("GRANT EXECUTE ON FUNCTION pg_catalog.int8(integer) TO PUBLIC")


@pytest.mark.parametrize(
    ("text", "answer", "status"),
    [
        (b"PREPARE TRANSACTION 'kept'", "COMMAND_OK", "IDLE"),
        (b"COMMIT", "COMMAND_OK", "IDLE"),
        (b";", "EMPTY_QUERY", "INERROR"),
    ],
)
def test_what_a_failed_transaction_still_answers(
    open_place: Place, text: bytes, answer: str, status: str
) -> None:
    """What ends it, and an empty text, are answered as without the gateway, after a flip as well."""
    for way in (open_place.direct(), open_place.connect(autocommit=True)):
        with way as connection:
            connection.pgconn.exec_(b"BEGIN; SELECT flips.scs(); SELECT 1/0")
            result = connection.pgconn.exec_(text)
            assert ExecStatus(result.status).name == answer, result.error_message
            state = psycopg.pq.TransactionStatus(connection.pgconn.transaction_status)
            assert state.name == status


def test_nothing_of_all_this_harmed_the_gateway(open_place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    open_place.unharmed()
