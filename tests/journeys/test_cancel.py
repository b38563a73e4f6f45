"""Ctrl-C in plain psql ends what runs on the target, with TLS and without."""

from __future__ import annotations

import os
import signal
import subprocess

import psycopg
import pytest
from support.journal_evidence import outcomes
from support.journey import Place

pytestmark = pytest.mark.journey


@pytest.mark.parametrize(
    ("encrypted", "version"),
    [(False, ""), (True, ""), (False, "3.0"), (False, "3.2")],
    ids=["plain", "tls", "psql-18", "psql-18-3.2"],
)
def test_ctrl_c_in_psql_cancels_what_runs(
    encrypted: bool, version: str, request: pytest.FixtureRequest
) -> None:
    """The statement ends as cancelled on the target, in psql's words and in the log.

    psql 18 (built without TLS) speaks the version that it is told to insist on; 3.2 has long keys.
    """
    place: Place = request.getfixturevalue("tls_place" if encrypted else "open_place")
    mark = place.evidence.mark()
    told = {"sslmode": "require" if encrypted else "disable"}
    if version:
        told |= {"min_protocol_version": version, "max_protocol_version": version}
    psql = subprocess.Popen(
        [place.server.psql if version else "/usr/bin/psql", "-X", place.dsn(**told),
         "-c", "SELECT pg_sleep(60)", "-c", "SELECT 'still ' || 'here'"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    try:
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        place.until(lambda: place.value(sleeping) == 1)
        psql.send_signal(signal.SIGINT)
        _out, words = psql.communicate(timeout=15)
    finally:
        psql.kill()
        psql.wait()
    assert "canceling statement due to user request" in words
    assert place.value(sleeping) == 0
    events = place.evidence.closed(mark)
    assert ("SELECT pg_sleep(60)", "cancelled") in outcomes(events)


def test_a_cancel_with_a_made_up_key_does_nothing(open_place: Place) -> None:
    """Keys are ours, not the target's: those of the target mean nothing at the door."""
    with open_place.connect(autocommit=True) as one, open_place.connect(autocommit=True) as other:
        told = one.info.backend_pid
        there = one.execute("SELECT pg_backend_pid()").fetchone()
        assert there is not None
        assert told != there[0]
        other.cancel()
        assert one.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("version", ["3.0", "3.2"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_psycopg_cancels_and_goes_on(
    encrypted: bool, version: str, request: pytest.FixtureRequest
) -> None:
    """PQcancel ends the statement, and the session goes on in its transaction state."""
    place: Place = request.getfixturevalue("tls_place" if encrypted else "open_place")
    told = {"min_protocol_version": version, "max_protocol_version": version}
    dsn = place.dsn(sslmode="require" if encrypted else "disable", **told)
    with psycopg.connect(dsn, autocommit=True) as connection:
        canceller = connection.pgconn.get_cancel()
        connection.pgconn.send_query(b"SELECT pg_sleep(60)")
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        place.until(lambda: place.value(sleeping) == 1)
        canceller.cancel()
        result = connection.pgconn.get_result()
        assert result is not None
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"
        assert connection.pgconn.get_result() is None
        assert connection.execute("SELECT 1").fetchone() == (1,)
