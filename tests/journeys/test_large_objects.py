"""Large objects by SQL functions, as psycopg and others use them: they work, and each is told."""

from __future__ import annotations

import psycopg
import pytest
from support.journal_evidence import of_kind, outcomes
from support.journey import Place

pytestmark = pytest.mark.journey

CONTENT = bytes(range(256)) * 40


def test_written_read_and_removed_through_the_gateway(open_place: Place) -> None:
    """lo_creat, lo_open, lowrite, lo_lseek, loread, lo_close and lo_unlink, with binary values."""
    mark = open_place.evidence.mark()
    with open_place.connect() as connection, connection.cursor(binary=True) as cursor:
        (oid,) = cursor.execute("SELECT lo_creat(-1)").fetchone() or (0,)
        (handle,) = cursor.execute("SELECT lo_open(%s::oid, 393216)", [oid]).fetchone() or (0,)
        told = cursor.execute("SELECT lowrite(%s::int4, %b)", [handle, CONTENT]).fetchone()
        assert told == (len(CONTENT),)
        cursor.execute("SELECT lo_lseek(%s::int4, 0, 0)", [handle])
        told = cursor.execute("SELECT loread(%s::int4, 100000)", [handle]).fetchone()
        assert told == (CONTENT,)
        cursor.execute("SELECT lo_close(%s::int4)", [handle])
        connection.commit()
        assert cursor.execute("SELECT lo_get(%s::oid)", [oid]).fetchone() == (CONTENT,)
        cursor.execute("SELECT lo_unlink(%s::oid)", [oid])
    stored = f"SELECT count(*) FROM pg_largeobject_metadata WHERE oid = {oid}"  # noqa: S608 - a number
    assert open_place.value(stored) == 0
    events = open_place.evidence.closed(mark)
    calls = [one for one in of_kind(events, "action.released") if "large_object" in one["tags"]]
    assert [str(one["functions"][0]).rpartition(".")[2] for one in calls] == [
        "lo_creat", "lo_open", "lowrite", "lo_lseek", "loread", "lo_close", "lo_get", "lo_unlink",
    ]  # fmt: skip
    assert {one["class"] for one in calls} == {"procedural"}
    written = calls[2]["parameters"][1]
    assert isinstance(written, dict)
    assert written["length"] == len(CONTENT)
    assert all(outcome == "done" for _, outcome in outcomes(events))


def test_who_may_only_read_writes_no_large_object(reading_place: Place) -> None:
    """They are functions that write: not proven to read, and refused."""
    account = next(iter(reading_place.gateway.accounts))
    with reading_place.connect(account=account, autocommit=True) as connection:
        for call in ("lo_creat(-1)", "lo_from_bytea(0, 'x')", "lo_put(1, 0, 'x')", "lo_unlink(1)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="gatekeep: "):
                connection.execute(f"SELECT {call}")
