"""The values of a template: the literals of a statement, numbered as `template` numbers them.

A value beside a word that tells whose or how much (a role, a tenant, a path, a price) is sensitive:
leave that is given for one such value is never leave for another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gatekeep.domain.actions import BoundValue
from gatekeep.domain.grants import Slot
from gatekeep.protocols.sql.parse import Token, scan_tokens

_SENSITIVE: Final = re.compile(
    r"role|tenant|owner|price|amount|salar|path|file|grant|admin|user_?name|account|password|limit",
    re.IGNORECASE,
)
_NEAR: Final = 4
_LITERALS: Final = frozenset({"string", "number"})


def slots_of(text: str, bound: Sequence[BoundValue] = ()) -> tuple[Slot, ...]:
    """The literals in the order of the text, then the bound values; none if it cannot be read."""
    tokens = scan_tokens(text)
    if tokens is None:
        return ()
    data = text.encode()
    found: list[Slot] = []
    for at, token in enumerate(tokens):
        if token.kind in _LITERALS:
            piece = data[token.start : token.end].decode()
            found.append(
                Slot(len(found) + 1, token.kind, piece, sensitive=_sensitive(data, tokens, at))
            )
    found.extend(
        Slot(
            len(found) + number, f"oid {value.oid}", _shown(value), bound=True,
            sensitive=bool(value.sha256),
        )
        for number, value in enumerate(bound, 1)
    )  # fmt: skip
    return tuple(found)


def _sensitive(data: bytes, tokens: Sequence[Token], at: int) -> bool:
    words = (data[one.start : one.end].decode() for one in tokens[max(0, at - _NEAR) : at])
    return any(_SENSITIVE.search(word) for word in words)


def _shown(value: BoundValue) -> str:
    if value.sha256:
        return f"sha256:{value.sha256}:{value.length}"
    return "NULL" if value.text is None else f"={value.text}"
