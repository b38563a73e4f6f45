"""Reads a search as people type it: `table:customers decision:ask since:7d some words`. Pure.

How a query is answered is the index's business.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from gatekeep.domain.events import SearchQuery
from gatekeep.errors import ClientFault

KEYS: Final = (
    "principal", "target", "account", "session", "kind", "class", "decision", "rule", "tag",
    "table", "template", "request", "suggestion", "outcome",
)  # fmt: skip
TIME_KEYS: Final = ("since", "until")
MAX_TERMS: Final = 32

_TOKEN: Final = re.compile(
    r'(?:(?P<key>[A-Za-z_]+):)?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>(?!")\S+))(?=\s|$)'
)
_LEFT_OPEN: Final = re.compile(r'([A-Za-z_]+):(?:"|$)')
_ESCAPE: Final = re.compile(r"\\(.)")
_AGO: Final = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS_US: Final = {
    "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000,
    "w": 7 * 86_400_000_000,
}  # fmt: skip


def parse_query(text: str, *, now_us: int) -> SearchQuery:
    """The query in `text`; `now_us` (µs UTC) is what `7d` and `12h` are counted back from.

    Values are exact, `*` at the end stands for anything; `"…"` holds spaces. A word with a colon
    whose first part is not a key is text only when quoted. Raises ClientFault naming the key.
    """
    terms: list[tuple[str, str]] = []
    words: list[str] = []
    times: dict[str, int] = {}
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise ClientFault(f"a quote is not closed, or a word follows it: {text[position:][:40]}")
        position = match.end()
        key, value = _key_and_value(match)
        if not key:
            words.append(value)
        elif key in TIME_KEYS:
            if key in times:
                raise ClientFault(f"{key}: is given twice")
            times[key] = _time(key, value, now_us)
        else:
            terms.append((key, value))
    if len(terms) + len(words) > MAX_TERMS:
        raise ClientFault(f"a query has at most {MAX_TERMS} parts")
    return SearchQuery(
        tuple(terms), " ".join(words), since_us=times.get("since"), until_us=times.get("until")
    )


def _key_and_value(match: re.Match[str]) -> tuple[str, str]:
    quoted = match["quoted"]
    value = _ESCAPE.sub(r"\1", quoted) if quoted is not None else match["bare"]
    key = (match["key"] or "").lower()
    left = _LEFT_OPEN.match(value) if quoted is None and not key else None
    if left is not None:
        key, value = left[1].lower(), ""
    if not key:
        return "", value
    if key not in KEYS and key not in TIME_KEYS:
        raise ClientFault(f"{key}: is not a key; there are {' '.join((*KEYS, *TIME_KEYS))}")
    if not value or value == "*":
        raise ClientFault(f"{key}: needs a value, and quotes must be closed")
    if "*" in value[:-1] and quoted is None:
        raise ClientFault(f"{key}: * may stand at the end only")
    return key, value


def _time(key: str, value: str, now_us: int) -> int:
    ago = _AGO.fullmatch(value)
    if ago is not None:
        return now_us - int(ago[1]) * _UNITS_US[ago[2]]
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ClientFault(f"{key}: wants a time like 7d, 12h or 2026-11-20T08:00Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)
