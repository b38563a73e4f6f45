"""Recordings over the API: played from the journal, and watched while they are made.

A view is a `recording.viewed` event that is durable before the first byte is given. Both streams
are JSON lines: `session` first, then `chunk`, `event` or `live`, and `end` with a word at the end.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

from aiohttp import web

from gatekeep.domain.events import EventKind
from gatekeep.errors import ClientFault, EvidenceBroken
from gatekeep.gate.ports import EventArchive, SearchQuery, StoredEvent
from gatekeep.recordings.chunks import Chunk, Record, chunk_payload, decode_chunk
from gatekeep.recordings.live import LiveRecorder, View, live_bytes
from gatekeep.web.access import NEEDS, RECORDING_PLAY, SESSION_WATCH, ApiNeeds, demand, record
from gatekeep.web.asking import number, word
from gatekeep.web.hosts import problem
from gatekeep.web.session_books import (
    CHUNK_PAGE,
    Found,
    find,
    kinds_but_chunks,
    places,
    read,
    session_row,
)
from gatekeep.web.sessions import only
from gatekeep.web.shapes import Shape, event_shape
from gatekeep.web.tailing import TAILS

RECORDING_PATH: Final = "/v1/sessions/{id}/recording"
WATCH_PATH: Final = "/v1/sessions/{id}/watch"
_WAYS: Final = ("replay", "export")
_CHUNK: Final = EventKind.RECORDING_CHUNK.value
_ENDS: Final = (EventKind.SESSION_CLOSED.value, EventKind.SESSION_ABORTED.value)
_MAX_CHANNEL: Final = 2**32 - 1


def add_recording_routes(app: web.Application) -> None:
    """The addresses of recordings."""
    app.router.add_get(RECORDING_PATH, recording)
    app.router.add_get(WATCH_PATH, watch)


async def recording(request: web.Request) -> web.StreamResponse:
    """Everything that is durable of a session, in its order: events, and chunks of one channel."""
    judgement = demand(request, RECORDING_PLAY)
    needs = request.app[NEEDS]
    way = word(request, "way") or _WAYS[0]
    if way not in _WAYS:
        raise ClientFault(f"way is one of {', '.join(_WAYS)}")
    channel = number(request, "channel", low=0, high=_MAX_CHANNEL, default=None)
    session = only(request, await find(needs, request.match_info["id"]))
    if isinstance(session, web.Response):
        return session
    indices = await places(needs.archive, session.id, *kinds_but_chunks(), _CHUNK)
    await record(request, EventKind.RECORDING_VIEWED, judgement, _facts(session, way, channel))
    return await request.app[TAILS].lines(request, _played(needs, session, indices, channel))


def _facts(session: Found, way: str, channel: int | None) -> dict[str, Any]:
    return {"session": session.id, "of": session.principal, "way": way, "channel": channel}


async def _played(
    needs: ApiNeeds, session: Found, indices: list[int], channel: int | None
) -> AsyncGenerator[Shape, None]:
    yield _heading(needs, session)
    try:
        async for event in read(needs.archive, indices):
            if event.envelope["k"] != _CHUNK:
                yield {"event": event_shape(event)}
            elif channel is None or (event.payload or {}).get("channel") == channel:
                yield {"chunk": event.payload, "n": event.n, "t": event.envelope["t"]}
    except EvidenceBroken as error:
        yield {"end": "damaged", "why": error.public}
        return
    yield {"end": "open" if session.live is not None else "complete"}


def _heading(needs: ApiNeeds, session: Found) -> Shape:
    now = needs.clock.wall_us(), needs.clock.monotonic_ns()
    return {"session": session_row(session, now=now)}


async def watch(request: web.Request) -> web.StreamResponse:
    """An open session as it goes on: a recorded channel from its beginning, else its events."""
    judgement = demand(request, SESSION_WATCH)
    needs = request.app[NEEDS]
    channel = number(request, "channel", low=0, high=_MAX_CHANNEL, default=None)
    session = only(request, await find(needs, request.match_info["id"]))
    if isinstance(session, web.Response):
        return session
    if session.live is None:
        advice = "gatekeep sessions replay shows what was recorded"
        return problem(404, f"{request.match_info['id'][:40]} is not open any more", advice=advice)
    channels = needs.recordings.channels(session.id)
    if channel is None and channels:
        channel = channels[0]
    recorder = None if channel is None else needs.recordings.recorder(session.id, channel)
    if channel is not None and recorder is None:
        shown = ", ".join(map(str, channels)) or "none"
        return problem(404, f"channel {channel} is not being recorded", why=f"recorded: {shown}")
    # The stream is opened first, so that no event between the two is missed.
    lines = (
        _events(needs, session, needs.archive.tail())
        if recorder is None
        else _watched(needs, session, recorder)
    )
    await record(request, EventKind.RECORDING_VIEWED, judgement, _facts(session, "watch", channel))
    return await request.app[TAILS].lines(request, lines)


async def _watched(
    needs: ApiNeeds, session: Found, recorder: LiveRecorder
) -> AsyncGenerator[Shape, None]:
    yield _heading(needs, session)
    view = View(recorder, _stored(needs.archive, session.id, recorder.channel))
    try:
        async for piece in view.pieces():
            yield _live_line(view, recorder, piece)
    except EvidenceBroken as error:
        yield {"end": "damaged", "why": error.public}
        return
    yield {"end": view.ending}


def _live_line(view: View, recorder: LiveRecorder, piece: Chunk | list[Record]) -> Shape:
    if isinstance(piece, Chunk):
        return {"chunk": chunk_payload(piece)}
    terminal = view.terminal
    return {
        "live": {
            "channel": recorder.channel,
            "started_us": recorder.started_us,
            "columns": terminal.columns,
            "rows": terminal.rows,
            "term": terminal.term,
            "data": base64.b64encode(live_bytes(piece)).decode(),
        }
    }


def _stored(
    archive: EventArchive, session_id: str, channel: int
) -> Callable[[int], AsyncIterator[Chunk]]:
    """Durable chunks of a channel, from one on: their places from the newest back, then in order."""

    async def stored(first: int) -> AsyncIterator[Chunk]:
        indices: list[int] = []
        before: int | None = None
        reached = False
        while not reached:
            terms = (("session", session_id), ("kind", _CHUNK))
            events = await archive.search(SearchQuery(terms, before_n=before, limit=CHUNK_PAGE))
            for event in events:
                payload = event.payload or {}
                if payload.get("channel") == channel:
                    reached = payload.get("seq", 0) <= first
                    if payload.get("seq", 0) >= first:
                        indices.append(event.n)
                if reached:
                    break
            reached = reached or len(events) < CHUNK_PAGE
            before = events[-1].n if events else None
        async for event in read(archive, indices[::-1]):
            yield decode_chunk(event.payload or {})

    return stored


async def _events(
    needs: ApiNeeds, session: Found, tail: AsyncIterator[StoredEvent]
) -> AsyncGenerator[Shape, None]:
    """The events of a session whose output is not recorded, until it ends."""
    yield _heading(needs, session)
    try:
        async for event in tail:
            if event.envelope["s"] != session.id:
                continue
            yield {"event": event_shape(event)}
            if event.envelope["k"] in _ENDS:
                yield {"end": "closed"}
                return
    finally:
        close = getattr(tail, "aclose", None)
        if close is not None:
            await close()
