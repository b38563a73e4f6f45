"""A request on a terminal: the whole of what would run, made visible, and all that helps to decide.

Never less than what will run (12-threats H12): nothing is cut, and what hides is spelt out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gatekeep.cli.output import Column, Format, Kind, Screen, local_time, utc_time, visible
from gatekeep.messages import asked as words

_RUN: Final = re.compile(r"(?<=\S) {17,}|^ {61,}")
_MOST_EMPTY: Final = 2
_MOST_LETTERS: Final = 12
_INDENT: Final = "    "
_OURS: Final = "  "
"""Less than the text is indented by, so that no line of it looks like one of ours."""

COLUMNS: Final = (
    Column("ID", "id"),
    Column("LEFT", "left"),
    Column("RISK", "risk"),
    Column("WHO", "principal"),
    Column("TARGET", "target"),
    Column("ASKED TO RUN", "text"),
    Column("MAY DECIDE", "may_decide"),
)
"""What waits, as approvers look through it."""

PIPED: Final = (COLUMNS[0], Column("LEFT", "open_until_us", Kind.TIME), *COLUMNS[2:])
"""The same in a pipe: the deadline instead of the minutes that are left, which would be stale."""

DECIDED: Final = (
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("ASKED", "created_us", Kind.TIME),
    Column("WHO", "principal"),
    Column("TARGET", "target"),
    Column("ASKED TO RUN", "text"),
    Column("DECIDED BY", "decided_by"),
    Column("OUTCOME", "outcome"),
)
"""Requests in any state."""

Request = Mapping[str, Any]


def row(request: Request) -> dict[str, Any]:
    """A request as a row of either table."""
    pending = request["state"] == "pending"
    left = words.lasting(request["left_s"]) if pending else request["state"]
    return {**request, "left": left}


def show(screen: Screen, request: Request) -> None:
    """One request as data: everything, or the document."""
    if screen.format is not Format.TABLE:
        screen.document(dict(request))
        return
    when = local_time if screen.surface.terminal else utc_time
    state = words.state_word(request["state"])
    screen.data(f"{visible(request['id'])}  {state}")
    for line in lines(request):
        screen.data(line)
    for vote in request["votes"]:
        screen.data(visible(words.vote_line(vote, when(vote["at_us"]))))
    if request["state"] != "pending":
        screen.data(visible(words.decided_line(request, when(request["decided_us"]))))
    if request["state"] == "approved":
        screen.data(visible(words.came_of_it(request)))
    if request["session_code"]:
        screen.data(visible(f"session {request['session_code']}"))


def lines(request: Request) -> Iterator[str]:
    """What is to be seen before anybody decides: who, the whole text, the facts."""
    yield visible(words.heading(request))
    yield from whole_text(request["text"])
    letters = strange_letters(request["text"])
    if letters:
        yield f"not ASCII: {letters}"
    told = words.facts(request)
    if told:
        yield visible(told)
    yield from map(visible, words.more(request))


def whole_text(text: str) -> Iterator[str]:
    """Every line of it, indented. Long runs of blanks and of empty lines are told, not drawn.

    So nothing can be pushed out of sight.
    """
    empty = 0
    for line in text.split("\n"):
        if not line.strip():
            empty += 1
            continue
        yield from _empty_lines(empty)
        empty = 0
        yield _INDENT + _RUN.sub(_blanks, visible(line.replace("\t", "    ")))
    yield from _empty_lines(empty)


def _empty_lines(count: int) -> Iterator[str]:
    if count > _MOST_EMPTY:
        yield f"{_OURS}[{count} empty lines]"
    else:
        yield from [_INDENT.rstrip()] * count


def _blanks(run: re.Match[str]) -> str:
    return f" [{len(run[0])} blanks] "


def strange_letters(text: str) -> str:
    """The letters that are not ASCII, with code point and name: some only look like others."""
    found = dict.fromkeys(c for c in text if not c.isascii() and c.isprintable())
    told = [
        f"{c} U+{ord(c):04X} {unicodedata.name(c, 'without a name')}"
        for c in list(found)[:_MOST_LETTERS]
    ]
    more = len(found) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")
