"""What lies between the parts of a tree: only what the shell, too, takes for blank may.

Each answers about bytes of the source; nothing here knows commands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tree_sitter import Node

_BETWEEN: Final = re.compile(rb"(?:\\\n)*[ \t](?:[ \t]|\\\n)*")
_BLANK: Final = re.compile(rb"(?:[ \t\n]|\\\n)*")
_BEFORE_COMMENT: Final = b" \t\n;&|()"


def are_blank(source: bytes, start: int, end: int) -> bool:
    """Whether these bytes are blanks and line ends alone."""
    return start >= end or _BLANK.fullmatch(source, start, end) is not None


def are_apart(source: bytes, end: int, start: int) -> bool:
    """Whether blanks on one line part two words."""
    return _BETWEEN.fullmatch(source, end, start) is not None


def are_clean(source: bytes, node: Node, children: Sequence[Node]) -> bool:
    """Between the parts of a structure lie only blanks, and comments begin where they may."""
    end = node.start_byte
    for child in children:
        start = child.start_byte
        if start > end and not are_blank(source, end, start):
            return False
        if child.type == "comment" and start:
            before = source[max(0, start - 2) : start]
            if before[-1] not in _BEFORE_COMMENT or before == b"\\\n":
                return False
        end = child.end_byte
    return end >= node.end_byte or are_blank(source, end, node.end_byte)


def holds_missed_code(source: bytes, body: Node) -> bool:
    """Whether a here-document holds code that the grammar did not find in it."""
    at = body.start_byte
    between = b""
    for child in body.children:
        if child.type != "heredoc_content":
            between += source[at : child.start_byte] + b" "
            at = child.end_byte
    between += source[at : body.end_byte]
    return b"$(" in between or b"${" in between or b"`" in between


def line_of(source: bytes, node: Node, *, tabs: bool) -> str:
    """The line on which a node stands; with `tabs`, without those it begins with."""
    start = source.rfind(b"\n", 0, node.start_byte) + 1
    end = source.find(b"\n", node.end_byte)
    line = source[start : end if end >= 0 else len(source)]
    return (line.lstrip(b"\t") if tabs else line).decode("utf-8", "surrogateescape")


def last_line(source: bytes, root: Node) -> int:
    """Where the last lines of a text begin that a shell reads whole before it runs any of them."""
    start = len(source)
    for child in reversed(root.children):
        if child.type == "comment":
            return len(source)
        if start < len(source) and b"\n" in source[child.end_byte : start]:
            break
        start = child.start_byte
    return start
