"""Stories of requests: what is not known for sure, and the evidence of what was asked."""

from __future__ import annotations

import json

import pytest
from support.builders import facts, principal, target

from gatekeep.domain.actions import SqlClass, WhereClause
from gatekeep.policy.request import (
    Place,
    entities,
    moment,
    place_request_json,
    sql_question,
    sql_request_json,
    surroundings,
)

PLACE = Place(principal(), target(labels=frozenset({"pii"})), "app_rw", "shop", "10.1.4.7:5511")


def test_an_incomplete_set_makes_more_than_itself_unknown() -> None:
    """Tags are drawn from tables and functions, settings and roles from functions."""
    tables = sql_question(PLACE, facts(tables_complete=False), "simple", None).unknown
    functions = sql_question(PLACE, facts(functions_complete=False), "simple", None).unknown
    assert {"tables_read", "tables_written", "tags"} <= tables
    assert "settings" not in tables
    assert {"functions", "tags", "settings", "roles"} <= functions


@pytest.mark.parametrize("sql_class", [SqlClass.OPAQUE, SqlClass.PROCEDURAL])
def test_code_has_no_complete_facts_whatever_its_flags_say(sql_class: SqlClass) -> None:
    """Flags that claim more than can be known are not believed."""
    question = sql_question(PLACE, facts(sql_class), "simple", None)
    assert {"tables_read", "tables_written", "columns", "functions", "tags"} <= question.unknown
    assert question.context["tables_complete"] is False
    assert ("verb" in question.unknown) is (sql_class is SqlClass.OPAQUE)


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("10.1.4.7", "10.1.4.7"),
        ("10.1.4.7:5511", "10.1.4.7"),
        ("::1", "::1"),
        ("[fe80::1%eth0]:22", "fe80::1"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("", ""),
        ("local socket", ""),
    ],
)
def test_source_addresses_are_read_or_unknown(source: str, address: str) -> None:
    """An address that cannot be read is not known, so no forbid on addresses is passed by it."""
    context, absent = surroundings(Place(principal(), target(), source=source), None)
    assert ("source" in absent) is (address == "")
    if address:
        assert context["source"]["__extn"]["arg"] == address


def test_minutes_are_days_of_the_week() -> None:
    """1970-01-01 was a Thursday; 2026-11-20 19:30 UTC is a Friday."""
    assert (moment(0).weekday, moment(0).hour) == (4, 0)
    friday = moment(1795203000 // 60)
    assert (friday.weekday, friday.hour, friday.minute) == (5, 19, 30)


def test_the_request_as_evidence_is_whole_and_canonical() -> None:
    """Sorted keys, sets as sorted lists, everything that any rule could have read."""
    one = facts(
        SqlClass.WRITE,
        "UPDATE",
        tables_written=frozenset({"public.b", "public.a"}),
        where=WhereClause.PRESENT,
        columns_complete=False,
    )
    raw = sql_request_json(PLACE, [one], "extended", moment(0), frozenset({"late"}))
    shown = json.loads(raw)
    assert raw == json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()
    statement = shown["statements"][0]
    assert statement["action"] == "sql.write"
    assert statement["tables_written"] == ["public.a", "public.b"]
    assert statement["columns_complete"] is False
    assert statement["tables_complete"] is True
    assert statement["tags"] == ["late"]
    assert shown["principal"]["groups"] == ["engineers"]
    assert shown["target"]["labels"] == ["pii"]
    assert (shown["account"], shown["database"], shown["mode"]) == ("app_rw", "shop", "extended")
    assert shown["time"] == {"hour": 0, "minute": 0, "weekday": 4}


def test_the_text_of_a_statement_is_no_part_of_the_request() -> None:
    """Facts are shared by shape; the event carries the text itself."""
    raw = sql_request_json(PLACE, [facts(redacted="SELECT secret")], "simple", None)
    assert b"secret" not in raw


def test_gateway_requests_have_no_target() -> None:
    """They are about gatekeep itself."""
    shown = json.loads(place_request_json("audit.read", Place(principal("carol", "security"), None), None))
    assert shown["action"] == "audit.read"
    assert "target" not in shown
    kinds = {one["uid"]["type"] for one in entities(principal(), None)}
    assert kinds == {"Principal", "Group", "Gateway"}
