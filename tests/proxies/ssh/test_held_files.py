"""File operations that wait for a person: the others stand behind them, nobody loses a byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.sftp import start_sftp_client
from support.ssh_asking import Asking, ssh_asking

from gatekeep.domain.approvals import RequestState


@asynccontextmanager
async def files(*asked: str) -> AsyncIterator[tuple[Asking, Any, Any]]:
    """A story, a client's sftp, and the process below it, whose standard error is ours."""
    async with ssh_asking(*asked) as asking, await asking.story.client() as client:
        process = await client.create_process(subsystem="sftp", encoding=None)
        loop = asyncio.get_running_loop()
        sftp = await start_sftp_client(
            client, loop, "strict", process.stdout, process.stdin, "utf-8", "strict", 3
        )
        try:
            yield asking, sftp, process
        finally:
            sftp.exit()
            process.channel.abort()


async def test_an_approved_operation_is_carried_out_and_said_on_stderr(tmp_path: Path) -> None:
    """Nothing of it is in the protocol; what was asked behind it comes behind it."""
    async with files("made") as (asking, sftp, process):
        making = asyncio.ensure_future(sftp.mkdir(str(tmp_path / "made")))
        request = await asking.asked()
        behind = asyncio.ensure_future(sftp.stat(str(tmp_path)))
        assert request.subject.kind.value == "file"
        assert not (tmp_path / "made").exists()
        await asking.vote(request)
        await making
        await behind
        assert (tmp_path / "made").is_dir()
        assert b"waiting for approval by sre" in await process.stderr.readline()
        assert str(tmp_path / "made").encode() in await process.stderr.readline()


async def test_a_denied_operation_is_permission_denied_with_the_same_first_line(
    tmp_path: Path,
) -> None:
    """And the channel goes on; why stands on stderr."""
    async with files("made") as (asking, sftp, process):
        making = asyncio.ensure_future(sftp.mkdir(str(tmp_path / "made")))
        request = await asking.asked()
        await asking.vote(request, "bob", deny="wrong place")
        with pytest.raises(asyncssh.SFTPPermissionDenied) as refused:
            await making
        assert f"gatekeep: bob denied request {request.id}" in str(refused.value)
        await sftp.mkdir(str(tmp_path / "other"))
        told = await process.stderr.readuntil(b"wrong place\n")
        assert f"gatekeep: bob denied request {request.id}\n".encode() in told
        assert not (tmp_path / "made").exists()


async def test_a_channel_that_ends_withdraws_and_asks_no_more(tmp_path: Path) -> None:
    """What stood behind the question is not judged any more."""
    async with files("made", "behind") as (asking, sftp, process):
        waiting = [
            asyncio.ensure_future(sftp.mkdir(str(tmp_path / name))) for name in ("made", "behind")
        ]
        request = await asking.asked()
        process.channel.abort()
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        await asking.story.until(lambda: bool(asking.events("channel.closed")))
        assert len(asking.events("approval.requested")) == 1
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not (tmp_path / "made").exists()
        assert not (tmp_path / "behind").exists()


async def test_a_target_that_is_lost_withdraws(tmp_path: Path) -> None:
    """With the reason in the request."""
    async with files("made") as (asking, sftp, _process):
        making = asyncio.ensure_future(sftp.mkdir(str(tmp_path / "made")))
        request = await asking.asked()
        asking.story.targets[0].abort()
        ended = await asking.ended(request)
        assert (ended.state, ended.decision_reason) == (RequestState.WITHDRAWN, "target left")
        await asyncio.gather(making, return_exceptions=True)


async def test_what_is_sent_behind_a_question_makes_the_client_wait(tmp_path: Path) -> None:
    """Bounded: the client is not read meanwhile, and afterwards not a byte of it is missing."""
    data = bytes(range(256)) * 12_000
    async with files("made") as (asking, sftp, process):
        file = await sftp.open(str(tmp_path / "copy"), "wb")
        making = asyncio.ensure_future(sftp.mkdir(str(tmp_path / "made")))
        request = await asking.asked()
        writing = asyncio.ensure_future(file.write(data))
        await asking.story.until(lambda: process.channel.get_write_buffer_size() > 0)
        assert not making.done()
        await asking.vote(request)
        await making
        await writing
        await file.close()
        assert (tmp_path / "copy").read_bytes() == data
