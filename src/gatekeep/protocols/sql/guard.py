"""Looks at a text before the C parser sees it: what could crash or stall the parser stays out.

One linear pass of one compiled expression. Errs on the side of refusing; never parses.

Measured with postgast 0.2 (libpg_query of PostgreSQL 18) on an 8 MiB stack: chains of `+`, `||`,
`::t`, `IS NULL`, `AT TIME ZONE`, JOIN survive 21,000 links and UNION 40,000, all die (SIGSEGV)
before 100,000; brackets, NOT, CASE, ARRAY and signs end in a clean "memory exhausted" near 10,000
levels; AND, OR, commas, IN lists and indirections are flat (1e6 elements: seconds, no crash). A
chain of n links costs n*n: 1,000 take 3 ms, 10,000 take 90 ms; a tree over about 48 levels is
refused by protobuf afterwards in any case. Nested comments are quadratic too: 1,000 levels 16 ms,
10,000 levels 1.6 s.
"""

from __future__ import annotations

import re

MAX_BYTES = 256_000
SMALL = 4_096
"""Characters up to which a text may be read on the event loop's thread (at worst 30 ms)."""
MEDIUM = 16_384
"""Characters up to which it may be read on a thread of this process: its tree holds the
interpreter's lock for 16 ms at worst, that of 256 kB for 300 ms."""
_USUAL_STACK = 16_384
"""Characters up to which the limits suit a thread with an 8 MiB stack; above: 64 MiB."""
MAX_CHAIN_SMALL = 4_000
MAX_CHAIN = 20_000
MAX_DEPTH = 500
MAX_COMMENT_DEPTH = 32
_HARMLESS = 2_048

# What strings hold is passed over only where nothing else could make a quote look like the start
# of a string; otherwise it is counted too, which refuses a little more and never less. Brackets
# closed inside comments may hide depth, which is harmless: brackets end cleanly in the parser.
_TRICKY = re.compile(r"""["$\\]|--|/\*""")
_BODY = (
    r"(?P<open>[(\[]|\bcase\b)|(?P<close>[)\]]|\bend\b)|(?P<chain>[-+*/<>=~!@#%^&|`?:]+"
    r"|\b(?:and|or|not|union|intersect|except|is|isnull|notnull|like|ilike|similar|in|between"
    r"|collate|at|join|operator|overlaps)\b)"
)
_TOKEN = re.compile(_BODY, re.IGNORECASE)
_TOKEN_OR_STRING = re.compile(r"'[^']*'|" + _BODY, re.IGNORECASE)
_COMMENT = re.compile(r"/\*|\*/")


def too_dangerous(text: str) -> str:
    """Why this text must not reach the parser; empty when it may."""
    if "\x00" in text:
        return "zero byte"
    if len(text) <= _HARMLESS:
        return _comments(text) if text.count("/*") > MAX_COMMENT_DEPTH else ""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return "over 256 kB"
    return _comments(text) or _chains(text)


def _comments(text: str) -> str:
    depth = 0
    for found in _COMMENT.finditer(text):
        depth = depth + 1 if found[0] == "/*" else max(depth - 1, 0)
        if depth > MAX_COMMENT_DEPTH:
            return "nested comments"
    return ""


def _chains(text: str) -> str:
    limit = MAX_CHAIN_SMALL if len(text) <= _USUAL_STACK else MAX_CHAIN
    depth = chain = 0
    pattern = _TOKEN if _TRICKY.search(text) else _TOKEN_OR_STRING
    for found in pattern.finditer(text):
        kind = found.lastgroup
        if kind == "chain":
            word = found[0]
            chain += 1 if word.isalpha() else len(word)
            if chain > limit:
                return "too many operators"
        elif kind == "open":
            depth += 1
            if depth > MAX_DEPTH:
                return "nested too deep"
        elif kind == "close" and depth:
            depth -= 1
    return ""
