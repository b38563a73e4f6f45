"""EXECUTE, FETCH, MOVE and CURRENT OF on a real target: never forwarded as less than they do."""

# ruff: noqa: S608 - statements are the tests' own words
from __future__ import annotations

from typing import Any

import psycopg
import pytest
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

_SETUP = """
CREATE SCHEMA taken; CREATE SCHEMA elsewhere;
CREATE TABLE taken.rows (n int PRIMARY KEY, what text);
INSERT INTO taken.rows SELECT g, 'row' FROM generate_series(1, 20) g;
CREATE TABLE elsewhere.rows (n int PRIMARY KEY, what text);
INSERT INTO elsewhere.rows VALUES (1, 'elsewhere');
CREATE FUNCTION taken.swap() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN DEALLOCATE p; EXECUTE 'PREPARE p AS DELETE FROM taken.rows'; RETURN 1; END $$;
CREATE FUNCTION taken.noisy() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN DELETE FROM taken.rows WHERE n = 20; RETURN 1; END $$;
"""


@pytest.fixture(scope="module", autouse=True)
def tables(open_place: Place) -> None:
    """Two tables of one name, and code that makes names unseen."""
    open_place.make(_SETUP)


class Story:
    """One connection; what it sends, and what the events say of that."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._mark = place.evidence.mark()
        self._connection = place.connect(autocommit=True)

    def send(self, *texts: str) -> list[str]:
        """Each as one Query; the SQLSTATEs, empty for what ran."""
        states = []
        for text in texts:
            result = self._connection.pgconn.exec_(text.encode())
            state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
            states.append(state.decode() if state else "")
        return states

    @property
    def pgconn(self) -> Any:
        """The wire itself."""
        return self._connection.pgconn

    def told(self, text: str) -> dict[str, Any]:
        """The last event of this text, once the connection is closed."""
        self._connection.close()
        found = of_kind(self._place.evidence.closed(self._mark), "action.released")
        return [one for one in found if one["text"] == text][-1]


@pytest.fixture
def story(open_place: Place) -> Story:
    """A new connection."""
    return Story(open_place)


def test_an_execute_is_what_was_prepared(story: Story) -> None:
    """Class, tables and source of the DELETE are those of the EXECUTE."""
    assert story.send(
        "PREPARE p (int) AS DELETE FROM taken.rows WHERE n = $1", "EXECUTE p(-1)"
    ) == ["", ""]
    told = story.told("EXECUTE p(-1)")
    assert told["class"] == "write"
    assert "taken.rows" in told["tables_written"]
    assert told["source"] == "PREPARE p (int) AS DELETE FROM taken.rows WHERE n = $1"


def test_an_execute_of_a_proven_read_is_a_read(story: Story) -> None:
    """The proof of what was prepared holds for its EXECUTE, again and again."""
    story.send("PREPARE p AS SELECT * FROM taken.rows", "EXECUTE p", "EXECUTE p")
    assert story.told("EXECUTE p")["class"] == "read"


def test_a_function_in_an_argument_is_code(story: Story) -> None:
    """A read whose argument runs a function is procedural."""
    story.send("PREPARE p (int) AS SELECT $1", "EXECUTE p(taken.noisy())")
    told = story.told("EXECUTE p(taken.noisy())")
    assert told["class"] == "procedural"
    assert "taken.noisy" in told["unproven"]


def test_a_fetch_is_what_its_cursor_reads(story: Story) -> None:
    """DECLARE, FETCH, MOVE, CLOSE; a second cursor is still known after the close of the first."""
    story.send(
        "BEGIN", "DECLARE c CURSOR FOR SELECT * FROM taken.rows",
        "DECLARE d CURSOR FOR SELECT * FROM taken.rows", "CLOSE c", "FETCH 2 FROM d", "MOVE 1 FROM d",
        "UPDATE taken.rows SET what = 'here' WHERE CURRENT OF d", "COMMIT",
    )  # fmt: skip
    told = story.told("UPDATE taken.rows SET what = 'here' WHERE CURRENT OF d")
    assert (told["class"], told["source"]) == (
        "write",
        "DECLARE d CURSOR FOR SELECT * FROM taken.rows",
    )


@pytest.mark.parametrize("text", ["FETCH 2 FROM d", "MOVE 2 FROM d"])
def test_a_fetch_of_a_known_cursor_is_a_read(story: Story, text: str) -> None:
    """Also after the transaction of a cursor WITH HOLD."""
    story.send("BEGIN", "DECLARE d CURSOR WITH HOLD FOR SELECT * FROM taken.rows", text)
    assert story.told(text)["class"] == "read"


EVASIONS: dict[str, tuple[list[str], str]] = {
    "a quoted name is another": (
        ["PREPARE p AS SELECT 1", 'PREPARE "P" AS DELETE FROM taken.rows WHERE n = -1'], 'EXECUTE "P"'),
    "a folded name is the same": (
        ["PREPARE p AS DELETE FROM taken.rows WHERE n = -1"], "EXECUTE P"),
    "a long name is cut": (
        [f"PREPARE {'a' * 63} AS SELECT 1", "DEALLOCATE ALL",
         f"PREPARE {'a' * 70} AS DELETE FROM taken.rows WHERE n = -1"], f"EXECUTE {'a' * 64}"),
    "taken away and given again": (
        ["PREPARE p AS SELECT 1", "DEALLOCATE p",
         "PREPARE p AS DELETE FROM taken.rows WHERE n = -1"], "EXECUTE p"),
    "both in one Query": (
        ["PREPARE p AS SELECT 1",
         "DEALLOCATE p; PREPARE p AS DELETE FROM taken.rows WHERE n = -1"], "EXECUTE p"),
    "in the Query that runs it": (
        ["PREPARE p AS SELECT 1"],
        "DEALLOCATE p; PREPARE p AS DELETE FROM taken.rows WHERE n = -1; EXECUTE p"),
    "a prepared statement survives a rollback": (
        ["PREPARE p AS SELECT 1", "BEGIN", "DEALLOCATE p",
         "PREPARE p AS DELETE FROM taken.rows WHERE n = -1", "ROLLBACK"], "EXECUTE p"),
    "a rolled back savepoint keeps it": (
        ["PREPARE p AS SELECT 1", "BEGIN", "SAVEPOINT s", "DEALLOCATE p",
         "PREPARE p AS DELETE FROM taken.rows WHERE n = -1", "ROLLBACK TO s", "COMMIT"], "EXECUTE p"),
    "discarded and given again": (
        ["PREPARE p AS SELECT 1", "DISCARD ALL",
         "PREPARE p AS DELETE FROM taken.rows WHERE n = -1"], "EXECUTE p"),
    "a PREPARE that fails changes nothing": (
        ["PREPARE p AS DELETE FROM taken.rows WHERE n = -1", "BEGIN", "SELECT 1/0",
         "PREPARE p AS SELECT 1", "ROLLBACK", "PREPARE p AS SELECT 1"], "EXECUTE p"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EVASIONS))
def test_no_execute_passes_as_what_it_is_not(story: Story, name: str) -> None:
    """Each of these deletes on the target: its event says write, or opaque."""
    before, last = EVASIONS[name]
    story.send(*before)
    assert story.send(last) == [""]
    assert story.told(last)["class"] in {"write", "opaque"}


def test_a_function_that_swaps_a_name(story: Story) -> None:
    """What a function prepared unseen is opaque, although the old name was known."""
    story.send("PREPARE p AS SELECT 1", "BEGIN", "SELECT taken.swap()", "EXECUTE p", "ROLLBACK")
    assert story.told("EXECUTE p")["class"] == "opaque"


def test_a_parse_and_a_prepare_share_their_names(story: Story) -> None:
    """EXECUTE of what a Parse made, judged by nobody then, is opaque; both make one kind of name."""
    story.pgconn.prepare(b"q", b"DELETE FROM taken.rows WHERE n = -1")
    story.send("EXECUTE q", "PREPARE r AS DELETE FROM taken.rows WHERE n = -1")
    result = story.pgconn.exec_prepared(b"r", None)
    assert result.status == psycopg.pq.ExecStatus.COMMAND_OK
    assert story.told("EXECUTE q")["class"] == "opaque"


def test_a_cursor_of_another_path_is_opaque(story: Story) -> None:
    """A cursor reads the table it was declared over; under another path we do not claim to know."""
    story.send(
        "SET search_path = taken", "BEGIN", "DECLARE c CURSOR FOR SELECT * FROM rows",
        "SET search_path = elsewhere", "FETCH 1 FROM c", "ROLLBACK",
    )  # fmt: skip
    assert story.told("FETCH 1 FROM c")["class"] == "opaque"


def test_a_cursor_of_a_rolled_back_savepoint(story: Story) -> None:
    """It is gone on the target; a new one of its name in one Query with other words is opaque."""
    story.send("BEGIN", "SAVEPOINT s", "DECLARE c CURSOR FOR SELECT 1", "ROLLBACK TO s")
    assert story.send("FETCH 1 FROM c") == ["34000"]
    story.send("ROLLBACK", "BEGIN", "DECLARE c CURSOR FOR SELECT 1", "CLOSE c")
    story.send("SELECT 1; DECLARE c CURSOR FOR SELECT * FROM taken.rows")
    assert story.send("FETCH ALL FROM c") == [""]
    assert story.told("FETCH ALL FROM c")["class"] == "opaque"


def test_a_commit_that_fills_a_cursor_is_procedural(story: Story) -> None:
    """COMMIT with a cursor WITH HOLD runs its query; ROLLBACK runs nothing."""
    held = "DECLARE h CURSOR WITH HOLD FOR SELECT * FROM taken.rows"
    assert story.send("BEGIN", held, "COMMIT", "FETCH 1 FROM h") == [""] * 4
    assert story.told("COMMIT")["class"] == "procedural"


def test_a_commit_after_deferred_constraints_is_procedural(story: Story) -> None:
    """It runs what was deferred; the next transaction's COMMIT is plain again."""
    story.send("BEGIN", "SET CONSTRAINTS ALL DEFERRED", "END", "BEGIN", "COMMIT")
    assert story.told("COMMIT")["class"] == "session"


def test_the_end_after_deferred_constraints(story: Story) -> None:
    """The END of that transaction."""
    story.send("BEGIN", "SET CONSTRAINTS ALL DEFERRED", "END")
    assert story.told("END")["class"] == "procedural"


def test_a_pipeline_whose_prepare_fails(story: Story) -> None:
    """What comes after a PREPARE in its own segment does not trust the name, whatever became of it."""
    story.send("PREPARE p AS DELETE FROM taken.rows WHERE n = -1")
    pgconn = story.pgconn
    pgconn.enter_pipeline_mode()
    for text in (b"PREPARE p AS SELECT 1", b"EXECUTE p"):
        pgconn.send_query_params(text, None)
    pgconn.pipeline_sync()
    while (result := pgconn.get_result()) is None or (
        result.status != psycopg.pq.ExecStatus.PIPELINE_SYNC
    ):
        pass
    pgconn.exit_pipeline_mode()
    assert story.send("EXECUTE p") == [""]
    assert story.told("EXECUTE p")["class"] in {"write", "opaque"}


def test_a_bind_of_what_sql_made_is_opaque(story: Story) -> None:
    """A PREPARE or DECLARE reached by the extended protocol is not told as what it is not."""
    story.send("PREPARE r AS DELETE FROM taken.rows WHERE n = -1")
    result = story.pgconn.exec_prepared(b"r", None)
    assert result.status == psycopg.pq.ExecStatus.COMMAND_OK
    assert story.told("")["class"] == "opaque"


def test_a_parse_with_a_domain_parameter(open_place: Place, story: Story) -> None:
    """Its CHECK is code that runs with every EXECUTE: no read."""
    open_place.make("CREATE DOMAIN taken.dom AS text CHECK (taken.noisy() = 1)")
    oid = open_place.value("SELECT 'taken.dom'::regtype::oid")
    story.pgconn.prepare(b"s", b"SELECT $1", [oid])
    story.send("EXECUTE s('x')")
    assert story.told("EXECUTE s('x')")["class"] == "opaque"


def _refused(connection: Any, text: str) -> Any:
    error = psycopg.errors.error_from_result(connection.pgconn.exec_(text.encode()))
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)
    return error.diag


def test_a_rule_on_delete_holds_for_its_execute(guarded_place: Place) -> None:
    """What policy refuses as a DELETE it refuses as EXECUTE of that DELETE, and nothing is gone."""
    guarded_place.make("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (41)")
    with guarded_place.connect("app_rw", autocommit=True) as connection:
        connection.pgconn.exec_(b"PREPARE p AS DELETE FROM kept WHERE n = 41")
        told = _refused(connection, "EXECUTE p")
        assert told.message_primary == "gatekeep: policy does not allow DELETE on orders"
    assert guarded_place.value("SELECT count(*) FROM kept WHERE n = 41") == 1
    guarded_place.run("DELETE FROM kept WHERE n = 41")


def test_a_refused_commit_leaves_rollback(reading_place: Place) -> None:
    """Where only reads are permitted COMMIT may not fill a cursor; ROLLBACK is never refused."""
    with reading_place.connect(autocommit=True) as connection:
        for text in (b"BEGIN", b"DECLARE h CURSOR WITH HOLD FOR SELECT 1", b"FETCH 1 FROM h"):
            assert connection.pgconn.exec_(text).status != psycopg.pq.ExecStatus.FATAL_ERROR
        told = _refused(connection, "COMMIT")
        assert "ROLLBACK is never refused" in told.message_hint
        assert connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        assert connection.pgconn.exec_(b"ROLLBACK").status == psycopg.pq.ExecStatus.COMMAND_OK
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_nothing_of_all_this_harmed_the_gateway(open_place: Place) -> None:
    """All twenty rows but what a story deleted by right are there, and the gateway serves."""
    assert open_place.value("SELECT count(*) FROM taken.rows") >= 19
    open_place.unharmed()
