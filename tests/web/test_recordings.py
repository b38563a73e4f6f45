"""Recordings over the API: played whole, watched without a gap, and every view is an event."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import aiohttp
import pytest
from support.api_world import ALICE, World
from support.recorded_world import SHELL, STATEMENTS, Story, shell_session, statement_session
from support.recording_bench import shown

from gatekeep.domain.events import EventKind
from gatekeep.recordings.chunks import ChunkOrder, Record, decode_chunk, unpack

OPEN = "0b" * 16


@pytest.fixture
def story(world: World) -> Story:
    """A shell and a Postgres session that ended; carol may play recordings."""
    world.rules.gateway.add(("security", "recording.play"))
    made = Story(world)
    shell_session(made)
    statement_session(made)
    return made


async def _lines(http: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    answer = await http.get(path)
    assert answer.status == 200, await answer.text()
    return await _rest(answer)


async def _rest(answer: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    """The lines up to the end; a stream that never ends is a failure, not a wait."""
    async with asyncio.timeout(20):
        return [json.loads(line) async for line in answer.content if line.strip()]


async def test_a_recording_is_played_whole(http: aiohttp.ClientSession, story: Story) -> None:
    """Events and chunks in the order of the log, with a head and an end; the view is recorded."""
    lines = await _lines(http, f"/v1/sessions/{SHELL}/recording?way=export&channel=0")
    assert lines[0]["session"]["principal"] == "alice"
    assert lines[-1] == {"end": "complete"}
    order = ChunkOrder()
    chunks = [decode_chunk(line["chunk"]) for line in lines if "chunk" in line]
    records = [record for chunk in chunks for record in order.check(chunk)]
    assert shown(records) == "$ ls\r\ncafé  \x1b[31mred\x1b[0m\r\n$ exit\r\n".encode()
    assert order.final
    assert [line["event"]["envelope"]["k"] for line in lines if "event" in line] == [
        "session.opened",
        "action.released",
        "action.finished",
        "session.closed",
    ]
    kind, payload, decision = story.world.recorded[0]
    assert kind is EventKind.RECORDING_VIEWED
    assert payload == {
        "principal": "carol", "via": "socket", "session": SHELL, "of": "alice", "way": "export",
        "channel": 0,
    }  # fmt: skip
    assert decision["decision"] == "allow"


async def test_another_channel_has_other_chunks(http: aiohttp.ClientSession, story: Story) -> None:
    """A channel that was not recorded gives the events alone."""
    lines = await _lines(http, f"/v1/sessions/{SHELL}/recording?channel=7")
    assert not [line for line in lines if "chunk" in line]


async def test_statements_are_played_from_their_events(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """A Postgres session has no chunks; its actions and outcomes follow each other."""
    lines = await _lines(http, f"/v1/sessions/{STATEMENTS}/recording")
    texts = [line["event"]["payload"].get("text") for line in lines if "event" in line]
    assert [text for text in texts if text] == [
        "select * from orders",
        "select 1/0",
        "drop table\n orders",
    ]


async def test_playing_needs_the_right_and_a_record(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """Without `recording.play` nothing is played, not even one's own; without an event neither."""
    world = story.world
    world.people.uids[os.getuid()] = ALICE
    assert (await http.get(f"/v1/sessions/{SHELL}/recording")).status == 403
    world.rules.gateway.add(("engineers", "recording.play"))
    world.journal_down = True
    answer = await http.get(f"/v1/sessions/{SHELL}/recording")
    assert answer.status == 503
    assert "chunk" not in await answer.text()
    world.journal_down = False
    for query in ("way=x", "channel=-1", "channel=x"):
        assert (await http.get(f"/v1/sessions/{SHELL}/recording?{query}")).status == 400
    assert (await http.get("/v1/sessions/eeee/recording")).status == 404
    assert world.recorded == []


async def test_a_watcher_misses_nothing(http: aiohttp.ClientSession, story: Story) -> None:
    """Stored chunks, what is pending, then each record as it comes, to the end."""
    story.opened(OPEN)
    story.live(OPEN)
    bench = story.record_live(OPEN, 3)
    bench.recorder.output(b"stored ")
    bench.recorder.flush()
    bench.recorder.resized(100, 30)
    bench.recorder.output(b"pending ")
    answer = await http.get(f"/v1/sessions/{OPEN}/watch")
    assert answer.status == 200
    lines = []
    for _ in range(3):
        lines.append(json.loads(await answer.content.readline()))  # noqa: PERF401 - one line after the other
    bench.recorder.output(b"live")
    await bench.recorder.close()
    lines += await _rest(answer)
    assert lines[0]["session"]["state"] == "open"
    assert lines[-1] == {"end": "closed"}
    records = [record for line in lines for record in _records(line)]
    assert shown(records) == b"stored pending live"
    assert lines[2]["live"]["columns"] == 80
    assert Record(0, "r", b"100x30") in records
    kind, payload, _ = story.world.recorded[0]
    assert (kind, payload["way"], payload["channel"]) == (EventKind.RECORDING_VIEWED, "watch", 3)


def _records(line: dict[str, Any]) -> list[Record]:
    if "chunk" in line:
        return unpack(decode_chunk(line["chunk"]).records)
    return unpack(base64.b64decode(line["live"]["data"])) if "live" in line else []


async def test_statements_are_watched_as_events(http: aiohttp.ClientSession, story: Story) -> None:
    """Where no output is recorded the session's own events are shown, until it closes."""
    story.opened(OPEN, protocol="postgres")
    story.live(OPEN, protocol="postgres")
    answer = await http.get(f"/v1/sessions/{OPEN}/watch")
    assert "session" in json.loads(await answer.content.readline())
    story.released(STATEMENTS, "select 'of another session'")
    n = story.released(OPEN, "select 1")
    story.finished(OPEN, n)
    story.closed(OPEN)
    lines = await _rest(answer)
    assert [line["event"]["envelope"]["k"] for line in lines if "event" in line] == [
        "action.released",
        "action.finished",
        "session.closed",
    ]
    assert lines[-1] == {"end": "closed"}


async def test_watching_needs_the_right_and_an_open_channel(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """Refused without `session.watch`; 404 for what ended and for channels that are not recorded."""
    story.opened(OPEN)
    story.live(OPEN)
    story.record_live(OPEN, 1)
    assert (await http.get(f"/v1/sessions/{OPEN}/watch?channel=2")).status == 404
    assert (await http.get(f"/v1/sessions/{SHELL}/watch")).status == 404
    story.world.journal_down = True
    assert (await http.get(f"/v1/sessions/{OPEN}/watch")).status == 503
    story.world.people.uids[os.getuid()] = ALICE
    assert (await http.get(f"/v1/sessions/{OPEN}/watch")).status == 403
    assert story.world.recorded == []


async def test_damaged_chunks_end_a_watch_with_a_word(
    http: aiohttp.ClientSession, story: Story
) -> None:
    """What cannot be read is said, and the stream ends in order."""
    story.opened(OPEN)
    story.live(OPEN)
    bench = story.record_live(OPEN)
    bench.recorder.output(b"x")
    bench.recorder.flush()
    story.world.archive.events[-1].payload["data"] = "!"  # type: ignore[index] # a plain dictionary here
    lines = await _lines(http, f"/v1/sessions/{OPEN}/watch")
    assert lines[-1]["end"] == "damaged"
