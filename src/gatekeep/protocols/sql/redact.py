"""A statement's text, safe for events: secrets out, everything else as it was written.

What kind of statement it is decides, not guesses at values: where a statement is of a kind that
holds secrets, all its string literals go. Without a tree the scanner's literals go; without
tokens only length, digest and first keyword stay.
"""

from __future__ import annotations

import re

from gatekeep.protocols.sql.digest import digest, looks_secret
from gatekeep.protocols.sql.parse import scan_tokens

MASK = "'***'"
_KEYWORD = re.compile(r"\s*([A-Za-z]+)")


def redacted(text: str, *, secret: bool, parsed: bool) -> str:
    """The text as events may hold it. `secret`: the tree says that it carries secrets."""
    if parsed and not secret and not looks_secret(text):
        return text
    return without_literals(text)


def without_literals(text: str) -> str:
    """The text with every string literal and comment masked, or only a description of it."""
    tokens = scan_tokens(text)
    if tokens is None:
        return described(text)
    data = text.encode()
    kept, at = [], 0
    for token in tokens:
        if token.kind in {"string", "comment"}:
            kept.append(data[at : token.start])
            kept.append(MASK.encode() if token.kind == "string" else b"/* *** */")
            at = token.end
    kept.append(data[at:])
    return b"".join(kept).decode()


def described(text: str) -> str:
    """First keyword, length and digest of a text of which nothing more may be shown."""
    data = text.encode("utf-8", "surrogatepass")
    keyword = _KEYWORD.match(text)
    first = keyword[1].upper()[:20] if keyword else "?"
    return f"{first} [{len(data)} bytes, sha256 {digest(text)}]"
