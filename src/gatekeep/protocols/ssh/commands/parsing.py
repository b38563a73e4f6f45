"""The parser, and the bounds on what it is given. What a tree means is for `grammar`.

A linear look comes first: size, depth, and how often what the parser takes time or memory by its
square for occurs (found by trying: `a|a|…`, `a()a()…`, `a=(`, `${`). And it sees ASCII only: the scanner of tree-sitter-bash
0.25 asks C's `isdigit` about whole code points, which reads far outside of a table: `{` before U+B7E3A
ended the process in one of three.
"""

from __future__ import annotations

import functools
import re
from typing import Final

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 500
MAX_NODES: Final = 60_000
_BUDGET: Final = ((rb"[()]", 1_000), (rb"\|", 2_000), (rb"[{]", 2_000), (rb"<<", 500))

#: A byte that is no ASCII is a letter of a word to bash, whatever it is part of, and so is this one.
_AS_ASCII: Final = bytes(range(0x80)) + b"%" * 0x80

_NESTING: Final = re.compile(rb"([({]|\b(?:if|do|case)\b)|([)}]|\b(?:fi|done|esac)\b)")


@functools.cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def encoded(text: str) -> bytes | None:
    """The bytes of a text; None where it has none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def tree_of(source: bytes) -> Node | None:
    """The root of the tree; None where the source is too large, too deep or too repetitive.

    Its positions are those of the source; what stands at them is to be taken from there.
    """
    if not _bearable(source):
        return None
    root = _parser().parse(source.translate(_AS_ASCII)).root_node
    return root if root.descendant_count <= MAX_NODES else None


def _bearable(source: bytes) -> bool:
    """A linear look before the parser: size, depth, and what its work would grow with."""
    if len(source) > MAX_BYTES:
        return False
    if len(source) < MAX_DEPTH:
        return True
    if any(len(re.findall(mark, source)) > most for mark, most in _BUDGET):
        return False
    depth = deepest = 0
    for opens, closes in _NESTING.findall(source):
        depth += 1 if opens else -1 if closes and depth else 0
        deepest = max(deepest, depth)
    return deepest <= MAX_DEPTH
