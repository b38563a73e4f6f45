"""A lent agent: lists pass, each signature is an action of its own, everything else is a failure."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import asyncssh
import pytest
from support.agent_story import KEYS, OURS, SIGNED, AgentStory, agent_story, said
from support.agent_wire import (
    FAILED,
    HOST,
    KEY,
    LIST,
    message,
    sign_in,
    sign_request,
    signed_text,
)

from gatekeep.errors import JournalUnavailable
from gatekeep.proxies.ssh import agent_relay
from gatekeep.proxies.ssh.seams import fingerprint

SIGN_IN = sign_request(KEY, sign_in(KEY, HOST))
SIGN_TEXT = sign_request(KEY, signed_text("git"))


async def test_a_list_passes_and_is_no_action(tmp_path: Path) -> None:
    """What keys there are is told as it is."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        writer.write(LIST)
        assert await said(reader) == KEYS
        assert there.agent.heard == [LIST]
        assert not there.signatures()


async def test_a_host_bound_sign_in_is_an_action(tmp_path: Path) -> None:
    """Who signs in where, by which key, and the digest of what is signed; then how it went."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        writer.write(SIGN_IN)
        assert await said(reader) == SIGNED
        (payload,) = there.signatures()
        assert payload["class"] == "agent.forward"
        assert payload["signs"] == {
            "host_key": fingerprint(HOST), "key": fingerprint(KEY), "login": "deploy",
        }  # fmt: skip
        assert payload["text"] == (
            f"sign: user deploy at {fingerprint(HOST)} with {fingerprint(KEY)}"
        )
        assert payload["digest"] == hashlib.sha256(sign_in(KEY, HOST)).hexdigest()
        assert there.finished(there.released()[-1].n) == ["done signed"]


async def test_a_signed_text_is_an_action_with_its_namespace(tmp_path: Path) -> None:
    """What git and ssh-keygen -Y ask for."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        writer.write(SIGN_TEXT)
        assert await said(reader) == SIGNED
        (payload,) = there.signatures()
        assert payload["signs"] == {"key": fingerprint(KEY), "namespace": "git"}
        assert payload["text"] == f"sign: SSHSIG git with {fingerprint(KEY)}"


async def test_the_agent_hears_nothing_before_it_is_durable(tmp_path: Path) -> None:
    """The request waits for the disk, and what comes behind it waits for the request."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        there.story.journal.synced.clear()
        writer.write(SIGN_IN + LIST + SIGN_TEXT)
        await there.story.until(lambda: len(there.signatures()) == 1)
        for _ in range(20):
            await there.story.until(lambda: True)
        assert not there.agent.heard
        there.story.journal.synced.set()
        assert [await said(reader) for _ in range(3)] == [SIGNED, KEYS, SIGNED]
        assert there.agent.heard == [SIGN_IN, LIST, SIGN_TEXT]


@pytest.mark.parametrize(
    ("request_", "cause"),
    [
        (sign_request(KEY, sign_in(KEY)), "not host-bound"),
        (sign_request(KEY, sign_in(KEY, HOST)), OURS),
        (sign_request(KEY, sign_in(HOST, HOST)), "unknown data"),
        (sign_request(KEY, b"anything"), "unknown data"),
        (sign_request(KEY, signed_text("")), "unknown data"),
        (sign_request(KEY, signed_text(), flags=1), "unknown data"),
    ],
    ids=["plain", "ours", "another key", "anything", "no namespace", "flags"],
)
async def test_what_is_never_signed(tmp_path: Path, request_: bytes, cause: str) -> None:
    """A failure for the target, an event for the record, nothing for the agent or the policy."""
    async with agent_story(tmp_path) as there, there.lending():
        there.ours.add(HOST)
        reader, writer = await there.channel()
        writer.write(request_ + LIST)
        assert await said(reader) == FAILED
        assert await said(reader) == KEYS
        assert there.agent.heard == [LIST]
        (refused,) = there.story.events("action.refused")
        assert refused.payload["cause"] == cause
        assert refused.payload["class"] == "agent.forward"
        assert refused.payload["text"].startswith("sign: ")


async def test_a_signature_that_the_policy_denies_is_not_made(tmp_path: Path) -> None:
    """It is asked each time: what was granted an hour ago may be denied now."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        there.story.policy.denied.add("SSHSIG")
        writer.write(SIGN_TEXT + SIGN_IN)
        assert [await said(reader), await said(reader)] == [FAILED, SIGNED]
        assert there.agent.heard == [SIGN_IN]
        assert [cause for _, cause in there.refused()] == ["policy"]


async def test_who_is_no_longer_admitted_signs_nothing(tmp_path: Path) -> None:
    """Nor when the channel was opened before."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        there.story.lapses["alice"] = "its key no longer works"
        writer.write(SIGN_TEXT)
        assert await said(reader) == FAILED
        assert [cause for _, cause in there.refused()] == ["not admitted"]
        assert not there.agent.heard


async def test_whatever_else_is_asked_for_is_a_failure(tmp_path: Path) -> None:
    """Adding, removing, locking: told once for each kind. Extensions are tried by everybody."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        kinds = (17, 18, 19, 19, 20, 22, 23, 25, 26, 27, 27, 1, 9, 255)
        for kind in kinds:
            writer.write(message(kind, b"whatever"))
        assert [await said(reader) for _ in kinds] == [FAILED] * len(kinds)
        assert not there.agent.heard
        told = [text for text, cause in there.refused() if cause == "not_offered"]
        assert told == [f"agent request {kind}" for kind in dict.fromkeys(kinds) if kind != 27]


async def test_an_agent_may_refuse(tmp_path: Path) -> None:
    """Its owner said no: the outcome is a failed one."""
    async with agent_story(tmp_path) as there, there.lending():
        there.agent.answer = lambda _frame: FAILED
        reader, writer = await there.channel()
        writer.write(SIGN_TEXT)
        assert await said(reader) == FAILED
        assert there.finished(there.released()[-1].n) == ["failed refused"]


@pytest.mark.parametrize("garbage", [bytes(4), b"\xff" * 4, message(13, b"x"), message(11, b"x")])
async def test_garbage_of_the_target_ends_its_channel(tmp_path: Path, garbage: bytes) -> None:
    """No other is touched."""
    async with agent_story(tmp_path) as there, there.lending():
        other_reader, other_writer = await there.channel()
        reader, writer = await there.channel()
        writer.write(garbage)
        assert await reader.read() == b""
        assert there.story.events("target.fault")[0].payload["what"].startswith("agent: ")
        other_writer.write(LIST)
        assert await said(other_reader) == KEYS


@pytest.mark.parametrize("garbage", [bytes(4), b"\xff" * 4, KEYS, SIGNED + b"\0"])
async def test_garbage_of_the_agent_never_reaches_the_target(tmp_path: Path, garbage: bytes) -> None:
    """The channel ends, and with it the signature that was asked for."""
    async with agent_story(tmp_path) as there, there.lending():
        there.agent.answer = lambda _frame: garbage
        reader, writer = await there.channel()
        writer.write(SIGN_TEXT)
        assert await reader.read() == b""
        await there.story.until(lambda: bool(there.story.events("channel.closed")))
        assert there.story.events("protocol.fault")[0].payload["what"].startswith("agent: ")
        assert there.finished(there.released()[-1].n) == ["cancelled"]


async def test_an_agent_that_goes_away_cancels_what_it_was_asked(tmp_path: Path) -> None:
    """The target's channel ends, too."""
    async with agent_story(tmp_path) as there, there.lending():

        def gone(_frame: bytes) -> bytes:
            raise ConnectionResetError

        there.agent.answer = gone
        reader, writer = await there.channel()
        writer.write(SIGN_TEXT)
        assert await reader.read() == b""
        writer.close()
        await there.story.until(lambda: bool(there.finished(there.released()[-1].n)))
        assert there.finished(there.released()[-1].n) == ["cancelled"]


async def test_the_end_of_the_requests_waits_for_their_answers(tmp_path: Path) -> None:
    """A target that has said all is answered all, then the agent is let go."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        writer.write(SIGN_TEXT + LIST)
        writer.write_eof()
        assert await reader.read() == SIGNED + KEYS
        await there.story.until(lambda: bool(there.story.events("channel.closed")))


async def test_a_target_that_leaves_while_it_is_judged_gets_no_signature(tmp_path: Path) -> None:
    """What was released and not sent is skipped."""
    async with agent_story(tmp_path) as there, there.lending():
        _, writer = await there.channel()
        there.story.journal.synced.clear()
        writer.write(SIGN_TEXT)
        await there.story.until(lambda: len(there.signatures()) == 1)
        writer.close()
        await there.story.until(lambda: bool(there.story.events("channel.closed")))
        there.story.journal.synced.set()
        await there.story.until(lambda: bool(there.finished(there.released()[-1].n)))
        assert there.finished(there.released()[-1].n) == ["skipped"]
        assert not there.agent.heard


async def test_nothing_is_told_or_signed_behind_the_end_of_the_session(tmp_path: Path) -> None:
    """It was ended while it was looked up whose host key that is."""
    async with agent_story(tmp_path) as there, there.lending():
        _, writer = await there.channel()
        there.known.clear()
        there.ours.add(HOST)
        writer.write(SIGN_IN)
        (session,) = there.story.sessions.running()
        await there.story.until(lambda: any(one.bytes_out for one in session._carriers))
        session.end("because")
        await there.story.until(lambda: bool(there.story.events("session.closed")))
        there.known.set()
        for _ in range(20):
            await there.story.until(lambda: True)
        assert there.story.journal.kinds()[-1] == "session.closed"
        assert not there.agent.heard


async def test_a_journal_that_cannot_sync_signs_nothing(tmp_path: Path) -> None:
    """The request fails, and the agent never hears of it."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        there.story.journal.broken_sync = JournalUnavailable("the journal cannot write", cause="x")
        writer.write(SIGN_TEXT)
        assert await said(reader) == FAILED
        assert not there.agent.heard


async def test_a_refusal_that_cannot_be_recorded_ends_the_session(tmp_path: Path) -> None:
    """Nothing of it may happen unseen."""
    async with agent_story(tmp_path) as there, there.lending() as client:
        _, writer = await there.channel()
        there.story.journal.break_append_at = len(there.story.journal.events)
        writer.write(sign_request(KEY, b"anything"))
        await there.story.until(client.is_closed)
        assert there.story.faults
        assert not there.agent.heard


async def test_a_fault_of_ours_ends_the_channel_and_signs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says that it was ours."""

    async def broken(*_asked: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(agent_relay.Signatures, "objection", broken)
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        writer.write(SIGN_TEXT)
        assert await reader.read() == b""
        await there.story.until(lambda: bool(there.story.events("channel.closed")))
        assert there.story.events("channel.closed")[0].payload["fault"] == "RuntimeError"
        assert not there.agent.heard


async def test_extended_data_is_no_request(tmp_path: Path) -> None:
    """No channel of this kind has any: the target is let go."""
    async with agent_story(tmp_path) as there, there.lending():
        _, writer = await there.channel()
        writer.channel._write_datatypes = {asyncssh.EXTENDED_DATA_STDERR}
        writer.channel.write(LIST, asyncssh.EXTENDED_DATA_STDERR)
        await there.story.until(lambda: not there.story.sessions.running())
        assert not there.agent.heard


async def test_a_connection_with_too_many_refusals_has_no_agent_any_more(tmp_path: Path) -> None:
    """Whoever tries that often is no client: the channel ends and no other is opened."""
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel()
        writer.write(sign_request(KEY, b"anything") * (agent_relay.MOST_REFUSALS + 8))
        async with asyncio.timeout(20):
            answered = await reader.read()
        assert len(answered) <= len(FAILED) * agent_relay.MOST_REFUSALS
        assert len(there.refused()) == agent_relay.MOST_REFUSALS
        with pytest.raises(asyncssh.ChannelOpenError):
            await there.channel()


def waiting(there: AgentStory) -> bool:
    """Whether the gateway has stopped to listen to the target."""
    (session,) = there.story.sessions.running()
    relays = [one for one in session._carriers if isinstance(one, agent_relay.AgentRelay)]
    return any("answers wait" in relay.target._paused for relay in relays)


async def test_a_target_that_reads_no_answers_is_not_heard(tmp_path: Path) -> None:
    """Refusals do not pile up: what it asks waits in its own buffers, and is answered when it reads."""
    asked = 300_000
    async with agent_story(tmp_path) as there, there.lending():
        reader, writer = await there.channel(window=32 * 1024)
        writer.write(message(27) * asked)
        await there.story.until(lambda: waiting(there))
        heard = 0
        async with asyncio.timeout(30):
            while heard < asked * len(FAILED):
                heard += len(await reader.read(65536))
        assert heard == asked * len(FAILED)
