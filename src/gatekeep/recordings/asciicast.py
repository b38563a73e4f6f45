"""Records as an asciicast, version 3 or 2, for the public player. Pure.

Header and markers are strings that we made. A cast is text: bytes that are not UTF-8 become U+FFFD
in it (the chunks keep them), and JSON escapes leave nothing that a terminal would obey.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.messages import printable
from gatekeep.recordings.chunks import (
    ERRORS,
    EXITED,
    MARKER,
    OUTPUT,
    RESIZED,
    TOLD,
    Record,
    Terminal,
    for_a_screen,
    resized_terminal,
)

VERSIONS: Final = (2, 3)
_LABEL_CHARACTERS: Final = 200
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CastHeader:
    """What a cast says of itself: the terminal it begins with, when (µs UTC), and a title."""

    terminal: Terminal
    started_us: int
    title: str = ""


def cast_lines(
    records: Iterable[Record], header: CastHeader, *, version: int = 3
) -> Iterator[str]:
    """The lines of a cast. Version 3 tells intervals and the exit, version 2 moments from the start."""
    if version not in VERSIONS:
        raise ValueError(version)
    yield _json(_header(header, version))
    before = 0
    decoders = {code: codecs.getincrementaldecoder("utf-8")("replace") for code in (OUTPUT, ERRORS)}
    for record in records:
        for code, text in _events(record, decoders, header.terminal, version):
            since = record.at_us - (before if version == 3 else 0)  # noqa: PLR2004 - intervals since version 3
            before = record.at_us
            yield _json([since / _MILLION, code, text])
    for decoder in decoders.values():
        left = decoder.decode(b"", True)  # noqa: FBT003 - the standard library's own signature
        if left:
            yield _json([0 if version == 3 else before / _MILLION, "o", left])  # noqa: PLR2004 - as above


def _header(header: CastHeader, version: int) -> dict[str, Any]:
    terminal = header.terminal
    said: dict[str, Any] = {"version": version}
    if version == 3:  # noqa: PLR2004 - the terminal has a member of its own since version 3
        said["term"] = {"cols": terminal.columns, "rows": terminal.rows}
        if terminal.term:
            said["term"]["type"] = terminal.term
    else:
        said |= {"width": terminal.columns, "height": terminal.rows}
        if terminal.term:
            said["env"] = {"TERM": terminal.term}
    said["timestamp"] = header.started_us // _MILLION
    if header.title:
        said["title"] = printable(header.title, _LABEL_CHARACTERS)
    return said


def _events(
    record: Record,
    decoders: Mapping[str, codecs.IncrementalDecoder],
    terminal: Terminal,
    version: int,
) -> Iterator[tuple[str, str]]:
    if record.code in decoders:
        text = decoders[record.code].decode(for_a_screen(record, terminal))
        if text:
            yield "o", text
    elif record.code in (MARKER, TOLD):
        yield "m", printable(record.data.decode("utf-8", "replace"), _LABEL_CHARACTERS)
    elif record.code == RESIZED:
        size = resized_terminal(record.data)
        yield "r", f"{size.columns}x{size.rows}"
    elif record.code == EXITED and version == 3:  # noqa: PLR2004 - an event since version 3
        yield "x", printable(record.data.decode("utf-8", "replace"), 16)


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")
