"""Reads the lines of a recording, as the gateway streams them, into what happened and when.

Checks that chunks are whole and in order; how anything is shown lives elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.errors import EvidenceBroken
from gatekeep.recordings.chunks import ENDS, ChunkOrder, Record, Terminal, decode_chunk, unpack
from gatekeep.recordings.ends import KeptEnds, decode_ends

HOLD_US: Final = 5_000_000
"""A chunk is written up to a second after its first byte: so long its events may come before it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing of a session at `at_us` (µs UTC): an event, a record, or the ends of an output."""

    at_us: int
    event: Mapping[str, Any] | None = None
    record: Record | None = None
    ends: Mapping[str, KeptEnds] | None = None


class Reel:
    """The happenings of one session and channel, as they come off the stream.

    Without a `channel` the first one that was recorded is taken. `session` is known after the
    first happening, `terminal` and `started_us` after the first record; `ending` at the end, when
    `fault` says what was wrong with the recording, if anything.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]], channel: int | None = None) -> None:
        self.session: Mapping[str, Any] = {}
        self.terminal = Terminal()
        self.started_us = 0
        self.ending = ""
        self.fault = ""
        self.channel = channel
        self.others: set[int] = set()
        self._lines = iter(lines)
        self._order = ChunkOrder()
        self._recorded = False

    def head(self) -> Mapping[str, Any]:
        """The session, read off the first line."""
        if not self.session:
            self.session = next(self._lines, {}).get("session", {})
        return self.session

    def __iter__(self) -> Iterator[Happening]:
        self.head()
        try:
            for line in self._lines:
                yield from self._line(line)
        except EvidenceBroken as error:
            self.ending, self.fault = "damaged", error.public
        if self._recorded and self.ending == "complete" and not self._order.final:
            self.fault = "the recording was cut off: it has no last chunk"

    def _line(self, line: Mapping[str, Any]) -> Iterator[Happening]:
        if "chunk" in line:
            yield from self._chunk(line["chunk"] or {}, int(line.get("t", 0)))
        elif "live" in line:
            yield from self._live(line["live"])
        elif "event" in line:
            event = line["event"]
            yield Happening(int((event.get("envelope") or {}).get("t", 0)), event=event)
        elif "end" in line:
            self.ending = str(line["end"])
            self.fault = str(line.get("why", ""))

    def _chunk(self, payload: Mapping[str, Any], at_us: int) -> Iterator[Happening]:
        channel = payload.get("channel")
        if self.channel is None and isinstance(channel, int):
            self.channel = channel
        if channel != self.channel:
            self.others |= {channel} if isinstance(channel, int) else set()
        elif payload.get("codec") == ENDS:
            yield Happening(at_us, ends=decode_ends(payload))
        else:
            chunk = decode_chunk(payload)
            self._begin(chunk.terminal, chunk.started_us)
            for record in self._order.check(chunk):
                yield Happening(chunk.started_us + record.at_us, record=record)

    def _live(self, live: Mapping[str, Any]) -> Iterator[Happening]:
        try:
            started_us = int(live["started_us"])
            self._begin(Terminal(live["columns"], live["rows"], live["term"]), started_us)
            records = unpack(base64.b64decode(live["data"], validate=True))
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise EvidenceBroken("the live stream is not whole") from error
        for record in records:
            yield Happening(started_us + record.at_us, record=record)

    def _begin(self, terminal: Terminal, started_us: int) -> None:
        if not self._recorded:
            self._recorded = True
            self.terminal, self.started_us = terminal, started_us


def in_time(happenings: Iterable[Happening]) -> Iterator[Happening]:
    """The same, sorted by time, with only some seconds of them in memory."""
    waiting: list[tuple[int, int, Happening]] = []
    newest = 0
    for number, one in enumerate(happenings):
        heapq.heappush(waiting, (one.at_us, number, one))
        newest = max(newest, one.at_us)
        while waiting and waiting[0][0] < newest - HOLD_US:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
