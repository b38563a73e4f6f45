"""The running journal: receipts come after the fsync, chains hold, and every fault is a refusal."""

from __future__ import annotations

import asyncio
import errno
import json
from pathlib import Path

import pytest
from support.live_journal import Bench, open_events, read_events, until

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.journal.encoding import leaf_hash
from gatekeep.journal.live import LiveJournal
from gatekeep.journal.spool import list_segments, read_acked

_A, _B = "aa" * 16, "bb" * 16


async def test_a_receipt_follows_the_fsync(tmp_path: Path) -> None:
    """While the disk has not answered nobody gets a receipt; then all of the batch do."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        bench.disk.stalled = True
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        pending = [journal.append(stream, EventKind.ACTION_REQUESTED, b"{}") for _ in range(3)]
        waiting = [asyncio.ensure_future(one.durable()) for one in pending]
        done, _ = await asyncio.wait(waiting, timeout=0.05)
        assert not done
        assert journal.durable_n == 1
        bench.disk.stalled = False
        bench.disk.go.set()
        receipts = await asyncio.gather(*waiting)
        assert [receipt.n for receipt in receipts] == [1, 2, 3]
        assert len({receipt.batch for receipt in receipts}) == 1
        assert journal.durable_n == read_acked(bench.spool).next_n == 4


async def test_sessions_are_chained_and_payloads_open(tmp_path: Path) -> None:
    """Each session counts and links its own events; each first event carries its wrapped key."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        streams = [
            journal.open_stream(session_id=sid, subject="alice", target="shop") for sid in (_A, _B)
        ]
        last = None
        for number in range(6):
            payload = json.dumps({"number": number}).encode()
            last = journal.append(
                streams[number % 2],
                EventKind.ACTION_RELEASED,
                payload,
                decision=b'{"decision":"allow"}',
            )
            if number == 3:
                await last.durable()
        assert last is not None
        await last.durable()
        journal.append(streams[0], EventKind.SESSION_CLOSED, b"{}")
    events = read_events(bench.spool)
    opened = open_events(bench)
    assert [event.n for event in events] == [event.envelope["n"] for event in events]
    mine = [event for event in events if event.envelope["s"] == _A]
    previous = ""
    for q, event in enumerate(mine):
        assert (event.envelope["q"], event.envelope["p"]) == (q, previous)
        assert bool(event.extra) == (q == 0)
        previous = leaf_hash(event.leaf).hex()
    assert mine[-1].envelope["r"] == {"count": 3, "head": mine[-1].envelope["p"]}
    assert [json.loads(opened[event.n]) for event in mine[:3]] == [
        {"number": 0},
        {"number": 2},
        {"number": 4},
    ]
    assert mine[0].envelope["g"] == {"decision": "allow"}
    assert mine[0].envelope["x"] == "shop"
    assert events[0].kind == "log.genesis"
    assert json.loads(opened[0])["vkey"] == "vkey"
    assert (events[-1].kind, events[-1].envelope["s"]) == (
        "session.closed",
        events[0].envelope["s"],
    )


async def test_two_batches_are_on_their_way_in_order(tmp_path: Path) -> None:
    """While the first batch syncs a second is sent and a third fills; order stays."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        bench.disk.stalled = True
        pending = []
        for _ in range(5):
            pending.append(journal.append(journal.system, EventKind.AUDIT_READ, b"{}"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        bench.disk.stalled = False
        bench.disk.go.set()
        receipts = [await one.durable() for one in pending]
    assert [receipt.batch for receipt in receipts] == [2, 3, 4, 4, 4]
    assert [event.batch for event in read_events(bench.spool)][1:6] == [2, 3, 4, 4, 4]


@pytest.mark.parametrize(
    ("operation", "number"),
    [("sync", errno.EIO), ("write", errno.EIO), ("write", errno.EROFS), ("sync", errno.ENOSPC)],
)
async def test_a_failed_disk_is_the_end(tmp_path: Path, operation: str, number: int) -> None:
    """After a failed write or fsync nothing is tried again: all who wait and all who come are refused."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        await _settled(journal, bench)
        bench.disk.fail(operation, number)
        bench.disk.calls.clear()
        first = journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        with pytest.raises(JournalUnavailable) as refused:
            await first.durable()
        assert refused.value.fatal
        assert not journal.accepting
        with pytest.raises(JournalUnavailable) as later:
            journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        assert later.value.fatal
        assert bench.disk.calls.count(operation) == 1
    assert [death.fatal for death in bench.deaths] == [True]
    assert bench.status == [74]
    assert len(read_events(bench.spool)) <= 2


async def test_a_writer_that_vanishes_is_the_end(tmp_path: Path) -> None:
    """When the writer's socket closes, everything waiting is refused for good."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        bench.disk.stalled = True
        pending = journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        await asyncio.sleep(0)
        journal._link._lose()
        with pytest.raises(JournalUnavailable) as refused:
            await pending.durable()
        assert refused.value.fatal
    assert len(bench.deaths) == 1


async def test_a_slow_disk_refuses_the_statement_and_keeps_the_event(tmp_path: Path) -> None:
    """After the deadline the waiter is refused; the event is in the log all the same."""
    bench = Bench(tmp_path / "spool", deadline_s=0.02)
    async with bench.journal() as journal:
        bench.disk.stalled = True
        pending = journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        with pytest.raises(JournalUnavailable) as refused:
            await pending.durable()
        assert not refused.value.fatal
        journal._deadline_s = 5.0
        bench.disk.stalled = False
        bench.disk.go.set()
        await journal.append(journal.system, EventKind.AUDIT_READ, b"{}").durable()
    assert [event.kind for event in read_events(bench.spool)][1:3] == ["audit.read"] * 2
    assert not bench.deaths


async def test_a_cancelled_waiter_does_not_disturb_the_others(tmp_path: Path) -> None:
    """Cancelling one of two who wait for the same batch leaves the other's receipt alone."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        bench.disk.stalled = True
        pending = journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        one, two = (asyncio.ensure_future(pending.durable()) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        bench.disk.stalled = False
        bench.disk.go.set()
        assert (await two).n == pending.n
        with pytest.raises(asyncio.CancelledError):
            await one


async def test_a_full_disk_lets_sessions_end_and_then_goes_on(tmp_path: Path) -> None:
    """No next segment: no new sessions; segment full: only endings, into the reserve; space: on."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        released = journal.append(stream, EventKind.ACTION_RELEASED, b"{}")
        await released.durable()
        await _settled(journal, bench)
        bench.disk.space = 0
        refused_at = await _fill(journal, stream)
        assert not journal.accepting
        ended = journal.append(
            stream, EventKind.ACTION_FINISHED, b"{}", counters=b'{"of":%d}' % released.n
        )
        closed = journal.append(stream, EventKind.SESSION_CLOSED, b"{}")
        assert ended.n == refused_at
        await closed.durable()
        with pytest.raises(JournalUnavailable) as refused:
            journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        assert not refused.value.fatal
        bench.disk.heal()
        await until(lambda: journal.accepting)
        await journal.append(journal.system, EventKind.AUDIT_READ, b"{}").durable()
    events = read_events(bench.spool)
    assert [event.kind for event in events[-4:]] == [
        "action.finished",
        "session.closed",
        "audit.read",
        "session.closed",
    ]
    previous = {}
    for event in events:
        assert event.envelope["n"] == event.n
        assert event.envelope["p"] == previous.get(event.envelope["s"], "")
        previous[event.envelope["s"]] = leaf_hash(event.leaf).hex()
    open_events(bench)
    assert not bench.deaths


async def test_endings_in_a_refused_batch_are_written_all_the_same(tmp_path: Path) -> None:
    """An outcome that shared its batch with a refused request gets into the reserve by itself."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        released = journal.append(stream, EventKind.ACTION_RELEASED, b"{}")
        await released.durable()
        await _settled(journal, bench)
        bench.disk.space = 0
        await _nearly_fill(journal, stream, bench)
        request = journal.append(stream, EventKind.ACTION_RELEASED, b"x" * 60_000)
        ended = journal.append(
            stream, EventKind.ACTION_FINISHED, b"{}", counters=b'{"of":%d}' % released.n
        )
        undone = journal.append(
            stream, EventKind.ACTION_FINISHED, b"{}", counters=b'{"of":%d}' % request.n
        )
        with pytest.raises(JournalUnavailable):
            await request.durable()
        assert (await ended.durable()).n == ended.n == request.n
        with pytest.raises(JournalUnavailable):
            await undone.durable()
    ends = [event for event in read_events(bench.spool) if event.kind == "action.finished"]
    assert [event.envelope["r"]["of"] for event in ends] == [released.n]


async def test_idle_time_is_signed_by_heartbeats(tmp_path: Path) -> None:
    """A beat appends only when nothing else was appended since the last."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        seen = journal.beat(journal.next_n)
        assert seen == 2
        journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        assert journal.beat(seen) == 3
    kinds = [event.kind for event in read_events(bench.spool)]
    assert kinds == ["log.genesis", "log.heartbeat", "audit.read", "session.closed"]


async def test_a_stepped_clock_is_an_event(tmp_path: Path) -> None:
    """A step of over two seconds is noted before the event that showed it; time stays as read."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        bench.clock.wall += 1_900_000
        journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
        bench.clock.wall -= 3_000_000
        journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
    events = read_events(bench.spool)
    assert [event.kind for event in events][1:4] == ["audit.read", "clock.stepped", "audit.read"]
    assert json.loads(open_events(bench)[2]) == {"step_us": -3_000_000}
    assert events[3].envelope["t"] < events[1].envelope["t"]


async def test_segments_follow_each_other_under_load(tmp_path: Path) -> None:
    """Many times a segment's size goes through, each new segment is ready, nothing is lost."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        for _ in range(60):
            pending = [
                journal.append(stream, EventKind.ACTION_REQUESTED, b"y" * 900) for _ in range(20)
            ]
            await pending[-1].durable()
    events = read_events(bench.spool)
    assert len(events) == 1 + 60 * 20 + 1
    assert len(list_segments(bench.spool)) > 5


async def test_what_cannot_be_appended_says_so(tmp_path: Path) -> None:
    """Too large, a closed session, a stranger's stream: refused, and the chain is as it was."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        journal.append(stream, EventKind.SESSION_OPENED, b"{}")
        with pytest.raises(JournalUnavailable, match="too large"):
            journal.append(stream, EventKind.ACTION_RELEASED, bytes(300_000))
        with pytest.raises(JournalUnavailable, match="envelope"):
            journal.append(
                stream, EventKind.ACTION_RELEASED, b"{}", counters=b'{"a":"%b"}' % (b"x" * 66_000)
            )
        with pytest.raises(TypeError):
            journal.append(object(), EventKind.ACTION_RELEASED, b"{}")
        journal.append(stream, EventKind.SESSION_CLOSED, b"{}")
        with pytest.raises(JournalUnavailable, match="closed"):
            journal.append(stream, EventKind.ACTION_FINISHED, b"{}")
    events = read_events(bench.spool)
    assert [event.envelope["q"] for event in events] == [0, 0, 1, 1]
    open_events(bench)


async def _settled(journal: LiveJournal, bench: Bench) -> None:
    """Wait until the spare segments are ready."""
    await until(lambda: all((bench.spool / name).exists() for name in ("next", "reserve")))


async def _fill(journal: LiveJournal, stream: object) -> int:
    """Append until no segment is left to take more; returns the first index refused."""
    while True:
        pending = journal.append(stream, EventKind.ACTION_REQUESTED, b"z" * 20_000)
        try:
            await pending.durable()
        except JournalUnavailable:
            return pending.n


async def _nearly_fill(journal: LiveJournal, stream: object, bench: Bench) -> None:
    """Append until the last segment there will be has less than 60 kB left."""
    while True:
        await journal.append(stream, EventKind.ACTION_REQUESTED, b"z" * 20_000).durable()
        segments = list_segments(bench.spool)
        if len(segments) == 2 and journal.durable_n - segments[1] == 11:
            break
    await until(lambda: not journal.accepting)
