"""Under `balanced` an ordinary day of an engineer goes through without a false ask or refusal."""

from __future__ import annotations

import psycopg
import pytest
from support.browsers import BROWSING
from support.journal_evidence import kind, of_kind
from support.journey import Place
from support.ordinary_day import CHANGING, NOT_ORDINARY, OPENING, READING, SESSION

pytestmark = pytest.mark.journey


def _sent(connection: psycopg.Connection[tuple[object, ...]], texts: tuple[str, ...]) -> list[str]:
    """What of these was not answered as by the server itself, each in one Query message."""
    complaints = []
    for text in texts:
        result = connection.pgconn.exec_(text.encode())
        if result.error_message:
            complaints.append(f"{text}: {result.error_message.decode()}")
    return complaints


def test_reading_and_the_session(place: Place) -> None:
    """Settings, transactions, joins, windows, JSON, dates, EXPLAIN: all pass, all classes hold."""
    mark = place.evidence.mark()
    with place.connect(autocommit=True) as connection:
        assert _sent(connection, SESSION) == []
        assert _sent(connection, READING) == []
    actions = of_kind(place.evidence.closed(mark), "action.released")
    taken = [(one["class"], one["text"]) for one in actions]
    assert {one for one, _ in taken} == {"read", "session"}
    assert [text for one, text in taken[-len(READING) :] if one != "read"] == []


def test_opening_as_other_drivers_do(place: Place) -> None:
    """What pgAdmin, ODBC, Ruby, .NET, Go and Rust drivers and poolers send first passes whole."""
    with place.connect(autocommit=True) as connection:
        assert _sent(connection, OPENING) == []


def test_changing_rows_by_key(place: Place) -> None:
    """INSERT, UPDATE, DELETE and MERGE with a WHERE pass outside production."""
    with place.connect(autocommit=True) as connection:
        assert _sent(connection, ("BEGIN", *CHANGING, "ROLLBACK")) == []


def test_browsing_with_a_graphical_client(place: Place) -> None:
    """What opening the tree of pgAdmin, DBeaver or DataGrip asks is proven `read`."""
    mark = place.evidence.mark()
    with place.connect(autocommit=True) as connection:
        assert _sent(connection, BROWSING) == []
    actions = of_kind(place.evidence.closed(mark), "action.released")
    assert [a["text"] for a in actions if a["class"] != "read"] == [BROWSING[1]]


def test_browsing_an_older_server(old_place: Place) -> None:
    """The same before PostgreSQL 15."""
    with old_place.connect(autocommit=True) as connection:
        assert (
            _sent(connection, (*BROWSING, *READING, *SESSION, "BEGIN", *CHANGING, "ROLLBACK")) == []
        )


def test_the_same_day_in_production(production_place: Place) -> None:
    """Reads, browsing and the session pass there too; a change is where a person looks."""
    with production_place.connect(autocommit=True) as connection:
        assert _sent(connection, SESSION + READING + BROWSING) == []
        refused = [text for text in CHANGING if _sent(connection, (text,))]
    assert refused == list(CHANGING)


def test_what_is_not_ordinary_still_needs_somebody(place: Place) -> None:
    """Whole tables, structure, roles, secrets, code and sequences are not let through by this."""
    mark = place.evidence.mark()
    with place.connect(autocommit=True) as connection:
        for text, _ in NOT_ORDINARY:
            (complaint,) = _sent(connection, (text,)) or ("",)
            assert "gatekeep: " in complaint, text
    events = place.evidence.closed(mark)
    assert not any(kind(event) == "action.released" for event in events)
    refused = of_kind(events, "action.refused")
    assert [
        (str(one["class"]), text) for one, (text, _) in zip(refused, NOT_ORDINARY, strict=True)
    ] == [(expected, text) for text, expected in NOT_ORDINARY]


def test_a_path_set_by_function_is_followed(place: Place) -> None:
    """After set_config of search_path the next text is read under it, the same text not at all."""
    mark = place.evidence.mark()
    with place.connect(autocommit=True) as connection:
        setting = "SELECT set_config('search_path', 'stock', false)"
        (complaint,) = _sent(connection, (f"{setting}; TABLE events",))
        assert "none of the 2 was run" in complaint
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
        assert _sent(connection, (setting, "TABLE events")) == []
    actions = of_kind(place.evidence.closed(mark), "action.released")
    last = actions[-1]
    assert (last["class"], last["text"]) == ("read", "TABLE events")
    assert "stock.events" in str(last["tables_read"])
