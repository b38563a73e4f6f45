"""The values of a template: the literals of a statement, numbered as `template` numbers them.

A value beside a word that tells whose or how much (a role, a tenant, a path, a price) is sensitive:
leave that is given for one such value is never leave for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from gatekeep.domain.actions import BoundValue
from gatekeep.domain.grants import Slot
from gatekeep.protocols.sql.parse import scan_tokens

_SENSITIVE: Final = re.compile(
    r"role|tenant|owner|price|amount|salar|path|file|grant|admin|user_?name|account|password|limit"
    r"|fetch|offset",
    re.IGNORECASE,
)
_NEAR: Final = 4
_LITERALS: Final = frozenset({"string", "number"})
_PARAMETER: Final = re.compile(r"\$([0-9]{1,5})")
_BEGINS: Final = frozenset(
    {
        "and", "fetch", "from", "group", "having", "limit", "offset", "on", "or", "order",
        "returning", "select", "set", "using", "values", "where", "window",
    }
)  # fmt: skip
"""Words that begin another part of a statement, outside parentheses."""


def slots_of(text: str, bound: Sequence[BoundValue] = ()) -> tuple[Slot, ...]:
    """The literals in the order of the text, then the bound values; none if it cannot be read."""
    tokens = scan_tokens(text)
    if tokens is None:
        return ()
    data = text.encode()
    words = [data[token.start : token.end].decode() for token in tokens]
    sensitive = _sensitive(words)
    found: list[Slot] = []
    hidden: set[int] = set()
    for at, token in enumerate(tokens):
        if token.kind in _LITERALS:
            found.append(
                Slot(len(found) + 1, token.kind, words[at], sensitive=at in sensitive)
            )
        elif at in sensitive and (parameter := _PARAMETER.fullmatch(words[at])):
            hidden.add(int(parameter[1]))
    written = len(found)
    found.extend(
        Slot(
            written + number, f"oid {value.oid}{' binary' if value.binary else ''}", _shown(value), bound=True,
            sensitive=bool(value.sha256) or number in hidden,
        )
        for number, value in enumerate(bound, 1)
    )  # fmt: skip
    return tuple(found)


def _sensitive(words: Sequence[str]) -> frozenset[int]:
    """The places that stand near such a word, or in the same part of the statement."""
    said = [bool(_SENSITIVE.search(word)) for word in words]
    found: set[int] = set()
    for at, one in enumerate(said):
        if one:
            found.update(range(at, min(at + _NEAR + 1, len(words))))
    for part in _parts(words):
        if any(said[at] for at in part):
            found.update(part)
    return frozenset(found)


def _parts(words: Sequence[str]) -> Iterator[range]:
    """Conditions, assignments and clauses, as runs of places; what parentheses hold is one."""
    begin, depth, between = 0, 0, False
    for at, written in enumerate(words):
        word = written.lower()
        depth = max(0, depth + (word in {"(", "["}) - (word in {")", "]"}))
        if depth or (word == "and" and between):
            between = between and bool(depth)
            continue
        between = between or word == "between"
        if word in _BEGINS or word in {",", ";"}:
            yield range(begin, at)
            begin, between = at, False
    yield range(begin, len(words))


def _shown(value: BoundValue) -> str:
    if value.sha256:
        return f"sha256:{value.sha256}:{value.length}"
    return "NULL" if value.text is None else f"={value.text}"
