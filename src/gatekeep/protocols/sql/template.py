"""Our own normal form of a statement: types, functions, tables, columns, aliases stay; literals go.

Made from tokens: blanks and comments vanish, unquoted words fold to lower case, each literal is a
slot `$1:int` or `$2:text`. So two texts of one template differ in literals only (12-threats C5).
Not libpg_query's fingerprint, which forgets types, aliases and list lengths.
"""

from __future__ import annotations

from gatekeep.protocols.sql.digest import digest
from gatekeep.protocols.sql.parse import scan_tokens
from gatekeep.protocols.sql.relations import folded


def template_of(text: str) -> str:
    """The template of a read or write statement; an exact one if there are no tokens."""
    tokens = scan_tokens(text)
    if tokens is None:
        return exact_template(text)
    data = text.encode()
    parts: list[str] = []
    slot = end = 0
    for token in tokens:
        piece = data[token.start : token.end].decode()
        if token.kind == "comment":
            continue
        if token.kind in {"string", "number"}:
            slot += 1
            value = f"${slot}:{_slot_type(token.kind, piece)}"
            if token.start == end and parts[-1] == "n":  # N'a'; n 'a' is a value of the type n
                value = parts.pop() + value
            parts.append(value)
        elif token.kind == "word" and not piece.startswith(('"', "U&", "u&")):
            parts.append(folded(piece))
        else:
            parts.append(piece)
        end = token.end
    return " ".join(parts)


def exact_template(text: str) -> str:
    """The template of what is only ever the same byte by byte."""
    return f"exact:{digest(text)}"


def _slot_type(kind: str, piece: str) -> str:
    if kind == "number":
        return "int" if piece.isdigit() else "numeric"
    return "bits" if piece[:1] in "BbXx" else "text"
