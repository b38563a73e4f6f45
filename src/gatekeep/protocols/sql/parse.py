"""PostgreSQL's own parser behind one seam: the only file that knows postgast.

Any failure of it, of whatever kind, is "no tree"; callers make that opaque.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from gatekeep.protocols.sql.guard import too_dangerous

MAX_STATEMENTS = 64
"""Of one text: each is judged by itself, which takes up to 0.5 ms of everybody's time."""
GRAMMAR = 18
"""Major version of PostgreSQL whose grammar this is."""

# Its stub files do not pass a type checker, so it is taken as untyped.
postgast: Any = importlib.import_module("postgast")
_TOKENS: Any = importlib.import_module("postgast.pg_query_pb2").Token

_STRING_TOKENS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST"})
_NUMBER_TOKENS = frozenset({"ICONST", "FCONST"})
_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
_NAMES: dict[int, str] = {}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its node (as `kind`, message) and its own slice of the text."""

    kind: str
    node: Any
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """One token by `kind`: string, number, comment, word or other; `start`, `end` in bytes."""

    kind: str
    start: int
    end: int


def parse_statements(text: str) -> tuple[Statement, ...] | None:
    """The statements of a text, or None when there is no tree to be had (never raises)."""
    if too_dangerous(text):
        return None
    try:
        statements = postgast.parse(text).stmts
        return _parsed(text, statements) if len(statements) <= MAX_STATEMENTS else None
    except Exception:  # noqa: BLE001 - whatever it is, there is no tree
        return None


def scan_tokens(text: str) -> tuple[Token, ...] | None:
    """The tokens of a text, comments included, or None when the scanner gives up."""
    if too_dangerous(text):
        return None
    try:
        found = postgast.scan(text).tokens
        return tuple(Token(_token_kind(t.token), t.start, t.end) for t in found)
    except Exception:  # noqa: BLE001 - as above
        return None


def _parsed(text: str, raw: Any) -> tuple[Statement, ...]:
    data = text.encode()
    statements = []
    for one in raw:
        end = one.stmt_location + one.stmt_len if one.stmt_len else len(data)
        piece = data[one.stmt_location : end].decode().strip()
        kind = one.stmt.WhichOneof("node")
        statements.append(Statement(kind, getattr(one.stmt, kind), piece))
    return tuple(statements)


def _token_kind(number: int) -> str:
    kind = _NAMES.get(number)
    if kind is None:
        kind = _NAMES[number] = _named_kind(_TOKENS.Name(number))
    return kind


def _named_kind(name: str) -> str:
    if name in _STRING_TOKENS:
        return "string"
    if name in _NUMBER_TOKENS:
        return "number"
    if name in _COMMENTS:
        return "comment"
    return "word" if re.fullmatch(r"[A-Z_]+", name) else "other"
