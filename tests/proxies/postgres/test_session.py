"""A session between two scripted peers: what is forwarded, what is recorded, how it ends."""

from __future__ import annotations

import asyncio
import struct

from support.fake_journal import FakeJournal
from support.session_story import DONE, Story, message, query

from gatekeep.domain.actions import SqlAction, SqlClass
from gatekeep.protocols.postgres import vector


async def test_a_statement_reaches_the_target_only_after_its_event() -> None:
    """While the journal has not synced, the target sees nothing; then the very bytes."""
    async with Story(FakeJournal(auto=False)) as story:
        story.from_client.write(query("SELECT 1"))
        await story.nothing_at_target()
        assert story.journal.kinds() == ["action.released"]
        story.journal.synced.set()
        await story.at_target(query("SELECT 1"))
        story.from_target.write(DONE)
        await story.at_client(DONE)
    assert story.outcomes() == ["done"]


async def test_a_refused_statement_never_reaches_the_target() -> None:
    """A word that must fail goes in its place, and the client reads why."""
    async with Story(denied=lambda action: "secret" in action.text) as story:
        story.from_client.write(query("SELECT * FROM secret"))
        sent = await asyncio.wait_for(story.target.readuntil(b"\0gk_nonce\0"[1:]), 5)
        assert b"secret" not in sent
        failing = b'SERROR\0VERROR\0C42601\0Msyntax error at or near "gk_nonce"\0\0'
        story.from_target.write(message(b"E", failing) + message(b"Z", b"I"))
        answer = await asyncio.wait_for(story.client.readuntil(message(b"Z", b"I")), 5)
        assert b"gatekeep: policy does not allow SELECT on orders" in answer
        assert b"gk_nonce" not in answer
    assert story.journal.kinds() == ["action.refused"]


async def test_what_runs_when_the_client_leaves_still_gets_its_outcome() -> None:
    """The client goes away; the target's answer is waited for and recorded as it was."""
    async with Story() as story:
        story.from_client.write(query("SELECT 1"))
        await story.at_target(query("SELECT 1"))
        story.from_client.close()
        story.from_target.write(DONE)
        assert await asyncio.wait_for(story.running, 5) == "client left"
    assert story.outcomes() == ["done"]


async def test_what_a_vanished_target_ran_is_said_to_be_unknown() -> None:
    """The target breaks off in the middle: `action.unknown`, and the client is told."""
    async with Story() as story:
        story.from_client.write(query("SELECT 1"))
        await story.at_target(query("SELECT 1"))
        story.from_target.close()
        assert await asyncio.wait_for(story.running, 5) == "target left"
        said = await asyncio.wait_for(story.client.read(500), 5)
        assert b"gatekeep: orders does not answer" in said
    assert story.journal.kinds() == ["action.released", "action.unknown"]


async def test_an_ended_session_forwards_nothing_more() -> None:
    """Ended while its statement waits for the journal: it never leaves, and the log says so."""
    async with Story(FakeJournal(auto=False)) as story:
        story.from_client.write(query("DELETE FROM t"))
        await story.nothing_at_target()
        story.session.end("suspected leak")
        story.journal.synced.set()
        assert await asyncio.wait_for(story.running, 5) == "suspected leak"
        assert await asyncio.wait_for(story.client.read(500), 5)
        await story.nothing_at_target()
    assert story.outcomes() == ["skipped"]


async def test_an_idle_session_ends_at_once_and_politely() -> None:
    """Draining tells an idle client 57P01 without waiting."""
    async with Story() as story:
        story.session.drain()
        assert await asyncio.wait_for(story.running, 5) == "gateway stopped"
        assert b"57P01" in await asyncio.wait_for(story.client.read(500), 5)


async def test_a_running_statement_ends_before_a_drained_session() -> None:
    """Draining lets what runs come to its end, then says good-bye."""
    async with Story() as story:
        story.from_client.write(query("SELECT 1"))
        await story.at_target(query("SELECT 1"))
        story.session.drain()
        assert not story.running.done()
        story.from_target.write(DONE)
        await story.at_client(DONE)
        assert await asyncio.wait_for(story.running, 5) == "gateway stopped"
    assert story.outcomes() == ["done"]


async def test_a_target_that_asks_for_data_is_cut_off() -> None:
    """CopyInResponse to a SELECT never reaches the client (12-threats H1)."""
    async with Story() as story:
        story.from_client.write(query("SELECT 1"))
        await story.at_target(query("SELECT 1"))
        story.from_target.write(message(b"G", b"\0\0\0"))
        assert await asyncio.wait_for(story.running, 5) == "target fault"
        said = await asyncio.wait_for(story.client.read(500), 5)
        assert said.startswith(b"E")
    assert story.journal.kinds() == ["action.released", "target.fault", "action.unknown"]


async def test_a_client_that_breaks_the_protocol_is_told_and_recorded() -> None:
    """An unknown message type is 08P01 and an event; nothing is forwarded."""
    async with Story() as story:
        story.from_client.write(message(b"\xfe", b"what"))
        assert await asyncio.wait_for(story.running, 5) == "client fault"
        assert b"08P01" in await asyncio.wait_for(story.client.read(500), 5)
        await story.nothing_at_target()
    assert story.journal.kinds() == ["protocol.fault"]


PROBE = vector.probe("nonce").raw


def ended(tag: bytes, status: bytes) -> bytes:
    """A Query's end."""
    return message(b"C", tag + b"\0") + message(b"Z", status)


def probed(status: bytes, role: bytes = b"none") -> bytes:
    """The target's answer to the question for the session vector."""
    values = [b"on", b"UTF8", b'"$user", public', role, b"origin", b"on", b"off", b"0"]
    row = b"".join(struct.pack("!I", len(value)) + value for value in values)
    row = struct.pack("!H", len(values) + 1) + row + struct.pack("!i", -1)
    return (
        message(b"1") + message(b"2") + message(b"D", row) + message(b"C", b"SELECT 1\0")
        + message(b"3") * 2 + message(b"Z", status)
    )  # fmt: skip


async def test_a_commit_that_ends_a_change_of_the_session_is_asked_about() -> None:
    """SET LOCAL ends with its transaction, and nothing reports it: the vector is read again."""
    async with Story() as story:
        steps = [(b"BEGIN", b"T", b""), (b"SET LOCAL ROLE bob", b"T", b"bob")]
        for text, status, role in (*steps, (b"COMMIT", b"I", b"none")):
            story.from_client.write(query(text.decode()))
            await story.at_target(query(text.decode()))
            story.from_target.write(ended(text.split()[0], status))
            await story.at_client(ended(text.split()[0], status))
            if role:
                await story.at_target(PROBE)
                story.from_target.write(probed(status, role))
        story.from_client.write(query("SELECT 1"))
        await story.at_target(query("SELECT 1"))


async def test_what_follows_such_a_commit_in_one_text_is_not_understood() -> None:
    """The session may read it otherwise than we do."""
    seen: list[SqlAction] = []
    async with Story(denied=lambda action: bool(seen.append(action))) as story:
        for text in ("BEGIN", "SET LOCAL ROLE bob", "COMMIT; SELECT 1"):
            story.from_client.write(query(text))
            await story.at_target(query(text))
            if text.startswith("COMMIT"):
                break
            story.from_target.write(ended(text.split()[0].encode(), b"T"))
            await story.at_client(ended(text.split()[0].encode(), b"T"))
            if text.startswith("SET"):
                await story.at_target(PROBE)
                story.from_target.write(probed(b"T", b"bob"))
        commit, following = seen[-1].facts
        assert not commit.vector_safe
        assert following.sql_class is SqlClass.OPAQUE


async def test_code_that_is_not_known_may_have_changed_the_schema() -> None:
    """So may the end of a prepared transaction; a plain write has not."""
    async with Story() as story:
        for text, touched in (
            ("NOTIFY plain", 0),
            ("INSERT INTO t SELECT lab.make()", 1),
            ("COMMIT PREPARED 'x'", 2),
        ):
            story.from_client.write(query(text))
            await story.at_target(query(text))
            story.from_target.write(DONE)
            await story.at_client(DONE)
            if touched:
                await story.at_target(PROBE)
                story.from_target.write(probed(b"I"))
            assert story.desk.touched == touched, text


async def test_whoever_reads_the_target_never_waits_for_it_to_read() -> None:
    """A target that answers before it reads on is heard: else both would wait for ever."""
    async with Story() as story, asyncio.timeout(60):
        story.from_client.write(query("SELECT 1"))
        await story.at_target(query("SELECT 1"))
        large = query("SELECT '" + "x" * 900_000 + "'")
        story.from_client.write(large)  # taken up at the boundary, by whoever reads the target
        while story.session._talk.backlog < len(large):
            await asyncio.sleep(0)
        story.from_target.write(DONE)
        await story.at_client(DONE)
        while not story.ends[1].congested:
            await asyncio.sleep(0)
        rows = message(b"T", b"\0\0") + message(b"D", struct.pack("!HI", 1, 9_000) + b"y" * 9_000) * 9
        story.from_target.write(rows)
        await story.at_client(rows)


async def test_a_storm_of_notifications_waits_for_the_disk() -> None:
    """One statement elsewhere makes any number of them: what is not durable yet stays bounded."""
    journal = FakeJournal(auto=False)
    async with Story(journal) as story, asyncio.timeout(60):
        note = message(b"A", b"\0\0\0\1x\0y\0")
        sent = 100_000
        story.from_target.write(note * sent)
        while len(journal.events) < 256:
            await asyncio.sleep(0)
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert len(journal.events) < sent / 2
        journal.synced.set()
        await story.at_client(note * sent)
        assert len(journal.events) == sent


async def test_schema_changes_that_were_never_answered_void_the_catalogue() -> None:
    """They may have taken effect on a target that vanished before it could say so."""
    async with Story() as story:
        story.from_client.write(query("CREATE TABLE x (a int)"))
        await story.at_target(query("CREATE TABLE x (a int)"))
        assert story.desk.touched == 0
        story.from_target.close()
        await asyncio.wait_for(asyncio.shield(story.running), 5)
        assert story.desk.touched == 1
