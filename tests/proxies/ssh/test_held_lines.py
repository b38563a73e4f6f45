"""Lines of a shell that wait for a person, through the whole door: told, decided, read again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncssh
import pytest
from support.ssh_asking import Asking, ssh_asking
from support.ssh_story import WEB

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.targets import SshWay
from gatekeep.proxies.ssh.shell import LineVoice
from gatekeep.recordings.chunks import decode_chunk, unpack


class Typist:
    """Somebody at a shell whose lines are read off the screen."""

    def __init__(self, asking: Asking, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self.asking = asking
        self.process = process
        self.shown = b""
        self.told = b""
        self._reading = [
            asyncio.ensure_future(self._read(process.stdout, "shown")),
            asyncio.ensure_future(self._read(process.stderr, "told")),
        ]

    async def _read(self, stream: asyncssh.SSHReader[bytes], name: str) -> None:
        while data := await stream.read(65536):
            setattr(self, name, getattr(self, name) + data)

    async def sees(self, words: bytes) -> None:
        """The target shows this."""
        await self.asking.story.until(lambda: words in self.shown)

    async def hears(self, words: str) -> None:
        """We say this."""
        await self.asking.story.until(lambda: words.encode() in self.told)

    async def enters(self, line: bytes) -> None:
        """A line, key by key as they are shown, and Enter."""
        self.process.stdin.write(line)
        await self.sees(line)
        self.process.stdin.write(b"\r")

    async def holds(self, line: bytes) -> ApprovalRequest:
        """A line that waits; it was said so."""
        await self.enters(line)
        request = await self.asking.asked()
        await self.hears("waiting for approval")
        return request

    def close(self) -> None:
        """Read no more."""
        for one in self._reading:
            one.cancel()


@asynccontextmanager
async def typist(*asked: str) -> AsyncIterator[Typist]:
    """At a prompt."""
    async with ssh_asking(*asked) as asking, await asking.story.client() as client:
        process = await client.create_process(
            term_type="marks", term_size=(80, 24), encoding=None
        )
        person = Typist(asking, process)
        try:
            await person.sees(b"$ ")
            yield person
        finally:
            person.close()


def recorded(asking: Asking, code: str) -> list[bytes]:
    """What recordings hold of one kind of record."""
    return [
        record.data
        for event in asking.events("recording.chunk")
        if event.payload["codec"].startswith("records")
        for record in unpack(decode_chunk(event.payload).records)
        if record.code == code
    ]


async def test_an_approved_line_runs_and_all_words_are_recorded_as_words() -> None:
    """Who decides, that it is read again, who approved; the recording of output holds none of it."""
    async with typist("print restart") as person:
        request = await person.holds(b"print restart")
        assert request.subject.kind.value == "line"
        assert request.subject.facts["assurance"] == "inferred"
        assert person.shown.endswith(b"print restart")
        await person.asking.vote(request)
        await person.sees(b"\rrestart\r\n")
        await person.hears("carol approved")
        person.process.stdin.write(b"exit 0\r")
        await person.process.wait_closed()
        asking = person.asking
        await asking.story.until(lambda: len(asking.events("action.finished")) >= 3)
        words = b"".join(recorded(asking, "t")).decode()
        assert f"waiting for approval by sre (bob or carol), request {request.id}, 15 min" in words
        assert "(read from the screen; the exact line is compared again before it runs)" in words
        assert "\x1b" not in words
        assert b"gatekeep" not in b"".join(recorded(asking, "o"))
        assert LineVoice.__doc__


async def test_a_denied_line_does_not_run_and_the_shell_goes_on() -> None:
    """C-c and nothing else reached it."""
    async with typist("print restart") as person:
        request = await person.holds(b"print restart")
        await person.asking.vote(request, deny="not now")
        await person.hears("gatekeep: reason: not now")
        await person.sees(b"^C")
        await person.enters(b"print fine")
        await person.sees(b"\rfine\r\n")
        assert b"\rrestart\r\n" not in person.shown


async def test_ctrl_c_withdraws_and_other_keys_are_ignored() -> None:
    """Words once, then a bell; the shell is back at its prompt at once."""
    async with typist("print restart") as person:
        request = await person.holds(b"print restart")
        person.process.stdin.write(b"y")
        await person.hears("held; other keys are ignored until it is decided")
        person.process.stdin.write(b"\x03")
        assert (await person.asking.ended(request)).state is RequestState.WITHDRAWN
        await person.hears("gatekeep: withdrawn")
        await person.enters(b"print fine")
        await person.sees(b"\rfine\r\n")
        assert person.shown.count(b"$ y") == 0


async def test_a_line_that_changed_under_us_is_void() -> None:
    """Painted anew as something else: the approval does not fit, and nothing runs."""
    async with typist("restart") as person:
        request = await person.holds(b"print repaint restart x")
        person.process.change_terminal_size(70, 24)
        await person.sees(b"\r\x1b[K$ print restart x")
        await person.asking.vote(request)
        await person.hears(f"the approval of request {request.id} no longer fits")
        await person.hears("gatekeep: line changed after the question was asked")
        await person.sees(b"^C")
        assert b"\rrestart x\r\n" not in person.shown
        refused = person.asking.events("action.refused")
        assert [event.payload["cause"] for event in refused] == ["approval"]


async def test_a_line_that_is_painted_anew_as_it_was_may_run() -> None:
    """Resized while it is held: the target hears of it, and the same text is the same line."""
    async with typist("print restart") as person:
        request = await person.holds(b"print restart")
        person.process.change_terminal_size(70, 24)
        await person.sees(b"\r\x1b[K$ print restart")
        await person.asking.vote(request)
        await person.sees(b"\rrestart\r\n")


@pytest.mark.parametrize("who", ["client", "target"])
async def test_whoever_leaves_withdraws_the_line(who: str) -> None:
    """The request says who; a late yes is late."""
    async with typist("print restart") as person:
        request = await person.holds(b"print restart")
        if who == "client":
            person.process.channel.abort()
        else:
            person.asking.story.targets[0].abort()
        ended = await person.asking.ended(request)
        assert ended.state is RequestState.WITHDRAWN
        assert ended.decision_reason == f"{who} left"
        assert not (await person.asking.vote(request)).counted
        assert b"\rrestart\r\n" not in person.shown


@asynccontextmanager
async def unseen(monkeypatch: pytest.MonkeyPatch, *asked: str) -> AsyncIterator[Typist]:
    """At a prompt that shows nothing of what is typed, on a target that wants such lines asked about."""
    way = SshWay(hidden_input="ask")
    monkeypatch.setattr("support.ssh_story.WEB", replace(WEB, ssh=way))
    async with typist("nothing", *asked) as person:
        await person.enters(b"silent")
        await person.sees(b"silent\r\n\x1b[?2004l\r\x1b[?2004h$ ")
        person.process.stdin.write(b"print restart\r")
        yield person


async def test_a_line_typed_unseen_is_asked_about_where_a_rule_says_whom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`hidden_input: ask`: it is judged as what nobody can read, and approved it runs."""
    async with unseen(monkeypatch, "ssh.opaque") as person:
        request = await person.asking.asked()
        assert "hidden_input" in request.subject.tags
        await person.asking.vote(request)
        await person.sees(b"\rrestart\r\n")


async def test_a_line_typed_unseen_is_refused_where_no_rule_says_whom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every rule allows it, so none names anybody: it does not run, and the record says why."""
    async with unseen(monkeypatch) as person:
        await person.hears("this needs approval")
        await person.sees(b"^C")
        (refused,) = person.asking.events("action.refused")
        assert refused.payload["cause"] == "hidden_input"
        assert b"\rrestart\r\n" not in person.shown
