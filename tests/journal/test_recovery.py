"""Recovery: a torn tail is cut, damage is never taken for one, and what was open is known."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from support.disk import FaultyDisk
from support.live_journal import Bench, open_events, read_events
from support.wrapped_keys import MemoryKeys

from gatekeep.domain.events import EventKind
from gatekeep.errors import EvidenceBroken
from gatekeep.journal import encoding, frames, spool
from gatekeep.journal.encoding import leaf_hash
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.recovery import recover
from gatekeep.journal.segments import Sizes

_A, _B = "aa" * 16, "bb" * 16
_SIZE = 16 * 1024
_SIZES = Sizes(segment=_SIZE, reserve=8192, slice=4096)


def _leaf(n: int) -> bytes:
    return encoding.canonical_json(
        {"k": "audit.read", "n": n, "q": n, "s": _A, "filler": "x" * 300}
    )


def _batch(number: int, first_n: int, count: int, source: random.Random) -> bytes:
    body = b"".join(
        encoding.encode_record(_leaf(n), source.randbytes(200))
        for n in range(first_n, first_n + count)
    )
    return frames.encode_header(number, body) + body


def _spool(where: Path, acked: int = 2, batches: int = 3) -> tuple[bytes, list[int]]:
    """A segment of batches of two events; the first `acked` of them acknowledged."""
    where.mkdir()
    source = random.Random(7)
    parts = [_batch(k + 1, 2 * k, 2, source) for k in range(batches)]
    ends = [sum(map(len, parts[: k + 1])) for k in range(batches)]
    data = b"".join(parts).ljust(_SIZE, b"\0")
    spool.segment_path(where, 0).write_bytes(data)
    _acknowledge(where, acked)
    return data, ends


def _acknowledge(where: Path, acked: int) -> None:
    spool.AckedCursor.create(where)
    cursor = spool.AckedCursor(where, writable=True)
    cursor.move(spool.Acked(acked, 2 * acked))
    cursor.close()


def test_an_unacknowledged_tail_is_torn_wherever_it_was_cut(tmp_path: Path) -> None:
    """At every byte of the last batch: what is whole stays, the rest is zeroed and counted."""
    where = tmp_path / "spool"
    data, ends = _spool(where)
    path = spool.segment_path(where, 0)
    for cut in range(ends[1], ends[2]):
        path.write_bytes(data[:cut].ljust(_SIZE, b"\0"))
        _acknowledge(where, 2)
        found = recover(where, sizes=_SIZES)
        kept = len(data[:cut].rstrip(b"\0"))
        whole = frames.parse_header(data[ends[1] :]) is not None and data[cut : ends[2]] == bytes(
            ends[2] - cut
        )
        if whole:
            assert found.position.next_n == 6
            continue
        assert found.torn_bytes == max(kept - ends[1], 0)
        assert (found.position.next_n, found.position.offset) == (4, ends[1])
        assert path.read_bytes() == data[: ends[1]].ljust(_SIZE, b"\0")


def test_lost_sectors_in_the_last_batch_are_torn_or_clean(tmp_path: Path) -> None:
    """Sectors reach the disk in any order; whichever are missing, it is never called damage."""
    where = tmp_path / "spool"
    data, ends = _spool(where)
    path = spool.segment_path(where, 0)
    source = random.Random(3)
    first, last = ends[1] // 512, (ends[2] - 1) // 512
    for _ in range(300):
        changed = bytearray(data)
        for sector in range(first, last + 1):
            if source.random() < 0.5:
                begin, end = max(sector * 512, ends[1]), min((sector + 1) * 512, ends[2])
                changed[begin:end] = bytes(end - begin)
        path.write_bytes(changed)
        _acknowledge(where, 2)
        found = recover(where, sizes=_SIZES)
        assert found.position.next_n == (6 if changed == data else 4)


def test_a_flipped_bit_before_the_last_batch_is_damage(tmp_path: Path) -> None:
    """A later whole batch proves that the flipped one had been durable; files stay as they are."""
    where = tmp_path / "spool"
    data, ends = _spool(where, acked=1)
    path = spool.segment_path(where, 0)
    source = random.Random(5)
    for _ in range(500):
        changed = bytearray(data)
        bit = source.randrange(ends[1] * 8)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        _acknowledge(where, 0)
        with pytest.raises(EvidenceBroken):
            recover(where, sizes=_SIZES)
        assert path.read_bytes() == changed


def test_a_flipped_bit_in_the_last_acknowledged_batch_is_damage(tmp_path: Path) -> None:
    """Rot in the very last batch looks torn, but the cursor knows that it was acknowledged."""
    where = tmp_path / "spool"
    data, ends = _spool(where, acked=3)
    path = spool.segment_path(where, 0)
    for at in range(ends[1], ends[2], 7):
        changed = bytearray(data)
        changed[at] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(EvidenceBroken, match="durable"):
            recover(where, sizes=_SIZES)
        assert path.read_bytes() == changed


@pytest.mark.parametrize("who", ["archivist", "checkpoint"])
def test_a_tail_shorter_than_what_others_know_is_damage(tmp_path: Path, who: str) -> None:
    """A checkpoint or the archive ahead of the spool: evidence was lost."""
    where = tmp_path / "spool"
    _spool(where)
    assert recover(where, floors={who: 6}, sizes=_SIZES).position.next_n == 6
    with pytest.raises(EvidenceBroken) as broken:
        recover(where, floors={who: 7}, sizes=_SIZES)
    assert who in broken.value.cause


def test_a_lost_spool_is_not_a_new_log(tmp_path: Path) -> None:
    """Without segments, a cursor or a checkpoint that knows of events refuses the start."""
    where = tmp_path / "spool"
    _spool(where)
    spool.segment_path(where, 0).unlink()
    with pytest.raises(EvidenceBroken):
        recover(where, sizes=_SIZES)
    (where / "acked").unlink()
    with pytest.raises(EvidenceBroken):
        recover(where, floors={"checkpoint": 1}, sizes=_SIZES)
    assert recover(where, sizes=_SIZES).position == spool.Position(0, 0, 0, 1)


def test_a_lost_cursor_is_damage(tmp_path: Path) -> None:
    """It is made before the first batch, so where batches are it cannot be missing."""
    where = tmp_path / "spool"
    _spool(where)
    (where / "acked").unlink()
    with pytest.raises(EvidenceBroken):
        recover(where, sizes=_SIZES)


def test_damage_or_loss_of_an_earlier_segment_is_found(tmp_path: Path) -> None:
    """Segments follow each other without gap; a short or missing one is damage, never torn."""
    where = tmp_path / "spool"
    data, ends = _spool(where)
    source = random.Random(8)
    later = _batch(4, 6, 2, source)
    spool.segment_path(where, 6).write_bytes(later.ljust(_SIZE, b"\0"))
    assert recover(where, sizes=_SIZES).position.next_n == 8
    path = spool.segment_path(where, 0)
    for changed in (
        data[: ends[1]].ljust(_SIZE, b"\0"),
        data[: ends[2] - 1].ljust(_SIZE, b"\0"),
        data[: ends[2]].ljust(_SIZE, b"x"),
    ):
        path.write_bytes(changed)
        with pytest.raises(EvidenceBroken):
            recover(where, sizes=_SIZES)
    path.write_bytes(data)
    spool.segment_path(where, 6).rename(spool.segment_path(where, 7))
    with pytest.raises(EvidenceBroken):
        recover(where, sizes=_SIZES)


def test_recovered_may_exceed_acknowledged(tmp_path: Path) -> None:
    """A whole batch that nobody was told of stays, and is acknowledged from now on."""
    where = tmp_path / "spool"
    _spool(where, acked=2)
    found = recover(where, sizes=_SIZES)
    assert (found.position.next_n, found.position.next_batch, found.torn_bytes) == (6, 4, 0)
    assert spool.read_acked(where) == spool.Acked(3, 6)


def test_what_was_not_acknowledged_is_written_again(tmp_path: Path) -> None:
    """A failed fsync may leave pages that look clean and are not on disk: a sync would skip them."""
    where = tmp_path / "spool"
    data, _ = _spool(where, acked=2)
    disk = FaultyDisk()
    recover(where, sizes=_SIZES, disk=disk)
    assert disk.calls == ["open", "write", "sync", "open", "sync"]
    assert spool.segment_path(where, 0).read_bytes() == data
    disk.calls.clear()
    recover(where, sizes=_SIZES, disk=disk)
    assert disk.calls == ["open", "sync"]


def test_a_damaged_list_of_open_sessions_is_found(tmp_path: Path) -> None:
    """Nonsense beside the spool, or a list from the future, is never read with goodwill."""
    where = tmp_path / "spool"
    _spool(where)
    for content in (
        b"{",
        b"[]",
        b'{"format":2,"n":0,"sessions":{},"actions":[]}',
        b'{"format":1,"n":99,"sessions":{},"actions":[]}',
    ):
        (where / "open").write_bytes(content)
        with pytest.raises(EvidenceBroken):
            recover(where, sizes=_SIZES)


async def test_what_was_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    """After a kill each open action reads unknown and each open session is aborted, on its chain."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        one, two = (
            journal.open_stream(session_id=sid, subject="alice", target="shop") for sid in (_A, _B)
        )
        journal.append(one, EventKind.SESSION_OPENED, b"{}")
        journal.append(two, EventKind.SESSION_OPENED, b"{}")
        done = journal.append(one, EventKind.ACTION_RELEASED, b"{}")
        journal.append(one, EventKind.ACTION_FINISHED, b"{}", counters=b'{"of":%d}' % done.n)
        lost = journal.append(one, EventKind.ACTION_RELEASED, b"{}")
        journal.append(two, EventKind.SESSION_CLOSED, b"{}")
        await journal.append(journal.system, EventKind.AUDIT_READ, b"{}").durable()
        killed = _copy(bench, tmp_path / "killed")
    bench.spool = killed
    async with bench.journal_and_recovery() as (_, found):
        assert list(found.opened.actions) == [lost.n]
        assert set(found.opened.sessions) == {_A, journal.system.session_id}
    events, opened = read_events(killed), open_events(bench)
    after = [event for event in events if event.n >= found.position.next_n]
    unknown = next(event for event in after if event.kind == "action.unknown")
    assert unknown.envelope["s"] == _A
    assert unknown.envelope["r"] == {"of": lost.n}
    assert json.loads(opened[unknown.n])["of"] == lost.n
    mine = [event for event in events if event.envelope["s"] == _A]
    assert [event.kind for event in mine][-2:] == ["action.unknown", "session.aborted"]
    assert [event.envelope["q"] for event in mine] == list(range(6))
    assert mine[-1].envelope["p"] == leaf_hash(mine[-2].leaf).hex()
    assert mine[-1].envelope["x"] == "shop"
    done_events = [event for event in after if event.kind == "recovery.done"]
    assert json.loads(opened[done_events[0].n])["actions_unknown"] == 1


async def test_a_session_open_since_an_earlier_segment_is_known(tmp_path: Path) -> None:
    """With the old segments gone the list beside the spool still knows chain, key and action."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        journal.append(stream, EventKind.SESSION_OPENED, b"{}")
        lost = journal.append(stream, EventKind.ACTION_RELEASED, b"{}")
        busy = journal.open_stream(session_id=_B, subject="bob", target="shop")
        while len(spool.list_segments(bench.spool)) < 4:
            await journal.append(busy, EventKind.ACTION_REQUESTED, b"z" * 20_000).durable()
        killed = _copy(bench, tmp_path / "killed")
        end = journal.durable_n
    known = json.loads((killed / "open").read_bytes())["n"]
    segments = spool.list_segments(killed)
    for first, following in itertools.pairwise(segments):
        if following <= known:
            spool.segment_path(killed, first).unlink()
    assert 0 not in spool.list_segments(killed)
    bench.spool = killed
    async with bench.journal_and_recovery(scan_from=end) as (_, found):
        assert found.opened.sessions[_A].q == 2
        assert list(found.opened.actions) == [lost.n]
    mine = [event for event in read_events(killed) if event.envelope["s"] == _A]
    assert [event.envelope["q"] for event in mine] == [2, 3]


async def test_a_clean_stop_leaves_nothing_open(tmp_path: Path) -> None:
    """After close the next start finds nothing to close, and goes on in the same batch count."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal():
        pass
    async with bench.journal_and_recovery() as (_, found):
        assert (found.opened.sessions, found.opened.actions, found.torn_bytes) == ({}, {}, 0)
    events = read_events(bench.spool)
    assert [event.kind for event in events] == [
        "log.genesis",
        "session.closed",
        "recovery.done",
        "session.closed",
    ]
    assert [event.batch for event in events] == [1, 2, 3, 4]


async def test_a_start_with_the_wrong_keys_forgets_nothing(tmp_path: Path) -> None:
    """Another key ring cannot end the open session and is refused; the right one still ends it."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        await journal.append(stream, EventKind.SESSION_OPENED, b"{}").durable()
        killed = _copy(bench, tmp_path / "killed")
    bench.spool = killed
    right, bench.ring = bench.ring, KeyRing(b"x" * 32)
    right_keys, bench.keys = bench.keys, MemoryKeys()
    with pytest.raises(EvidenceBroken):
        async with bench.journal():
            pass
    bench.ring, bench.keys = right, right_keys
    async with bench.journal_and_recovery() as (_, found):
        assert _A in found.opened.sessions
    assert [e.kind for e in read_events(killed) if e.envelope["s"] == _A] == [
        "session.opened",
        "session.aborted",
    ]


async def test_an_erased_persons_open_session_is_aborted_under_another_key(
    tmp_path: Path,
) -> None:
    """The chain is ended all the same, under a key of the gateway's own that travels with it."""
    bench = Bench(tmp_path / "spool")
    async with bench.journal() as journal:
        stream = journal.open_stream(session_id=_A, subject="alice", target="shop")
        await journal.append(stream, EventKind.SESSION_OPENED, b"{}").durable()
        killed = _copy(bench, tmp_path / "killed")
    bench.spool = killed
    bench.keys.forget("alice")
    async with bench.journal():
        pass
    last = [event for event in read_events(killed) if event.envelope["s"] == _A][-1]
    assert (last.kind, last.envelope["q"]) == ("session.aborted", 1)
    assert bench.ring.open_session_key(_A, last.extra, bench.keys) is not None


def _copy(bench: Bench, where: Path) -> Path:
    """The spool as a kill at this moment would leave it; what follows from events comes first."""
    where.mkdir()
    names = ["open", "acked"]
    for name in (*names, *(entry.name for entry in sorted(bench.spool.glob("*.seg")))):
        (where / name).write_bytes((bench.spool / name).read_bytes())
    return where
