"""The words of a shell command: what is left of one after quotes and backslashes are taken away.

Works on single words of a parsed tree; which words make a command is found in `grammar`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tree_sitter import Node

#: Stands for what is only known when the shell runs: the value of a variable, an output.
HOLE: Final = "\0"

#: Words that are structure where a command may begin; a tree with one there was read wrongly.
KEYWORDS: Final = frozenset(
    {"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "function", "in",
     "{", "}", "[[", "]]", "!"}
)  # fmt: skip

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_./:=,+@%^#-]+")
_STRAY: Final = re.compile(r"[\s;&|<>()'\"`$]")
_STRAY_IN_PATTERN: Final = re.compile(r"[\s;&<>'\"`$]")
#: Bytes that are no UTF-8.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BRACES: Final = re.compile(r"\{[^{}]*(?:,|\.\.)")
_ANSI: Final = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})"
    r"|U([0-9A-Fa-f]{1,8})|c(.))",
    re.DOTALL,
)
_ANSI_LETTERS: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_HOME: Final = (b"$HOME", b"${HOME}")
_DOLLARS: Final = frozenset({"simple_expansion", "translated_string"})
_NOT_ASCII: Final = 0x80
_TOP_UNICODE: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `value` is what the program gets, with HOLE where that is not known.

    `literal`: the program gets exactly `value`, as one word. `globs`: `value` is a pattern over
    file names. `odd`: it holds what no word of a shell holds, so the tree is not to be trusted.
    `bash`: it is written in a way that only bash reads so.
    """

    written: str
    value: str
    literal: bool = True
    globs: bool = False
    odd: bool = False
    bash: bool = False

    @property
    def shown(self) -> str:
        """The value where it is known, else as it was written."""
        return self.value if self.literal else self.written


def plain(value: str) -> Word:
    """A word that is known to be this."""
    return Word(value, value)


def read_word(node: Node, source: bytes) -> Word:
    """The word at a node of the tree over `source`."""
    raw = source[node.start_byte : node.end_byte]
    written = raw.decode("utf-8", "surrogateescape")
    if _PLAIN.fullmatch(raw):
        return Word(written, written)
    pieces = _Pieces(source)
    pieces.take(node)
    value = "".join(pieces.values)
    shape = "".join(pieces.shape)
    tilde = shape.startswith("~") or ":~" in shape or "=~" in shape
    braces = "{" in shape and (_BRACES.search(shape) is not None or pieces.expands)
    globs = any(mark in shape for mark in "*?[")
    return Word(
        written,
        value,
        literal=not (
            pieces.expands
            or braces
            or globs
            or (tilde and not value.startswith("~"))
            or _SURROGATE.search(value) is not None
        ),
        globs=globs or braces,
        odd=pieces.odd or "\0" in written,
        bash=pieces.bash or braces,
    )


class _Pieces:
    """Collects the values of a word's parts; `shape` holds only what was not quoted."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self.values: list[str] = []
        self.shape: list[str] = []
        self.expands = False
        self.odd = False
        self.bash = False

    def take(self, node: Node) -> None:
        """One part, or all parts of a concatenation."""
        kind = node.type
        if kind != "concatenation":
            self._part(node, kind)
            return
        end = node.start_byte
        for child in node.children:
            self.odd |= child.start_byte != end
            end = child.end_byte
            self._part(child, child.type)
        self.odd |= end != node.end_byte

    def _part(self, node: Node, kind: str) -> None:
        text = self._text(node)
        self.odd |= kind in _DOLLARS and text[1:2].isspace()
        if kind in ("word", "number", "extglob_pattern") or not node.is_named:
            self._unquoted(text, pattern=kind == "extglob_pattern")
        elif kind == "raw_string":
            self._quoted(text[1:-1])
            self.odd |= "'" in text[1:-1] or len(text) < len("''")
        elif kind == "ansi_c_string":
            self._quoted(_decoded(text[2:-1]))
            self.bash = True
        elif kind in ("string", "translated_string"):
            self._string(node if kind == "string" else node.children[-1])
            self.bash |= kind == "translated_string"
        elif kind == "concatenation":
            for child in node.children:
                self._part(child, child.type)
        else:
            self._expansion(text)
            self.bash |= kind in ("process_substitution", "brace_expression")

    def _unquoted(self, text: str, *, pattern: bool = False) -> None:
        """Backslashes taken away; what remains may be a pattern."""
        self.odd |= pattern and _STRAY_IN_PATTERN.search(re.sub(r"\\.", "", text)) is not None
        if "\\" not in text:
            self.odd |= not pattern and _STRAY.search(text) is not None
            self.values.append(text)
            self.shape.append(text)
            return
        at = 0
        while (slash := text.find("\\", at)) >= 0:
            before, quoted = text[at:slash], text[slash + 1 : slash + 2]
            self.odd |= not pattern and _STRAY.search(before) is not None
            self.values.append(before)
            self.shape.append(before)
            if quoted != "\n":
                self._quoted(quoted or "\\")
            at = slash + 2
        rest = text[at:]
        self.odd |= not pattern and _STRAY.search(rest) is not None
        self.values.append(rest)
        self.shape.append(rest)

    def _quoted(self, text: str) -> None:
        self.values.append(text)
        self.shape.append("\x01")

    def _string(self, node: Node) -> None:
        """A string in double quotes: what lies between its expansions is text."""
        at = node.start_byte + 1
        for child in node.children:
            if child.type in ('"', "string_content"):
                continue
            self._quoted(_unescaped(self._slice(at, child.start_byte)))
            self._expansion(self._text(child))
            at = child.end_byte
        if node.end_byte > at:
            self._quoted(_unescaped(self._slice(at, node.end_byte - 1)))

    def _expansion(self, text: str) -> None:
        self.expands = True
        home = text.encode("utf-8", "replace") in _HOME and not "".join(self.values)
        self.values.append("~" if home else HOLE)
        self.shape.append("\x01")

    def _text(self, node: Node) -> str:
        return self._slice(node.start_byte, node.end_byte)

    def _slice(self, start: int, end: int) -> str:
        return self._source[start:end].decode("utf-8", "surrogateescape")


def _unescaped(text: str) -> str:
    """Text in double quotes, without the backslashes that the shell takes away."""
    if "\\" not in text:
        return text
    return re.sub(r'\\([$`"\\\n])', lambda found: found[1] if found[1] != "\n" else "", text)


def _decoded(text: str) -> str:
    """Text of `$'…'`. A NUL ends it, as in the shell."""
    if "\\" not in text:
        return text
    decoded = _ANSI.sub(_ansi, text).partition("\0")[0]
    if _SURROGATE.search(decoded) is None:
        return decoded
    return decoded.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _ansi(found: re.Match[str]) -> str:
    letter, octal, byte, short, long, control = found.groups()
    if letter is not None:
        return _ANSI_LETTERS[letter]
    if control is not None:
        return chr(ord(control.upper()) & 0x1F) if control.isascii() else HOLE
    if octal is not None or byte is not None:
        number = int(octal, 8) & 0xFF if octal is not None else int(byte, 16)
        return chr(number) if number < _NOT_ASCII else bytes([number]).decode("utf-8", "surrogateescape")
    number = int(short or long, 16)
    return chr(number) if number <= _TOP_UNICODE and number not in _SURROGATES else HOLE
