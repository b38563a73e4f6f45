"""A target that means harm, or fails: it floods, never answers, ends twice, asks for channels."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN
from asyncssh.packet import String, UInt32
from support import ssh_story as stories
from support.ssh_story import TargetServer, ssh_story

ends: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ends.clear()


class Scripted(TargetServer):
    """Keeps its connections, for tests to misbehave on."""

    def connection_made(self, conn: Any) -> None:
        """Known to the test."""
        ends.append(conn)


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories, "TargetServer", Scripted)


async def test_channels_that_nobody_asked_for_are_refused_and_told() -> None:
    """The target opens what it likes: nothing reaches the client."""
    async with ssh_story() as story, await story.client() as client:
        process = await client.create_process("stuck")
        await story.until(lambda: bool(story.events("action.released")) and bool(ends))
        mine = set(client._channels)
        for kind in ("session", "x11", "auth-agent@openssh.com", "forwarded-tcpip", "tun@openssh.com"):
            more = (String("127.0.0.1"), UInt32(1), String("o"), UInt32(2)) if "tcp" in kind else ()
            ends[0].send_packet(MSG_CHANNEL_OPEN, String(kind), UInt32(77), UInt32(9), UInt32(9), *more)
        await asyncio.sleep(0.3)
        assert set(client._channels) <= mine
        process.close()


async def test_an_end_told_twice_is_one_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two statuses: one outcome, and what the client hears is what the record says."""

    async def twice(process: Any) -> None:
        process.channel._send_request(b"exit-status", UInt32(0))
        process.channel._send_request(b"exit-status", UInt32(7))
        process.close()

    monkeypatch.setattr(stories, "serve_process", twice)
    async with ssh_story() as story, await story.client() as client:
        done = await client.run("x")
        await story.until(lambda: bool(story.events("action.finished")))
        (outcome,) = story.events("action.finished")
        assert outcome.payload["tag"] == f"exit {done.exit_status}"


async def test_a_target_that_ends_in_the_middle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection breaks: the client's channel ends without a status, the outcome is unknown."""

    async def cut(process: Any) -> None:
        process.stdout.write(b"half")
        process.channel.get_connection().abort()

    monkeypatch.setattr(stories, "serve_process", cut)
    async with ssh_story() as story, await story.client() as client:
        done = await asyncio.wait_for(client.run("x"), 10)
        assert (done.exit_status, done.stdout) == (None, "half")
        await story.until(lambda: bool(story.events("action.finished")))
        assert story.events("action.finished")[0].payload["outcome"] == "unknown"


async def test_a_target_that_never_answers_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives up: its channel is free again, and what was released has an outcome."""

    def silent(self: Any) -> None:
        if self._request_queue[0][0] == "exec":
            return  # never answered
        shipped(self)

    shipped = asyncssh.channel.SSHChannel._service_next_request
    async with ssh_story() as story, await story.client() as client:
        assert (await client.run("echo on")).stdout == "on"
        target_channels = asyncssh.channel.SSHServerChannel
        monkeypatch.setattr(
            target_channels, "_service_next_request",
            lambda self: silent(self) if self._conn in ends else shipped(self),
            raising=False,
        )  # fmt: skip
        process = await client.create_process("echo never")
        await story.until(lambda: len(story.events("action.released")) == 2)
        process.close()
        await story.until(lambda: len(story.events("action.finished")) == 2)
        (session,) = list(story.sessions._running)
        await story.until(lambda: session.channels == 0)


async def test_errors_on_a_terminal_are_paced_by_the_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A target that floods a terminal's other stream waits for the journal, as with output."""

    async def flood(process: Any) -> None:
        for _ in range(4000):
            process.stderr.write(b"e" * 32768)
            await process.stderr.drain()
        process.exit(0)

    monkeypatch.setattr(stories, "serve_process", flood)
    async with ssh_story() as story, await story.client() as client:
        process = await client.create_process("x", term_type="xterm", encoding=None)
        await story.until(lambda: bool(story.events("action.released")))
        story.journal.synced.clear()
        counted = 0

        async def read() -> None:
            nonlocal counted
            while data := await process.stderr.read(1 << 20):
                counted += len(data)

        reading = asyncio.ensure_future(read())
        stopped_at = -1
        while counted > stopped_at:  # it flows no more while the journal is silent
            stopped_at = counted
            await asyncio.sleep(1)
        assert stopped_at < 4000 * 32768
        story.journal.synced.set()
        await asyncio.wait_for(reading, 60)
        assert counted >= 4000 * 32768


@pytest.mark.parametrize("size", [(0, 0), (4294967295, 4294967295), (1, 1), (65536, 2)])
async def test_no_size_of_a_window_hurts(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the beginning nor when it changes; lines are judged meanwhile."""

    async def cat(process: Any) -> None:
        while True:
            try:
                if not (data := await process.stdin.read(65536)):
                    return
                process.stdout.write(data)
            except asyncssh.TerminalSizeChanged:
                continue

    monkeypatch.setattr(stories, "serve_process", cat)
    async with ssh_story() as story, await story.client() as client:
        story.policy.denied.add("forbidden")
        process = await client.create_process(
            "cat", term_type="xterm", term_size=(*size, 0, 0), encoding=None
        )
        process.stdin.write(b"one\n")
        assert b"one" in await process.stdout.readuntil(b"\n")
        process.channel.change_terminal_size(*size)
        process.stdin.write(b"two\n")
        assert b"two" in await process.stdout.readuntil(b"\n")
        process.close()
        await story.until(lambda: bool(story.events("action.finished")))
        assert story.faults == []


