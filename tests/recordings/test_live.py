"""Watching: whoever joins sees every byte once, in order, or is dropped; nobody waits for them."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from support.recording_bench import RecordingBench, settle, shown

from gatekeep.recordings.chunks import Chunk, ChunkOrder, Record, unpack
from gatekeep.recordings.live import DROPPED, LiveRecordings, View, live_bytes

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("output"), st.integers(1, 40_000)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("sync"), st.integers(1, 3)),
        st.tuples(st.just("watch"), st.just(0)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=40,
)


async def _collect(view: View, into: list[Record]) -> None:
    order = ChunkOrder()
    async for piece in view.pieces():
        into += order.check(piece) if isinstance(piece, Chunk) else piece


async def _play(steps: list[tuple[str, int]]) -> None:
    bench = RecordingBench()
    views: list[tuple[View, list[Record], asyncio.Future[None]]] = []
    for number, (step, size) in enumerate(steps):
        if step == "output":
            bench.tick(number)
            bench.recorder.output(bytes([number % 251]) * size)
        elif step == "flush":
            bench.recorder.flush()
        elif step == "sync":
            bench.journal.sync(size)
        elif step == "watch":
            view, seen = View(bench.recorder, bench.journal.stored), []
            views.append((view, seen, asyncio.ensure_future(_collect(view, seen))))
        else:
            for _ in range(size):
                await asyncio.sleep(0)
    closing = asyncio.ensure_future(bench.recorder.close())
    await settle()
    bench.journal.sync()
    await closing
    async with asyncio.timeout(10):
        for view, seen, task in views:
            await task
            assert view.ending == "closed"
            assert seen == bench.records()


@settings(deadline=None)
@given(steps=STEPS)
def test_nothing_is_lost_and_nothing_repeated(steps: list[tuple[str, int]]) -> None:
    """Whenever a watcher joins among output, flushes and syncs, it sees exactly all records."""
    asyncio.run(_play(steps))


async def test_a_slow_watcher_is_dropped_and_the_session_goes_on() -> None:
    """Who does not read loses the view; the recording has every byte, and others see them."""
    bench = RecordingBench(auto=True)
    slow = View(bench.recorder, bench.journal.stored, limit=1000)
    pieces = slow.pieces()
    bench.recorder.output(b"a")
    bench.recorder.flush()
    await settle()
    assert isinstance(await anext(pieces), Chunk)
    bench.recorder.output(b"b")
    assert shown(await _next(pieces)) == b"b"
    bench.recorder.output(b"c" * 2000)
    assert [piece async for piece in pieces] == []
    assert slow.ending == DROPPED
    await bench.recorder.close()
    assert shown(bench.records()) == b"ab" + b"c" * 2000


async def test_a_failed_recording_says_so() -> None:
    """A watcher is told that the recording failed, now and when joining later."""
    bench = RecordingBench()
    early = View(bench.recorder, bench.journal.stored)
    task = asyncio.ensure_future(_collect(early, []))
    await settle()
    bench.journal.refuse = RuntimeError("x")
    bench.recorder.output(b"x")
    bench.recorder.flush()
    await task
    assert early.ending == "failed"
    late = View(bench.recorder, bench.journal.stored)
    await _collect(late, [])
    assert late.ending == "failed"


async def test_who_leaves_is_forgotten() -> None:
    """A watcher that goes away is no longer told anything."""
    bench = RecordingBench(auto=True)
    view = View(bench.recorder, bench.journal.stored)
    bench.recorder.output(b"a")
    pieces = view.pieces()
    await anext(pieces)
    assert len(bench.recorder._listeners) == 1
    await pieces.aclose()
    assert bench.recorder._listeners == []


async def test_the_register_knows_what_is_being_recorded() -> None:
    """By session and channel; what ended is not found any more."""
    live, bench = LiveRecordings(), RecordingBench()
    live.register("s", 1, bench.recorder)
    live.register("s", 0, bench.recorder)
    assert live.channels("s") == [0, 1]
    assert live.recorder("s", 1) is bench.recorder
    live.forget("s", 0)
    live.forget("s", 1)
    live.forget("s", 1)
    assert live.channels("s") == []
    assert live.recorder("s", 1) is None


def test_live_bytes_are_those_of_a_chunk() -> None:
    """What is sent of live records is read like a chunk."""
    records = [Record(1, "o", b"a"), Record(2, "r", b"80x24")]
    assert unpack(live_bytes(records)) == records


async def _next(pieces: object) -> list[Record]:
    piece = await anext(pieces)  # type: ignore[call-overload] # an asynchronous generator
    assert isinstance(piece, list)
    return piece
