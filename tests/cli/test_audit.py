"""`gatekeep audit tail|search|show` against a running API."""

from __future__ import annotations

import io
import json
from typing import Any

from support.api_world import finished, released
from support.gateway_thread import Gatekeep, Gateway

from gatekeep.cli.events import TailLines, duration_words, event_row
from gatekeep.cli.output import Format, Screen, Surface
from gatekeep.gate.ports import StoredEvent


def _as_json(event: StoredEvent) -> dict[str, Any]:
    return {
        "n": event.n,
        "state": event.state,
        "envelope": event.envelope,
        "payload": event.payload,
    }


def _lines(*, terminal: bool, width: int = 200) -> TailLines:
    return TailLines(
        Screen(
            Surface(terminal=terminal, colour=False, accessible=False, width=width),
            Format.TABLE,
            out=io.StringIO(),
            talk=io.StringIO(),
        )
    )


def test_one_line_per_event() -> None:
    """Time, shape and decision, who and where, class, the statement folded on one line."""
    line = _lines(terminal=True).line(
        _as_json(released(1, text="delete\n  from   customers", verdict="deny"))
    )
    assert line[8:] == "  ■ deny    alice → orders  read  delete from customers"


def test_an_outcome_names_who_acted() -> None:
    """An outcome's payload does not repeat the principal; the session's earlier event tells."""
    lines = _lines(terminal=True)
    lines.line(_as_json(released(1)))
    line = lines.line(_as_json(finished(2, 1)))
    assert line[8:] == "    └ done SELECT 1 1 ms   alice → orders"


def test_a_long_statement_is_cut_on_a_terminal_and_whole_in_a_pipe() -> None:
    """Nothing is lost where a program reads."""
    event = _as_json(released(1, text="select " + "x" * 500))
    shown = _lines(terminal=True, width=60).line(event)
    assert len(shown) == 60
    assert shown.endswith("…")
    piped = _lines(terminal=False).line(event)
    assert piped.split("\t")[8] == "select " + "x" * 500
    assert piped.split("\t")[:7] == [
        "2025-10-09T08:53:20.000001Z",
        "1",
        "action.released",
        "allow",
        "alice",
        "orders",
        "read",
    ]


def test_a_refusal_that_was_not_policys_says_so() -> None:
    """An allowed statement that could not be recorded is not shown as if it ran."""
    event = _as_json(released(1, cause="journal"))
    assert "(not sent: journal)" in _lines(terminal=True).line(event)


def test_a_sealed_event_still_has_a_line() -> None:
    """Without keys, kind, decision, target and time remain."""
    event = {**_as_json(released(1)), "payload": None}
    assert "● allow   orders" in _lines(terminal=True).line(event)
    assert event_row(event)["statement"] == ""


def test_hostile_statements_stay_on_their_line() -> None:
    """A statement cannot end the line, hide, or drive the terminal."""
    event = _as_json(released(1, text="select 1\x1b[2J\n\u202e--\x07", principal="\x1b]0;x\x07"))
    for terminal in (True, False):
        line = _lines(terminal=terminal).line(event)
        assert "\x1b" not in line
        assert "\x07" not in line
        assert "\u202e" not in line
        assert "\n" not in line


def test_durations_are_readable() -> None:
    """Three units, no long numbers."""
    assert [duration_words(n) for n in (7, 12_345, 3_400_000)] == ["7 µs", "12 ms", "3.4 s"]


def test_tail_follows_and_ends_with_the_stream(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A tail shows what is there, goes on, and ends with 0 when the stream does."""
    archive = gateway.world.archive
    archive.ends_after = 2

    def happen() -> None:
        archive.add(released(0))
        archive.add(finished(1, 0))

    gateway.soon(happen)
    told = gatekeep("audit", "tail", "--from", "0", "-o", "json")
    assert told.code == 0
    assert [json.loads(line)["n"] for line in told.out.splitlines()] == [0, 1]


def test_search_gives_whole_events_as_one_document(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """`-o json` is one document of whole events; `--jsonl` one event a line."""
    for n in range(3):
        gateway.world.archive.add(released(n, text=f"select {n}"))
    told = gatekeep("audit", "search", "table:orders", "-o", "json")
    assert [event["payload"]["text"] for event in json.loads(told.out)] == [
        "select 2",
        "select 1",
        "select 0",
    ]
    told = gatekeep("audit", "search", "--jsonl", "--limit", "2")
    assert [json.loads(line)["n"] for line in told.out.splitlines()] == [2, 1]


def test_search_pages_through_more_than_one_page(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """A limit above the API's page size is met by several calls."""
    for n in range(1203):
        gateway.world.archive.add(released(n))
    told = gatekeep("audit", "search", "--limit", "1200")
    assert len(told.out.splitlines()) == 1200
    assert [query.limit for query in gateway.world.archive.asked] == [1000, 200]


def test_search_in_a_pipe_has_one_line_a_record(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """`cut -f` finds its columns, whatever the statements hold."""
    gateway.world.archive.add(released(0, text="select\t'a\nb'"))
    told = gatekeep("audit", "search", "--header")
    header, line = told.out.splitlines()
    assert header.split("\t")[8] == "STATEMENT"
    assert line.split("\t")[8] == r"select\x09'a\x0ab'"


def test_show_gives_every_field(gateway: Gateway, gatekeep: Gatekeep) -> None:
    """Nothing of an event is left out, and a statement keeps its lines."""
    gateway.world.archive.add(released(0, text="select 1,\n  2", tables_read=["public.orders"]))
    told = gatekeep("show", "0")
    assert "  session:\n    principal: alice" in told.out
    assert "  text:\n    | select 1,\n    |   2\n" in told.out
    assert "tables_read: public.orders" in told.out
    assert json.loads(gatekeep("audit", "show", "0", "-o", "json").out)["n"] == 0
