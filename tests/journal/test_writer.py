"""The writer: batches in order, each durable before its answer; no space and no disk said plainly."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.disk import FaultyDisk

from gatekeep.journal import encoding, frames, spool
from gatekeep.journal.recovery import recover
from gatekeep.journal.segments import Sizes
from gatekeep.journal.writer import (
    ACCEPTING,
    ACKED,
    ANSWER,
    BATCH,
    CLOSING,
    DEAD,
    FULL,
    NOT_ACCEPTING,
    REQUEST,
    ROLLED,
    SNAPSHOT,
    Writer,
)

_SIZES = Sizes(segment=65_536, reserve=32_768, slice=16_384)


def _request(number: int, size: int = 1000, kind: bytes = BATCH) -> bytes:
    leaf = b'{"k":"audit.read","n":%d,"q":%d,"s":"aa"}' % (number - 1, number - 1)
    body = encoding.encode_record(leaf, b"c" * size)
    frame = frames.encode_header(number, body) + body
    return REQUEST.pack(kind, len(frame), 1) + frame


class _Client:
    """The other end of the writer's socket."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        link.settimeout(20)

    def send(self, *requests: bytes) -> None:
        self.link.sendall(b"".join(requests))

    def hear(self) -> tuple[bytes, int, int]:
        raw = self.link.recv(ANSWER.size, socket.MSG_WAITALL)
        kind, number, value = ANSWER.unpack(raw)
        return kind, number, value

    def hear_until(self, kind: bytes) -> tuple[bytes, int, int]:
        while True:
            answer = self.hear()
            if answer[0] == kind:
                return answer


@contextmanager
def _writer(where: Path, disk: FaultyDisk) -> Iterator[tuple[_Client, list[int]]]:
    where.mkdir(exist_ok=True)
    found = recover(where, sizes=_SIZES)
    ours, theirs = socket.socketpair()
    writer = Writer(theirs, where, found.position, _SIZES, disk)
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(writer.run()))
    thread.start()
    client = _Client(ours)
    assert client.hear() == (ACCEPTING, 0, 0)
    try:
        yield client, status
    finally:
        ours.close()
        thread.join(20)
        assert not thread.is_alive()


def _with_spares(where: Path) -> Path:
    """A spool whose next segment and reserve are ready, so that the writer has nothing to prepare."""
    where.mkdir()
    for name, size in (("next", _SIZES.segment), ("reserve", _SIZES.reserve)):
        (where / name).write_bytes(bytes(size))
    return where


def test_each_batch_is_synced_before_it_is_answered(tmp_path: Path) -> None:
    """One write and one sync for each, and the cursor says so when the answer comes."""
    disk = FaultyDisk()
    where = _with_spares(tmp_path / "spool")
    with _writer(where, disk) as (client, status):
        disk.calls.clear()
        client.send(_request(1), _request(2), _request(3))
        for number in (1, 2, 3):
            assert client.hear() == (ACKED, number, 0)
        assert disk.calls == ["write", "sync"] * 3
        assert spool.read_acked(where) == spool.Acked(3, 3)
    assert status == [0]


def test_a_request_in_pieces_is_one_batch(tmp_path: Path) -> None:
    """Whatever the socket cuts, a batch is written once and whole; a cut one at the end never."""
    with _writer(tmp_path / "spool", FaultyDisk()) as (client, _):
        raw = _request(1)
        for at in range(0, len(raw), 100):
            client.send(raw[at : at + 100])
        assert client.hear() == (ACKED, 1, 0)
        client.send(_request(2)[:-1])
        client.link.shutdown(socket.SHUT_WR)
        assert client.link.recv(1) == b""
    assert recover(tmp_path / "spool", sizes=_SIZES).position.next_n == 1


def test_a_batch_out_of_turn_is_refused(tmp_path: Path) -> None:
    """What was sent behind a refused batch is refused too, and nothing of it is written."""
    with _writer(tmp_path / "spool", FaultyDisk()) as (client, _):
        client.send(_request(2), _request(1), _request(1), _request(2))
        answers = [client.hear() for _ in range(4)]
    assert answers == [(FULL, 2, 0), (ACKED, 1, 0), (FULL, 1, 0), (ACKED, 2, 0)]


def test_without_space_only_endings_are_taken(tmp_path: Path) -> None:
    """Not accepting, then full for requests, the reserve for endings, and on again with space."""
    disk = FaultyDisk()
    where = tmp_path / "spool"
    where.mkdir()
    (where / "reserve").write_bytes(bytes(_SIZES.reserve))
    disk.space = 0
    with _writer(where, disk) as (client, status):
        assert client.hear() == (NOT_ACCEPTING, 0, errno.ENOSPC)
        client.send(_request(1, 60_000), _request(2, 10_000))
        assert client.hear() == (ACKED, 1, 0)
        assert client.hear() == (FULL, 2, 0)
        client.send(_request(2, 10_000, CLOSING), _request(3, 10))
        assert client.hear() == (ACKED, 2, 0)
        assert client.hear() == (ROLLED, 1, 0)
        assert client.hear() == (FULL, 3, 0)
        client.send(_request(3, 10_000, CLOSING), _request(4, 30_000, CLOSING))
        assert client.hear() == (ACKED, 3, 0)
        assert client.hear() == (FULL, 4, 0)
        disk.heal()
        assert client.hear() == (ACCEPTING, 0, 0)
        client.send(_request(4, 10))
        assert client.hear() == (ACKED, 4, 0)
        assert client.hear() == (ROLLED, 3, 0)
    assert status == [0]
    assert spool.list_segments(where) == [0, 1, 3]
    assert recover(where, sizes=_SIZES).position.next_n == 4


@pytest.mark.parametrize("operation", ["sync", "write", "rename", "open"])
def test_a_failing_disk_is_said_once_and_ends_the_writer(tmp_path: Path, operation: str) -> None:
    """The errno is answered, nothing is tried again, the exit status is 74."""
    disk = FaultyDisk()
    with _writer(_with_spares(tmp_path / "spool"), disk) as (client, status):
        client.send(_request(1, 60_000))
        client.hear_until(ACKED)
        disk.calls.clear()
        disk.fail(operation, errno.EIO)
        client.send(_request(2, 60_000))
        assert client.hear_until(DEAD) == (DEAD, 2, errno.EIO)
        assert client.link.recv(1) == b""
        assert disk.calls.count(operation) == 1
    assert status == [74]
    found = recover(tmp_path / "spool", sizes=_SIZES)
    assert found.position.next_n == (2 if operation == "sync" else 1)
    assert (found.torn_bytes > 0) == (operation == "write")


def test_a_snapshot_is_written_whole_or_not(tmp_path: Path) -> None:
    """Without space the older one stays; a failing disk ends the writer as for a batch."""
    disk = FaultyDisk()
    where = tmp_path / "spool"
    with _writer(where, disk) as (client, status):
        client.send(REQUEST.pack(SNAPSHOT, 3, 0) + b"one", _request(1))
        client.hear_until(ACKED)
        assert (where / "open").read_bytes() == b"one"
        disk.fail("open", errno.ENOSPC)
        client.send(REQUEST.pack(SNAPSHOT, 3, 0) + b"two", _request(2))
        client.hear_until(ACKED)
        assert (where / "open").read_bytes() == b"one"
    assert status == [0]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a file system of its own: the same answers from the real process as from the fake disk."""
    where = tmp_path / "mount"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(where)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        _really_full(where / "spool")
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


def _really_full(where: Path) -> None:
    where.mkdir()
    recover(where, sizes=_SIZES)
    ours, theirs = socket.socketpair()
    lock = spool.SpoolLock(where)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gatekeep.journal.writer",
            "--fd",
            str(theirs.fileno()),
            "--lock-fd",
            str(lock.handle),
            "--spool",
            str(where),
            "--position",
            "0:0:0:1",
            "--segment-bytes",
            str(_SIZES.segment),
            "--reserve-bytes",
            str(_SIZES.reserve),
        ],
        pass_fds=(theirs.fileno(), lock.handle),
    )
    theirs.close()
    client = _Client(ours)
    number = 1
    try:
        assert client.hear() == (ACCEPTING, 0, 0)
        while True:
            client.send(_request(number, 20_000))
            kind = client.hear()[0]
            while kind in (ROLLED, NOT_ACCEPTING):
                kind = client.hear()[0]
            if kind == FULL:
                break
            assert kind == ACKED
            number += 1
        client.send(_request(number, 500, CLOSING))
        assert client.hear_until(ACKED) == (ACKED, number, 0)
    finally:
        ours.close()
        assert process.wait(20) == 0
        lock.release()
    assert recover(where, sizes=_SIZES).position.next_n == number
