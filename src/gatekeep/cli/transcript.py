"""A session as lines of text: what was printed, what was asked and decided, and what became of it.

Every line is made visible here; nothing of a target's bytes passes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.cli.events import event_row, outcome_words
from gatekeep.cli.output import folded, local_time, utc_time, verdict_shape, visible
from gatekeep.cli.reel import Happening
from gatekeep.recordings.ends import KeptEnds
from gatekeep.recordings.text import Printout

_ENDED: Final = ("action.finished", "action.unknown")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when (µs UTC), what sort (`allow`, `outcome`, `overwritten` …), and the text."""

    at_us: int
    sort: str
    text: str

    def tabbed(self) -> str:
        """For a pipe: UTC time, sort, text."""
        return f"{utc_time(self.at_us)}\t{self.sort}\t{self.text}"

    def for_people(self) -> str:
        """For a terminal: local time, shape and word, text."""
        clock = local_time(self.at_us)[11:]
        if self.sort == "outcome":
            return f"{clock}    └ {self.text}"
        sort = verdict_shape(self.sort) if self.sort in ("allow", "ask", "deny") else self.sort
        return f"{clock}  {sort + '  ' if sort else ''}{self.text}"


def transcript(happenings: Iterable[Happening]) -> Iterator[Line]:
    """The lines of happenings that are in order of time."""
    printout = Printout()
    started_us = 0
    for one in happenings:
        if one.event is not None:
            yield event_line(one.event)
        elif one.ends is not None:
            for name, kept in one.ends.items():
                yield from _ends_lines(one.at_us, name, kept)
        elif one.record is not None:
            started_us = one.at_us - one.record.at_us
            for line in printout.feed(one.record):
                yield Line(started_us + line.at_us, ",".join(line.notes), visible(line.text))
    for line in printout.end():
        yield Line(started_us + line.at_us, ",".join(line.notes), visible(line.text))


def event_line(event: Mapping[str, Any]) -> Line:
    """What an event says, in a line."""
    row = event_row(event)
    at_us, kind = int(row["time"] or 0), str(row["kind"])
    payload = event.get("payload") or {}
    if event.get("payload") is None:
        return Line(at_us, visible(kind), "sealed")
    if kind in _ENDED:
        return Line(at_us, "outcome", outcome_text(payload))
    if kind.startswith("action.") and row["decision"]:
        return Line(at_us, visible(str(row["decision"])), _said(row, payload))
    return Line(at_us, visible(kind), folded(str(row["statement"])))


def outcome_text(payload: Mapping[str, Any]) -> str:
    """What became of an action: its word, tag or fault, rows, how long it took."""
    words = outcome_words(payload) or "unknown"
    rows = payload.get("rows")
    if isinstance(rows, int) and rows and str(rows) not in words:
        words += f", {rows} rows"
    return folded(words)


def _said(row: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    said = folded(str(row["statement"]))
    parameters = payload.get("parameters")
    if isinstance(parameters, list) and parameters:
        said += f"  with {folded(', '.join(map(str, parameters)))}"
    rule = (payload.get("decision") or {}).get("rule") if row["decision"] != "allow" else ""
    if rule:
        said += f"  (rule {visible(str(rule))})"
    if row["outcome"]:
        said += f"  ({visible(str(row['outcome']))})"
    return said


def _ends_lines(at_us: int, name: str, kept: KeptEnds) -> Iterator[Line]:
    yield Line(at_us, name, f"{kept.size} bytes, sha256 {visible(kept.sha256)}")
    for part in (kept.first, kept.last):
        for text in part.decode("utf-8", "replace").splitlines():
            yield Line(at_us, name, visible(text))
        if part is kept.first and kept.left_out > 0:
            yield Line(at_us, name, f"… {kept.left_out} bytes were not kept …")
