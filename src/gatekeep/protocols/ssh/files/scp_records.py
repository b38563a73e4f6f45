"""The words of the old scp protocol: its command, its records, its replies. No state.

A command is `scp -t` (the target takes files) or `scp -f` (it gives them). Records go from the side
that has the files, replies come back: a zero byte, or a line behind a byte 1 (error) or 2 (the end).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from gatekeep.messages import printable
from gatekeep.protocols.ssh.files.sftp_names import has_controls, is_entry

MOST_LINE: Final = 8192
_MOST_MESSAGE: Final = 1024
_FLAGS: Final = frozenset("tfrpdvq")
_ENTRY: Final = re.compile(rb"([CD])([0-7]{4,5}) ([0-9]{1,19}) (.+)", re.DOTALL)
_TIMES: Final = re.compile(rb"T([0-9]{1,19}) ([0-9]{1,6}) ([0-9]{1,19}) ([0-9]{1,6})")


class Broken(ValueError):  # noqa: N818 - what was sent, not a mistake of ours
    """Bytes that are not of this protocol, or a name that may not be."""


class ScpCommand(NamedTuple):
    """What `scp -t` or `scp -f` was called with. `takes`: the target takes files (`-t`)."""

    takes: bool
    paths: tuple[str, ...]
    recursive: bool = False
    preserves: bool = False
    directory: bool = False


class Entry(NamedTuple):
    """A file (`C`) or a directory (`D`) that begins."""

    directory: bool
    mode: int
    size: int
    name: bytes


class Times(NamedTuple):
    """The times of the entry that follows (`T`)."""

    modified: int
    accessed: int


class End(NamedTuple):
    """A directory ends (`E`)."""


Record: TypeAlias = Entry | Times | End


def read_command(words: Sequence[str]) -> ScpCommand | None:
    """The words of a command that is one of scp's two; None if it is not, or holds more than that."""
    if not words or posixpath.basename(words[0]) != "scp":
        return None
    flags: set[str] = set()
    rest = list(words[1:])
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        word = rest.pop(0)
        if word == "--":
            break
        flags.update(word[1:])
    if not flags <= _FLAGS or len(flags & {"t", "f"}) != 1 or not rest:
        return None
    takes = "t" in flags
    if takes and len(rest) != 1:
        return None
    return ScpCommand(takes, tuple(rest), "r" in flags, "p" in flags, "d" in flags)


def read_record(line: bytes) -> Record:
    """A record, without its end of line. Raises Broken."""
    if line == b"E":
        return End()
    if found := _TIMES.fullmatch(line):
        return Times(int(found[1]), int(found[3]))
    if found := _ENTRY.fullmatch(line):
        name = found[4]
        if not is_entry(name) or name in (b".", b".."):
            raise Broken("a name that is no entry of a directory")
        return Entry(found[1] == b"D", int(found[2], 8), int(found[3]), name)
    raise Broken("a record that is none")


def error_line(words: str, *, fatal: bool = False) -> bytes:
    """A reply, or a message between records, that says what went wrong."""
    return (b"\2" if fatal else b"\1") + words.encode("utf-8", "replace") + b"\n"


def clean_error(line: bytes) -> bytes:
    """The other side's error line for a terminal; `line` has its first byte and no end of line."""
    text = line[1:].decode("utf-8", "replace")
    if text.strip().lower().startswith("gatekeep"):
        text = f"target says: {text}"
    elif not has_controls(line[1:]) and len(text) <= _MOST_MESSAGE:
        return line + b"\n"
    return error_line(printable(text, _MOST_MESSAGE), fatal=line[:1] == b"\2")
