"""Commands, scripts and shells that wait for a person before the target hears of them."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest
from support.ssh_asking import Asking, ssh_asking

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope


async def started(
    asking: Asking, client: asyncssh.SSHClientConnection, command: str, **how: Any
) -> tuple[asyncssh.SSHClientProcess[bytes], ApprovalRequest]:
    """A command that waits, and the request."""
    how = {"encoding": None, **how}
    process = await client.create_process(command, **how)
    return process, await asking.asked()


async def outcome(process: asyncssh.SSHClientProcess[bytes]) -> tuple[int | None, bytes, str]:
    """Exit status, standard output, standard error."""
    done = await asyncio.wait_for(process.wait(), 10)
    return done.exit_status, bytes(done.stdout or b""), bytes(done.stderr or b"").decode()


async def test_an_approved_command_runs_and_its_output_is_the_targets_alone() -> None:
    """The words of the design on stderr; nothing reaches the target before the yes."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        assert asking.story.targets == []
        await asking.vote(request)
        status, out, err = await outcome(process)
        assert (status, out) == (0, b"restart it")
        assert err.splitlines() == [
            f"gatekeep: waiting for approval by sre (bob or carol), request {request.id}, 15 min",
            "gatekeep:   echo restart it",
            f"gatekeep: an SRE looks at it · rule ask-sre · https://gw.example/r/{request.id}",
            "gatekeep: nothing has run yet; Ctrl-C withdraws",
            f"gatekeep: carol approved {request.id}, running it now",
        ]
        (released,) = asking.events("action.released")
        assert released.payload["request"]
        assert [event.kind for event in asking.story.journal.events][-1] == "action.finished"


async def test_a_denied_command_says_who_and_why_and_ends_126() -> None:
    """Nothing was run, nothing dialled, standard output is empty."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        await asking.vote(request, "bob", deny="on the replica first")
        status, out, err = await outcome(process)
        assert (status, out) == (126, b"")
        assert err.splitlines()[-3:] == [
            f"gatekeep: bob denied request {request.id}",
            "gatekeep: reason: on the replica first",
            "gatekeep: nothing was run; talk to bob, or change it and try again",
        ]
        assert asking.story.targets == []


async def test_a_command_that_nobody_answers_about_ends_126() -> None:
    """With whom was asked."""
    async with ssh_asking("restart", open_s=0.2) as asking, await asking.story.client() as client:
        process = await client.create_process("echo restart it", encoding=None)
        status, out, err = await outcome(process)
        assert (status, out) == (126, b"")
        assert "nobody answered request" in err
        assert "asked: bob and carol" in err


async def test_a_client_that_leaves_withdraws_what_it_asked_for() -> None:
    """The connection ends: a late yes changes nothing, and the session comes to its end."""
    async with ssh_asking("restart") as asking:
        client = await asking.story.client()
        _process, request = await started(asking, client, "echo restart it")
        client.abort()
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        assert not (await asking.vote(request)).counted
        await asking.story.until(lambda: bool(asking.events("session.closed")))
        assert asking.story.targets == []
        assert asking.events("action.released") == []


async def test_a_channel_that_closes_with_input_unread_withdraws() -> None:
    """As a shared connection does when its client ends: the close overtakes what waits."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "cat restart", window=1 << 20)
        process.stdin.write(b"x" * 200_000)
        process.channel.abort()
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        assert asking.story.targets == []


@pytest.mark.parametrize("name", ["INT", "TERM"])
async def test_a_signal_for_what_does_not_run_yet_withdraws_it(name: str) -> None:
    """The channel hears so; other signals are for nobody."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        process.send_signal("USR1")
        process.send_signal(name)
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        status, out, err = await outcome(process)
        assert (status, out) == (126, b"")
        assert err.splitlines()[-2:] == [
            f"gatekeep: request {request.id} was withdrawn", "gatekeep: nothing was run",
        ]  # fmt: skip


@pytest.mark.parametrize("key", [b"\x03", b"\x04"])
async def test_ctrl_c_on_a_terminal_withdraws(key: bytes) -> None:
    """In whatever it stands; the words have the line ends of a terminal."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(
            asking, client, "echo restart it", term_type="xterm", term_size=(80, 24)
        )
        process.stdin.write(b"impatient" + key)
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        status, out, err = await outcome(process)
        assert (status, out) == (126, b"")
        assert f"request {request.id} was withdrawn\r\n" in err


async def test_keys_typed_before_the_question_count_too() -> None:
    """Who pressed Ctrl-C at once waits for nobody."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process = await client.create_process(
            "echo restart it", encoding=None, term_type="xterm", term_size=(80, 24)
        )
        process.stdin.write(b"\x03")
        assert (await outcome(process))[0] == 126
        assert asking.events("action.released") == []


async def test_input_waits_for_what_is_held_and_is_not_lost() -> None:
    """More than the windows hold: the client is made to wait, then all of it arrives, with its end."""
    data = bytes(range(256)) * 8192
    async with ssh_asking("cat") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "cat")

        async def feed() -> None:
            process.stdin.write(data)
            await process.stdin.drain()
            process.stdin.write_eof()

        feeding = asyncio.ensure_future(feed())
        (session,) = asking.story.sessions.running()
        await asking.story.until(lambda: process.channel.get_write_buffer_size() > 0)
        assert session.live.session.code
        await asking.vote(request)
        assert await process.stdout.read() == data
        await feeding


async def test_keys_on_a_terminal_wait_for_what_is_held() -> None:
    """Piped into a terminal, as `ssh -tt` does: kept in order, and the client waits beyond a bound."""
    async with ssh_asking("cat") as asking, await asking.story.client() as client:
        asking.story.policy.lines_free = True
        process, request = await started(
            asking, client, "cat", term_type="xterm", term_size=(80, 24)
        )
        process.stdin.write(b"one two")
        process.stdin.write_eof()
        await asking.vote(request)
        status, out, _err = await outcome(process)
        assert (status, out) == (0, b"one two")


async def test_a_script_on_standard_input_is_held_as_its_bytes() -> None:
    """The first line and how many there are; it runs with exactly that input."""
    async with ssh_asking("script") as asking, await asking.story.client() as client:
        process = await client.create_process("bash -s", encoding=None)
        process.stdin.write(b"systemctl restart x\ntrue\n")
        process.stdin.write_eof()
        request = await asking.asked()
        await asking.vote(request)
        err = (await outcome(process))[2]
        assert "gatekeep:   bash -s (the first of 3 lines)" in err


async def test_a_shell_is_held_at_its_opening() -> None:
    """With a terminal: the welcome comes only after the yes, and keys typed meanwhile go on."""
    async with ssh_asking("ssh.shell") as asking, await asking.story.client() as client:
        process = await client.create_process(term_type="xterm", term_size=(80, 24), encoding=None)
        request = await asking.asked()
        assert request.subject.kind.value == "shell"
        await asking.vote(request)
        process.stdin.write(b"exit 4\r")
        status, _out, err = await outcome(process)
        assert status == 4
        told = err.index("approved")
        assert "recorded as S-" not in err[:told]
        assert "recorded as S-" in err[told:]


async def test_a_session_that_is_killed_withdraws_and_says_so() -> None:
    """The words of who ended it, once."""
    async with ssh_asking("restart") as asking:
        client = await asking.story.client()
        process, request = await started(asking, client, "echo restart it")
        for session in asking.story.sessions.running():
            session.live.end("leaked key")
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        assert b"this session was ended: leaked key" in await process.stderr.read()
        await client.wait_closed()
        await asking.story.until(lambda: bool(asking.events("session.closed")))


async def test_a_gateway_that_drains_withdraws_at_once() -> None:
    """It does not wait for a person who may never come; the words say to come again."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        asking.story.sessions.drain()
        assert (await asking.ended(request)).state is RequestState.WITHDRAWN
        status, _out, err = await outcome(process)
        assert status == 126
        assert f"the gateway is restarting, request {request.id} was withdrawn" in err


async def test_another_channel_on_the_connection_goes_on_meanwhile() -> None:
    """What is held holds nothing else."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        assert (await client.run("echo fine")).stdout == "fine"
        await asking.vote(request)
        assert (await outcome(process))[0] == 0


async def test_whoever_is_no_longer_admitted_gets_nothing_by_a_late_yes() -> None:
    """What was a right at the question is asked for again at the release."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        asking.story.policy.opens = False
        await asking.vote(request)
        status, out, err = await outcome(process)
        assert (status, out) == (126, b"")
        assert "policy no longer lets you open sessions on web-1" in err
        assert asking.story.targets == []


async def test_leave_for_a_session_asks_no_second_time() -> None:
    """A grant covers it: nothing is said, and nothing waits."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process, request = await started(asking, client, "echo restart it")
        await asking.vote(request, scope=Scope.SESSION)
        assert (await outcome(process))[0] == 0
        again = await client.run("echo restart it")
        assert (again.exit_status, again.stderr) == (0, "")


async def test_who_has_asked_for_too_much_is_told_so() -> None:
    """And is asked to wait for an answer, or to withdraw something."""
    async with ssh_asking("restart", max_open=1) as asking, await asking.story.client() as client:
        await started(asking, client, "echo restart one")
        refused = await client.run("echo restart two")
        assert refused.exit_status == 126
        assert "requests of yours are open, so this was not asked" in refused.stderr


async def test_a_held_session_is_not_idle() -> None:
    """It is not the client who keeps us waiting."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        await client.run("echo fine")
        process, request = await started(asking, client, "echo restart it")
        (session,) = asking.story.sessions.running()
        session.idle_ns()
        await asyncio.sleep(0)
        assert session.idle_ns() == 0
        await asking.vote(request)
        await outcome(process)
        assert not session.holds
