"""A session whose pipeline is cut: who is asked what, and how it ends in between."""

from __future__ import annotations

import asyncio
import struct

from support.postgres_script import BOUND, CLOSED, IDLE, PARSED, done
from support.session_story import Story

from gatekeep.domain.actions import SqlAction
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres import vector

PROBE = vector.probe("nonce", sync=False).raw
AT_READY = vector.probe("nonce").raw
DONE = PARSED + BOUND + done("SET")


def run(text: str) -> bytes:
    """Parse, Bind and Execute without a name."""
    return m.parse("", text) + m.bind("", "") + m.execute("")


def answer(role: bytes = b"bob", path: bytes = b'"$user", public') -> bytes:
    """The target's answer to the question."""
    values = [b"on", b"UTF8", path, role, b"origin", b"on", b"off", b"0"]
    row = b"".join(struct.pack("!I", len(value)) + value for value in values)
    row = struct.pack("!H", len(values) + 1) + row + struct.pack("!i", -1)
    return PARSED + BOUND + m.frame(b"D", row) + done("SELECT 1") + CLOSED * 2


async def test_the_rest_is_judged_and_recorded_only_when_the_answer_is_there() -> None:
    """One event before, one after; and each has its outcome at the client's ReadyForQuery."""
    seen: list[SqlAction] = []
    async with Story(denied=lambda action: bool(seen.append(action))) as story:
        story.from_client.write(run("SET ROLE bob") + run("SELECT 1") + m.SYNC)
        await story.at_target(run("SET ROLE bob") + PROBE)
        assert story.journal.kinds() == ["action.released"]
        story.from_target.write(DONE + answer())
        await story.at_client(DONE)
        await story.at_target(run("SELECT 1") + m.SYNC)
        assert story.journal.kinds() == ["action.released"] * 2
        story.from_target.write(PARSED + BOUND + done("SELECT 1") + IDLE)
        await story.at_client(PARSED + BOUND + done("SELECT 1") + IDLE)
        await story.at_target(AT_READY)  # what was set may have ended with the transaction
        story.from_target.write(answer(b"none") + IDLE)
    assert [action.text for action in seen] == ["SET ROLE bob", "SELECT 1"]
    assert story.outcomes() == ["done", "done"]


async def test_a_refused_change_is_followed_by_no_question() -> None:
    """What never runs changes nothing: all is recorded and refused at once, as ever."""
    async with Story(denied=lambda action: action.text.startswith("SET")) as story:
        story.from_client.write(run("SET ROLE bob") + run("SELECT 1") + m.SYNC)
        await story.at_target(m.execute("gk_nonce") + m.SYNC)
        assert story.journal.kinds() == ["action.refused"] * 2


async def test_a_client_that_leaves_between_two_parts_is_not_waited_for() -> None:
    """No Sync of its own ends the pipeline, and ours would commit: the wire closes at once."""
    async with Story() as story:
        story.from_client.write(run("SET ROLE bob") + run("SELECT 1") + m.SYNC)
        await story.at_target(run("SET ROLE bob") + PROBE)
        story.from_client.close()
        while not story.session._reason:
            await asyncio.sleep(0)
        story.from_target.write(DONE + answer())
        assert await asyncio.wait_for(asyncio.shield(story.running), 5) == "client left"
        await story.nothing_at_target()
    assert story.journal.kinds() == ["action.released", "action.unknown"]


async def test_a_gateway_that_stops_between_two_parts_does_not_say_that_nothing_was_sent() -> None:
    """The client is told that it is not known how it ended."""
    async with Story() as story:
        story.from_client.write(run("SET ROLE bob") + run("SELECT 1") + m.SYNC)
        await story.at_target(run("SET ROLE bob") + PROBE)
        story.session.drain()
        assert not story.running.done()
        story.from_target.write(DONE + answer())
        assert await asyncio.wait_for(asyncio.shield(story.running), 5) == "gateway stopped"
        said = await asyncio.wait_for(story.client.read(500), 5)
        assert b"08007" in said


async def test_what_is_dropped_behind_an_error_is_never_recorded_as_released() -> None:
    """It was not decided; the client's own Sync goes out, and the session goes on."""
    async with Story() as story:
        story.from_client.write(run("SET ROLE bob") + run("SELECT 1") + m.SYNC)
        await story.at_target(run("SET ROLE bob") + PROBE)
        error = m.fields_frame(b"E", [(b"S", b"ERROR"), (b"C", b"22023"), (b"M", b"no such role")])
        story.from_target.write(PARSED + BOUND + error)
        await story.at_target(m.SYNC)
        story.from_target.write(IDLE)
        await story.at_client(PARSED + BOUND + error + IDLE)
        await story.at_target(AT_READY)
        story.from_target.write(answer(b"none") + IDLE)
    assert story.outcomes() == ["failed"]


async def test_a_statement_that_puts_off_is_told_when_it_goes_out_and_not_before() -> None:
    """A COMMIT in front of a DECLARE … WITH HOLD runs nothing, although both were read at once."""
    seen: list[SqlAction] = []
    async with Story(denied=lambda action: bool(seen.append(action))) as story:
        hold = "DECLARE c CURSOR WITH HOLD FOR SELECT 1"
        story.from_client.write(
            run("SET ROLE bob") + run("COMMIT") + run("BEGIN") + run(hold) + m.SYNC
        )
        await story.at_target(run("SET ROLE bob") + PROBE)
        story.from_target.write(DONE + answer())
        await story.at_target(run("COMMIT") + m.FLUSH)
        commits = [action for action in seen if action.text == "COMMIT"]
        assert ["deferred" in action.tags for action in commits] == [False]
