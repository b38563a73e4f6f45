"""Events as rows and as the lines of `audit tail`. What is fetched, and how, lives in `audit`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from gatekeep.cli.output import (
    Column,
    Kind,
    Screen,
    folded,
    local_time,
    tabbed,
    verdict_shape,
    visible,
)
from gatekeep.cli.telling import duration_words, said
from gatekeep.domain.sessions import session_code

Event = Mapping[str, Any]

COLUMNS: Final = (
    Column("TIME", "time", Kind.TIME),
    Column("N", "n"),
    Column("KIND", "kind"),
    Column("DECISION", "decision", Kind.VERDICT),
    Column("PRINCIPAL", "principal"),
    Column("TARGET", "target"),
    Column("CLASS", "class"),
    Column("OUTCOME", "outcome"),
    Column("STATEMENT", "statement"),
    Column("SESSION", "code"),
)
SHORT: Final = tuple(column for column in COLUMNS if column.key not in {"kind", "outcome", "code"})
"""What fits a terminal: outcomes and other kinds are told in the last column there."""

_SESSIONS_KEPT: Final = 4096
_TAIL_STATEMENT: Final = "statement"
_ID_CHARACTERS: Final = 32
_ENDED: Final = frozenset({"action.finished", "action.unknown"})


def event_row(event: Event) -> dict[str, Any]:
    """The parts of an event that a line shows; a sealed payload leaves its parts empty."""
    envelope = event.get("envelope") or {}
    payload = event.get("payload") or {}
    session = payload.get("session")
    if not isinstance(session, Mapping):
        session = {}
    kind, session_id = str(envelope.get("k", "")), str(envelope.get("s", ""))
    return {
        "n": event.get("n"),
        "time": envelope.get("t", 0),
        "kind": kind,
        "decision": (envelope.get("g") or {}).get("decision", ""),
        "principal": session.get("principal") or payload.get("principal", ""),
        "target": envelope.get("x", ""),
        "class": payload.get("class", ""),
        "outcome": outcome_words(payload) or outcome_words(event.get("outcome") or {}),
        "statement": said(kind, payload, session_id),
        "session": session_id,
        "code": session_code(session_id) if len(session_id) == _ID_CHARACTERS else "",
        "state": event.get("state", ""),
    }


def outcome_words(payload: Mapping[str, Any]) -> str:
    """What became of an action, in a few words; empty when the event says nothing of it."""
    cause = payload.get("cause")
    if "outcome" not in payload:
        if isinstance(payload.get("of"), int):
            return f"unknown: {cause}" if cause else "unknown"
        return f"not sent: {cause}" if cause and cause != "policy" and "class" in payload else ""
    words = [str(payload["outcome"])]
    if payload.get("sqlstate"):
        words.append(str(payload["sqlstate"]))
    if payload.get("message"):
        words.append(str(payload["message"]))
    elif payload.get("tag"):
        words.append(str(payload["tag"]))
    duration = payload.get("duration_us")
    if isinstance(duration, int):
        words.append(duration_words(duration))
    return " ".join(words)


class TailLines:
    """Turns events into lines, remembering who is behind a session."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._who: OrderedDict[str, str] = OrderedDict()

    def line(self, event: Event) -> str:
        """One line: for a person on a terminal, tab-separated in a pipe."""
        row = event_row(event)
        row["principal"] = self._principal(row)
        if not self._screen.surface.terminal:
            return tabbed(COLUMNS, row)
        return self._for_people(row)

    def _for_people(self, row: Mapping[str, Any]) -> str:
        screen = self._screen
        clock = local_time(int(row["time"]))[11:]
        if row["kind"] in _ENDED:
            rest = f"└ {visible(str(row['outcome']))}   {_place(row)}"
            return screen.paint("dim", screen.cut(f"{clock}    {rest}"))
        if row["decision"] and row["kind"].startswith("action."):
            verdict = str(row["decision"])
            shape = f"{verdict_shape(verdict):<8}"
            room = screen.surface.width - len(clock) - len(shape) - 4
            text = f"{_place(row)}  {visible(str(row['class']))}  {_said(row)}"
            return f"{clock}  {screen.paint(verdict, shape)}  {screen.cut(text, room)}"
        words = f"· {visible(str(row['kind']))}  {_place(row)}  {_said(row)}"
        return screen.cut(f"{clock}  {words}".rstrip())

    def _principal(self, row: Mapping[str, Any]) -> str:
        """Outcomes do not repeat who acted, so the session's earlier events tell."""
        session, who = str(row["session"]), str(row["principal"])
        if who:
            self._who[session] = who
            self._who.move_to_end(session)
            if len(self._who) > _SESSIONS_KEPT:
                self._who.popitem(last=False)
            return who
        return self._who.get(session, "")


def _place(row: Mapping[str, Any]) -> str:
    who, target = visible(str(row["principal"])), visible(str(row["target"]))
    if who and target:
        return f"{who} → {target}"
    return who or target


def _said(row: Mapping[str, Any]) -> str:
    said = folded(str(row[_TAIL_STATEMENT]))
    if row["kind"] not in _ENDED and row["outcome"]:
        said = f"({visible(str(row['outcome']))}) {said}"
    return said


def detail_lines(event: Event) -> list[str]:
    """An event whole, as `name: value` lines; a statement keeps its own lines, indented."""
    lines = [f"n: {event.get('n')}", f"state: {visible(str(event.get('state')))}"]
    row = event_row(event)
    lines.append(f"time: {local_time(int(row['time']))}" if row["time"] else "time: -")
    for part in ("envelope", "payload"):
        value = event.get(part)
        lines.append(f"{part}:" if value else f"{part}: sealed")
        lines += _indented(value or {}, "  ")
    return lines


def _indented(value: Any, margin: str) -> list[str]:
    lines: list[str] = []
    for name, inner in value.items():
        label = f"{margin}{visible(str(name))}:"
        if isinstance(inner, Mapping):
            lines += [label, *_indented(inner, margin + "  ")]
        elif isinstance(inner, list):
            lines.append(f"{label} {', '.join(_plain(one) for one in inner)}".rstrip())
        elif isinstance(inner, str) and "\n" in inner:
            lines += [label, *(f"{margin}  | {visible(line)}" for line in inner.split("\n"))]
        else:
            lines.append(f"{label} {_plain(inner)}".rstrip())
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{visible(str(k))}: {_plain(v)}" for k, v in value.items()) + "}"
    if value is None:
        return "null"
    return visible(str(value).lower() if isinstance(value, bool) else str(value))
