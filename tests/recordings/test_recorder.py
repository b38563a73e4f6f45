"""The recorder: all that is shown becomes durable in order, within bounds, or the session ends."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable

import pytest
from support.recording_bench import RecordingBench, settle, shown

from gatekeep.errors import JournalUnavailable
from gatekeep.recordings.chunks import Record, Terminal
from gatekeep.recordings.recorder import (
    BEHIND_BYTES,
    CHUNK_BYTES,
    FLUSH_S,
    GIVE_UP_BYTES,
    OWED_S,
)


async def test_everything_that_happens_is_a_record() -> None:
    """Output, errors, our words, markers, sizes and the exit come back with their moments."""
    bench = RecordingBench(auto=True)
    recorder = bench.recorder
    recorder.output(b"\xff\xc3")
    bench.tick(1500)
    recorder.output(b"\xa9")
    recorder.errors(b"no\n")
    recorder.told("held")
    recorder.marker("event 7")
    recorder.resized(0, 9999)
    recorder.exited(126)
    await recorder.close()
    assert bench.records() == [
        Record(0, "o", b"\xff\xc3"),
        Record(1500, "o", b"\xa9"),
        Record(1500, "e", b"no\n"),
        Record(1500, "t", b"held"),
        Record(1500, "m", b"event 7"),
        Record(1500, "r", b"1x500"),
        Record(1500, "x", b"126"),
    ]
    (chunk,) = bench.journal.chunks()
    assert chunk.final
    assert chunk.terminal == Terminal(80, 24, "xterm")
    assert chunk.counts == {"errors": 3, "output": 3, "records": 7}
    assert chunk.sha256 == hashlib.sha256(b"\xff\xc3\xa9no\n").hexdigest()
    assert bench.journal.counters == [{"channel": 0, "final": True, "seq": 0}]


async def test_a_chunk_goes_out_at_64_kib_or_half_a_second_after_its_first_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a flood nor one quiet byte waits in memory; the timer is half a second."""
    bench = RecordingBench(auto=True)
    asked: list[float] = []
    fire: list[object] = []
    loop = asyncio.get_running_loop()
    real = loop.call_later

    def call_later(delay: float, callback: object, *args: object) -> object:
        asked.append(delay)
        fire.append(callback)
        return real(3600, lambda: None)

    monkeypatch.setattr(loop, "call_later", call_later)
    bench.recorder.output(b"x")
    bench.recorder.output(b"y")
    assert asked == [FLUSH_S]
    assert bench.journal.payloads == []
    fire[0]()  # type: ignore[operator] # the recorder's own flush
    assert shown(bench.records()) == b"xy"
    bench.recorder.output(os.urandom(3 * CHUNK_BYTES))
    assert len(bench.journal.payloads) == 4
    assert all(len(chunk.records) < 2 * CHUNK_BYTES for chunk in bench.journal.chunks())
    await bench.recorder.close()
    assert FLUSH_S < OWED_S <= 1.0


async def test_each_chunk_begins_with_the_terminal_it_meets() -> None:
    """A chunk can be read alone: it names the size that was in force before its first record."""
    bench = RecordingBench(auto=True)
    bench.recorder.output(b"a")
    bench.recorder.resized(100, 30)
    bench.recorder.flush()
    bench.recorder.output(b"b")
    await bench.recorder.close()
    sizes = [(chunk.terminal.columns, chunk.terminal.rows) for chunk in bench.journal.chunks()]
    assert sizes == [(80, 24), (100, 30)]


async def test_closing_waits_for_the_disk_and_happens_once() -> None:
    """`close` returns when the final chunk is durable; what comes later is not recorded."""
    bench = RecordingBench()
    bench.recorder.output(b"a")
    closing = [asyncio.ensure_future(bench.recorder.close()) for _ in range(2)]
    await settle()
    assert not any(one.done() for one in closing)
    bench.recorder.output(b"late")
    bench.recorder.resized(1, 1)
    bench.journal.sync()
    await asyncio.gather(*closing)
    assert shown(bench.records()) == b"a"
    assert [chunk.final for chunk in bench.journal.chunks()] == [True]


async def test_a_refused_append_ends_the_session_once() -> None:
    """`on_failure` is told, nothing more is taken, and `close` says that it is not durable."""
    bench = RecordingBench()
    bench.journal.refuse = RuntimeError("anything")
    bench.recorder.output(os.urandom(CHUNK_BYTES))
    bench.recorder.output(b"more" * CHUNK_BYTES)
    assert bench.recorder.failed
    assert [type(fault) for fault in bench.faults] == [JournalUnavailable]
    for wait in (bench.recorder.close(), bench.recorder.keep_pace()):
        with pytest.raises(JournalUnavailable):
            await wait
    assert len(bench.faults) == 1


async def test_a_dead_disk_ends_the_session() -> None:
    """An append that never becomes durable is a failure, and whoever waits for pace hears it."""
    bench = RecordingBench()
    bench.recorder.output(b"a")
    closing = asyncio.ensure_future(bench.recorder.close())
    await settle()
    bench.journal.break_disk()
    with pytest.raises(JournalUnavailable) as told:
        await closing
    assert told.value.fatal
    assert len(bench.faults) == 1


async def test_a_slow_disk_slows_the_target_and_memory_is_bounded() -> None:
    """`behind` is said while the disk owes much, and past the bound the session ends."""
    bench = RecordingBench()
    while not bench.recorder.behind:
        bench.recorder.output(os.urandom(CHUNK_BYTES))
    waiting = asyncio.ensure_future(bench.recorder.keep_pace())
    await settle()
    assert not waiting.done()
    bench.journal.sync()
    await waiting
    assert not bench.recorder.behind
    given = 0
    while not bench.recorder.failed:
        bench.recorder.output(os.urandom(CHUNK_BYTES))
        given += CHUNK_BYTES
    assert BEHIND_BYTES < given < 2 * GIVE_UP_BYTES
    assert isinstance(bench.faults[0], JournalUnavailable)


async def test_nothing_more_is_shown_while_the_disk_owes_what_was_shown_a_second_ago() -> None:
    """Whoever feeds it is told once, though no more came; a durable chunk ends it, not the next."""
    bench = RecordingBench()
    told: list[bool] = []
    bench.recorder.on_behind = lambda: told.append(bench.recorder.behind)
    bench.recorder.output(b"a")
    bench.recorder.flush()
    bench.recorder.output(b"b")
    await settle()
    assert told == []
    bench.tick(round(OWED_S * 1e6))
    bench.recorder.flush()
    bench.journal.sync(1)
    await settle()
    assert told == [True], "the second chunk is as old by now"
    waiting = asyncio.ensure_future(bench.recorder.keep_pace())
    await settle()
    assert not waiting.done()
    bench.journal.sync()
    await waiting
    assert not bench.recorder.behind


async def test_a_chunk_that_is_not_durable_in_time_is_told_by_a_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody needs to look: the disk's silence alone stops what is shown."""
    bench = RecordingBench()
    told: list[bool] = []
    bench.recorder.on_behind = lambda: told.append(bench.recorder.behind)
    loop = asyncio.get_running_loop()
    timers: list[tuple[float, Callable[[], object]]] = []
    real = loop.call_later

    def call_later(delay: float, callback: Callable[[], object], *args: object) -> object:
        timers.append((delay, callback))
        return real(3600, lambda: None)

    monkeypatch.setattr(loop, "call_later", call_later)
    bench.recorder.output(b"a")
    bench.tick(round(FLUSH_S * 1e6))
    timers.pop()[1]()
    await settle()
    ((delay, overdue),) = timers
    assert delay == pytest.approx(OWED_S - FLUSH_S)
    overdue()
    assert told == [True]
    bench.journal.sync()
    await bench.recorder.keep_pace()
    assert not bench.recorder.behind


async def test_time_never_runs_backwards() -> None:
    """Moments in a recording never decrease, even if a clock were to."""
    bench = RecordingBench(auto=True)
    bench.tick(10)
    bench.recorder.output(b"a")
    bench.tick(-10)
    bench.recorder.output(b"b")
    await bench.recorder.close()
    assert [record.at_us for record in bench.records()] == [10, 10]


async def test_a_channel_without_output_still_has_a_recording() -> None:
    """Closing alone leaves a final, empty chunk: silence is recorded, too."""
    bench = RecordingBench(auto=True)
    await bench.recorder.close()
    (chunk,) = bench.journal.chunks()
    assert (chunk.final, chunk.records, chunk.counts["records"]) == (True, b"", 0)
