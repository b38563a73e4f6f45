"""Code that changes how later statements are read is never followed under the old reading."""


from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus
from support.journal_evidence import of_kind, outcomes
from support.journey import Place
from support.postgres_wire import Wire, shape

from gatekeep.protocols.postgres import messages as m

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
CREATE FUNCTION flips.planned() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); RETURN 1; END $$;
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
            assert pgconn.status == psycopg.pq.ConnStatus.OK, pgconn.error_message
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            break
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        aborted = result.status == ExecStatus.PIPELINE_ABORTED
        answers.append("aborted" if aborted else state.decode() if state else None)
    pgconn.exit_pipeline_mode()
    return answers


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_what_hides_behind_a_flip_in_a_pipeline_is_told_as_what_it_is_by_then(
    open_place: Place, flip: str
) -> None:
    """Where all is permitted it runs, and its event does not call it a read: nobody can read it.

    The benign statement behind it runs, too, and the Sync commits all three.
    """
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        assert _pipeline(connection, FLIPS[flip], _HIDDEN, "SELECT 1") == [None, None, None]
    assert open_place.value("SELECT count(*) FROM flips.seen") == 1
    open_place.run("TRUNCATE flips.seen")
    events = open_place.evidence.closed(mark)
    assert of_kind(events, "action.released")[1]["class"] == "opaque"
    assert [how for _, how in outcomes(events)] == ["done", "done", "done"]


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_what_hides_behind_a_flip_in_a_pipeline_is_refused_where_riddles_are(
    legible_place: Place, flip: str
) -> None:
    """Policy meets it under the new reading, so it is not forwarded. Without the flip it is a read."""
    mark = legible_place.evidence.mark()
    with legible_place.connect(autocommit=True) as connection:
        assert _pipeline(connection, _HIDDEN, "SELECT 1") == [None, None]
        assert _pipeline(connection, FLIPS[flip], "SELECT 1", _HIDDEN, "SELECT 2") == [
            None, None, "42501", "aborted",
        ]  # fmt: skip
        # The refusal failed the pipeline's transaction, and with it the flip.
        assert connection.execute("SHOW standard_conforming_strings").fetchone() == ("on",)
        assert _pipeline(connection, _HIDDEN, "SELECT 1") == [None, None]
    assert legible_place.value("SELECT count(*) FROM flips.seen") == 0
    refused = of_kind(legible_place.evidence.closed(mark), "action.refused")
    assert (refused[0]["class"], refused[0]["cause"]) == ("opaque", "policy")


def test_a_statement_bound_between_the_bind_and_the_execute_of_a_flip(open_place: Place) -> None:
    """Planning runs code, so the flip is at its Bind: what is parsed right behind is read anew."""
    mark = open_place.evidence.mark()
    wire = _wire(open_place)
    answer = wire.exchange(
        m.parse("z", "SELECT flips.planned() WHERE flips.planned() = $1") + m.bind("z", "z", [b"1"])
        + m.parse("a", _HIDDEN) + m.bind("a", "a") + m.execute("a") + m.execute("z") + m.SYNC
    )  # fmt: skip
    wire.close()
    assert shape(answer) == ["1", "2", "1", "2", "D", "C SELECT 1", "D", "C SELECT 1", "Z I"]
    open_place.run("TRUNCATE flips.seen")
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    assert [one["class"] for one in released][:2] == ["procedural", "opaque"]


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_a_pipeline_that_fails_at_its_end_rolls_back_what_was_before_every_cut(
    open_place: Place, flip: str
) -> None:
    """The question in between commits nothing, and the log says what became of each."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        insert = "INSERT INTO flips.seen VALUES (7)"
        answers = _pipeline(
            connection, insert, FLIPS[flip], insert, FLIPS[flip], "SELECT 1/0", insert
        )
        assert answers == [None, None, None, None, "22012", "aborted"]
        assert connection.execute("SHOW standard_conforming_strings").fetchone() == ("on",)
    assert open_place.value("SELECT count(*) FROM flips.seen") == 0
    events = open_place.evidence.closed(mark)
    # The last one was dropped before anybody looked at it, or released and then skipped.
    ends = [how for _, how in outcomes(events)]
    assert [how for how in ends if how not in {"done", "skipped"}] == ["failed"] * 5
    assert ends.count("done") == 1  # the SHOW
    endings = of_kind(events, "action.finished")
    undone = [one for one in endings if str(one.get("message")).startswith("rolled back with its")]
    assert len(undone) == 4


def test_a_flushed_flip_is_followed_without_a_sync(open_place: Place) -> None:
    """Behind a Flush the vector is read back, too: the next statement is judged under it."""
    mark = open_place.evidence.mark()
    wire = _wire(open_place)

    def run(text: str) -> bytes:
        return m.parse("", text) + m.bind("", "") + m.execute("") + m.FLUSH

    wire.send(run("SET search_path = other") + run("SELECT name FROM which"))
    answer = wire.exchange(run("INSERT INTO which VALUES ('x')") + run("SELECT 1/0") + m.SYNC)
    wire.close()
    assert shape(answer) == [
        "1", "2", "C SET", "1", "2", "D", "C SELECT 1", "1", "2", "C INSERT 0 1", "1", "E 22012",
        "Z I",
    ]  # fmt: skip
    assert open_place.value("SELECT count(*) FROM other.which") == 1
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    assert [
        (one["tables_read"], one["tables_written"]) for one in released if "which" in str(one["text"])
    ] == [(["other.which", "which"], []), ([], ["other.which", "which"])]


def _wire(place: Place) -> Wire:
    """Raw messages through the door."""
    return Wire("127.0.0.1", place.gateway.port, "alice", place.gateway.tokens["alice"], "orders")


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
    """The read behind a SET of the path is told with the table that it meets.

    Behind code that changes it, no table is proven, and it is no read.
    """
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        connection.execute("SET search_path = flips")
        which = "SELECT name FROM which"
        assert _pipeline(connection, which, "SET search_path = other", which) == [None] * 3
        connection.execute("SET search_path = flips")
        assert _pipeline(connection, "SELECT flips.path()", which) == [None] * 2
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    read = [one for one in released if one["text"] == which]
    assert [one["tables_read"] for one in read] == [
        ["flips.which", "which"], ["other.which", "which"],
        ["which"],  # code ran in this transaction: no look-up can say where the name leads
    ]  # fmt: skip
    assert [one["class"] for one in read] == ["read", "read", "procedural"]


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
    """SET ROLE and what undoes it work from segment to segment, and inside a pipeline."""
    with open_place.direct() as admin:
        admin.execute("GRANT app_ro TO app_rw WITH SET TRUE")
    with open_place.connect(autocommit=True) as connection:
        write = "INSERT INTO flips.seen VALUES (8)"
        assert _pipeline(connection, "SET ROLE app_ro", "SELECT current_user", write) == [
            None, None, "42501",
        ]  # fmt: skip
        # That was the target's own; it failed the pipeline's transaction, and with it SET ROLE.
        assert connection.execute("SELECT current_user").fetchone() == ("app_rw",)
        assert _pipeline(connection, "SET ROLE app_ro", "RESET ROLE", write) == [None] * 3
        open_place.run("TRUNCATE flips.seen")
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
