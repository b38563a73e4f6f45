"""Finds sessions, open or ended, and what was recorded of each. Decides nothing; `sessions` asks policy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gatekeep.domain.events import EventKind
from gatekeep.domain.sessions import session_code
from gatekeep.errors import ClientFault
from gatekeep.gate.ports import EventArchive, SearchQuery, StoredEvent
from gatekeep.gate.supervision import LiveSession
from gatekeep.web.access import ApiNeeds
from gatekeep.web.shapes import Shape

PAGE: Final = 500
CHUNK_PAGE: Final = 100
_CODE: Final = re.compile(r"S-[0-9A-HJKMNP-TV-Z]{1,8}")
_ID: Final = re.compile(r"[0-9a-f]{4,32}")
_WHOLE_CODE: Final = 10
_WHOLE_ID: Final = 32
_OPENED: Final = EventKind.SESSION_OPENED.value
_ENDS: Final = {EventKind.SESSION_CLOSED.value: "closed", EventKind.SESSION_ABORTED.value: "aborted"}
_CHUNK: Final = EventKind.RECORDING_CHUNK.value
_FACTS: Final = (
    "principal", "account", "database", "protocol", "source", "application", "read_only",
)  # fmt: skip


@dataclass(slots=True)
class Found:
    """One session: open (`live`), or known from its events, or both."""

    id: str
    live: LiveSession | None = None
    opened: StoredEvent | None = None
    ended: StoredEvent | None = None

    @property
    def principal(self) -> str:
        """Whose session it is; empty where its record is sealed."""
        if self.live is not None:
            return self.live.session.principal.name
        payload = self.opened.payload if self.opened is not None else None
        return str((payload or {}).get("principal", ""))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions a list is to hold; an empty value is no condition."""

    principal: str = ""
    target: str = ""
    protocol: str = ""

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a listed session is meant."""
        return all(
            not value or row[key] == value
            for key, value in (
                ("principal", self.principal),
                ("target", self.target),
                ("protocol", self.protocol),
            )
        )


def wanted_id(text: str) -> str:
    """A session's id or code, or its beginning, as the index spells it. Raises ClientFault."""
    code, hexadecimal = text.upper(), text.lower()
    if _CODE.fullmatch(code):
        return code
    if _ID.fullmatch(hexadecimal):
        return hexadecimal
    raise ClientFault("a session is named by S-… or by 4 or more digits of its long id")


async def find(needs: ApiNeeds, text: str) -> list[Found]:
    """The sessions whose id or code begins so; two are enough to know that it is not unique."""
    wanted = wanted_id(text)
    found = {
        live.session.id: Found(live.session.id, live)
        for live in needs.live_sessions
        if live.session.code.startswith(wanted) or live.session.id.startswith(wanted)
    }
    whole = len(wanted) in (_WHOLE_CODE, _WHOLE_ID)
    terms = (("kind", _OPENED), ("session", wanted if whole else f"{wanted}*"))
    for event in await needs.archive.search(SearchQuery(terms, limit=3)):
        session_id = str(event.envelope["s"])
        found.setdefault(session_id, Found(session_id)).opened = event
    if len(found) == 1:
        await _find_end(needs.archive, next(iter(found.values())))
    return list(found.values())


async def _find_end(archive: EventArchive, session: Found) -> None:
    if session.live is None:
        terms = (("kind", "session.*"), ("session", session.id))
        for event in await archive.search(SearchQuery(terms, limit=10)):
            if event.envelope["k"] in _ENDS:
                session.ended = event
                return


def session_row(session: Found, *, now: tuple[int, int]) -> Shape:
    """A session as listed; `now` is wall time in µs and the monotonic clock in ns."""
    if session.live is not None:
        return _live_row(session.live, now)
    opened, ended = session.opened, session.ended
    envelope = opened.envelope if opened is not None else {}
    payload = (opened.payload if opened is not None else None) or {}
    end = (ended.payload if ended is not None else None) or {}
    row = {
        "code": session_code(session.id),
        "id": session.id,
        "target": envelope.get("x", ""),
        "state": _ENDS[ended.envelope["k"]] if ended is not None else "unknown",
        "opened_us": envelope.get("t", 0),
        "ended_us": ended.envelope["t"] if ended is not None else 0,
        "duration_us": end.get("duration_us"),
        "reason": end.get("reason", ""),
    }
    return row | {name: payload.get(name, "") for name in _FACTS}


def _live_row(live: LiveSession, now: tuple[int, int]) -> Shape:
    session = live.session
    wall_us, monotonic_ns = now
    return {
        "code": session.code,
        "id": session.id,
        "principal": session.principal.name,
        "target": session.target.name,
        "account": session.account,
        "database": session.database,
        "protocol": session.protocol,
        "source": session.source,
        "application": session.application,
        "read_only": session.read_only,
        "state": "open",
        "open_s": max(0, monotonic_ns - live.opened_ns) // 1_000_000_000,
        "opened_us": wall_us - max(0, monotonic_ns - live.opened_ns) // 1000,
        "statements": live.statements,
        "refusals": live.refusals,
    }


@dataclass(slots=True)
class PastSessions:
    """Reads ended sessions from their events, newest first.

    One pass finds both: an ending has a higher index than its opening, so it is met before.
    """

    archive: EventArchive
    wanted: Wanted
    before: int | None = None
    _ends: dict[str, StoredEvent] = field(default_factory=dict)

    async def rows(self, limit: int, live: frozenset[str]) -> list[Shape]:
        """Up to `limit` rows; `before` is then where the next page goes on, None at the end.

        Sessions of `live` are left out.
        """
        terms = [("kind", "session.*")]
        terms += [(key, value) for key, value in self._exact() if value]
        found: list[Shape] = []
        while True:
            query = SearchQuery(tuple(terms), before_n=self.before, limit=PAGE)
            events = await self.archive.search(query)
            for event in events:
                self.before = event.n
                row = self._row(event, live)
                if row is not None and self.wanted.holds(row):
                    found.append(row)
                    if len(found) == limit:
                        return found
            if len(events) < PAGE:
                self.before = None
                return found

    def _exact(self) -> tuple[tuple[str, str], ...]:
        return ("principal", self.wanted.principal), ("target", self.wanted.target)

    def _row(self, event: StoredEvent, live: frozenset[str]) -> Shape | None:
        session_id, kind = str(event.envelope["s"]), event.envelope["k"]
        if kind in _ENDS:
            self._ends[session_id] = event
        if kind != _OPENED or session_id in live:
            return None
        ended = self._ends.pop(session_id, None)
        return session_row(Found(session_id, None, event, ended), now=(0, 0))


async def places(archive: EventArchive, session_id: str, *kinds: str) -> list[int]:
    """The indices of a session's events of these kinds (`x.*` too) and of their outcomes, rising."""
    found: set[int] = set()
    for kind in kinds:
        before: int | None = None
        while True:
            terms = (("session", session_id), ("kind", kind))
            events = await archive.search(SearchQuery(terms, before_n=before, limit=CHUNK_PAGE))
            for event in events:
                found.add(event.n)
                if event.outcome_n is not None:
                    found.add(event.outcome_n)
            if len(events) < CHUNK_PAGE:
                break
            before = events[-1].n
    return sorted(found)


async def read(archive: EventArchive, indices: list[int]) -> AsyncIterator[StoredEvent]:
    """These events, one at a time."""
    for n in indices:
        event = await archive.event(n)
        if event is not None:
            yield event


def kinds_but_chunks() -> tuple[str, ...]:
    """Every kind that a session's events may have but chunks of recordings, by family."""
    families = {kind.value.partition(".")[0] for kind in EventKind} - {"recording", "log"}
    return tuple(f"{family}.*" for family in sorted(families))


async def recording_facts(archive: EventArchive, session_id: str) -> list[Shape]:
    """What was recorded of each channel, from its newest chunk, which counts all before it.

    The size of its terminal is the one that it began with.
    """
    newest: dict[int, Shape] = {}
    before: int | None = None
    while True:
        terms = (("session", session_id), ("kind", _CHUNK))
        events = await archive.search(SearchQuery(terms, before_n=before, limit=CHUNK_PAGE))
        for event in events:
            payload = event.payload or {}
            channel = payload.get("channel")
            if not isinstance(channel, int):
                continue
            facts = newest.setdefault(channel, _channel_facts(channel, payload))
            facts |= {side: payload.get(side) for side in ("columns", "rows")}
        if len(events) < CHUNK_PAGE:
            return [newest[channel] for channel in sorted(newest)]
        before = events[-1].n


def _channel_facts(channel: int, payload: Mapping[str, Any]) -> Shape:
    counts = payload.get("counts")
    counts = counts if isinstance(counts, Mapping) else {}
    ends = {name: payload.get(name) for name in ("stdout", "stderr")}
    sizes = {
        name: part.get("size") for name, part in ends.items() if isinstance(part, Mapping)
    }
    return {
        "channel": channel,
        "codec": payload.get("codec", ""),
        "chunks": int(payload.get("seq", 0)) + 1,
        "final": payload.get("final") is True,
        "started_us": payload.get("started_us", 0),
        "duration_us": payload.get("last_us"),
        "output": counts.get("output", sizes.get("stdout")),
        "errors": counts.get("errors", sizes.get("stderr")),
        "sha256": payload.get("sha256", ""),
    }
