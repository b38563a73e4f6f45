"""The shape of a text: plain literals replaced by markers, so that facts can be found again.

Two texts of one shape parse to trees that differ in literal values only. Where anything unusual
is present there is no shape. Runs for every statement of a busy client: a few microseconds.
"""

from __future__ import annotations

import re

# With none of these in a text, quotes and quoted names are all that must be told apart.
_TRICKS = re.compile(r"[\\\x00-\x02]|--|/\*|\$(?![0-9])")
# Every character beyond ASCII belongs to a name, as the target reads it: `€1` is one.
_LITERAL = re.compile(
    r"\"[^\"]*\"|'[^']*'|(?<![\w.$\x80-\U0010ffff])[0-9]{1,9}(?![\w.$\x80-\U0010ffff])"
)
# What is left after that: a lone quote, a string with a prefix or split by '', U&"…".
_ODD = re.compile(r"'|[\w$&\x01]\x01|&\"", re.ASCII)
# `float(n)` picks its type by n. The others make a text one that may have to be redacted.
_WORDS = re.compile(
    r"float|passw|passphrase|pgpass|secret|credential|api_?key|private_?key|pgp_|crypt|hmac"
    r"|mapping|dblink|connection|://"
)


def _marker(found: re.Match[str]) -> str:
    piece = found[0]
    first = piece[0]
    if first == "'":
        return "\x01"
    return piece if first == '"' else "\x02"


def shape_of(text: str) -> str | None:
    """The shape, or None where a text must be read by itself."""
    if _TRICKS.search(text) is not None:
        return None
    shaped = _LITERAL.sub(_marker, text)
    if _ODD.search(shaped) is not None or _WORDS.search(text.lower()) is not None:
        return None
    return shaped
