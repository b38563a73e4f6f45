"""A session that holds what policy asks about: who reads meanwhile, who leaves, what goes out when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.approval_world import BOB, ApprovalWorld
from support.held_session import LIMIT_S, HeldSession, quickly, until
from support.postgres_link import run
from support.session_story import message, query

from gatekeep.domain.approvals import RequestState, VoteVerdict
from gatekeep.domain.catalogue import RelationFacts
from gatekeep.gate.approval_ports import Ballot
from gatekeep.protocols.postgres import messages as m


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, a policy that asks about everything, an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def story(world: ApprovalWorld, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeldSession]:
    """A session whose target is spoken to often."""
    quickly(monkeypatch.setattr)
    async with HeldSession(world) as made:
        yield made


WAITING = "N 00000 gatekeep: waiting for approval by dba (p-bob, p-carol or p-erin), request {}"


def words(story: HeldSession) -> list[str]:
    """What the client was told, without DETAIL."""
    return [one.partition(" | ")[0] for one in story.told()]


async def test_a_yes_lets_it_run(story: HeldSession) -> None:
    """The client is told at once; meanwhile the target hears nothing but Syncs, and answers us."""
    story.from_client.write(query("NOTIFY it"))
    request = await story.asked()
    await until(lambda: story.syncs > 3)
    assert story.seen == []
    await story.approve()
    await story.until_told("Z I")
    assert words(story) == [
        WAITING.format(request.id),
        f"N 00000 gatekeep: p-bob approved request {request.id}, running it now",
        "C NOTIFY", "Z I",
    ]  # fmt: skip
    assert story.seen == ["NOTIFY it"]
    assert story.outcomes() == ["done"]


async def test_what_its_names_have_come_to_mean_is_not_what_was_approved(story: HeldSession) -> None:
    """The table is a view by now that runs code: the same bytes, and another statement."""
    table = RelationFacts("public.orders", "r")
    story.desk.view = replace(story.desk.view, relations={"public.orders": table})
    story.from_client.write(query("DELETE FROM orders"))
    request = await story.asked()
    view = replace(table, kind="v", reaches=frozenset({"public.salaries"}))
    story.desk.view = replace(story.desk.view, epoch="two", relations={"public.orders": view})
    await story.approve()
    await story.until_told("no longer fits")
    assert "DELETE FROM orders" not in story.seen
    assert (await story.ended(request)).outcome == "void: meaning"


async def test_a_catalogue_that_changed_beside_it_changes_nothing(story: HeldSession) -> None:
    """Only what the statement means counts."""
    table = RelationFacts("public.orders", "r")
    story.desk.view = replace(story.desk.view, relations={"public.orders": table})
    story.from_client.write(query("DELETE FROM orders"))
    await story.asked()
    both = {"public.orders": table, "public.other": replace(table, name="public.other")}
    story.desk.view = replace(story.desk.view, epoch="two", relations=both)
    await story.approve()
    await story.until_told("C DELETE")


async def test_a_secret_that_is_bound_is_not_shown(story: HeldSession) -> None:
    """As little as one that is written: neither who decides sees it, nor does any event tell it."""
    story.from_client.write(
        m.parse("", "UPDATE users SET password = $1 WHERE id = $2", [25, 23])
        + m.bind("", "", [b"hunter2", b"7"]) + m.execute("") + m.SYNC
    )  # fmt: skip
    request = await story.asked()
    assert "hunter2" not in repr(request)
    assert "-- $1 = '***'" in request.subject.text
    assert "-- $2 = '7'" in request.subject.text
    assert request.subject.redacted
    assert "slots" not in request.subject.facts
    await story.approve()
    await until(lambda: story.seen)
    assert "hunter2" not in repr(story.journal.events)


async def test_a_hold_that_the_reader_of_the_target_met_is_read_on(story: HeldSession) -> None:
    """What came behind a statement that runs is held by whoever reads the target; another reads on.

    So the target stays awake, what it says passes, and the next is held again.
    """
    story.slow = {"NOTIFY a"}
    story.from_client.write(query("NOTIFY a"))
    await story.approve()
    await until(lambda: story.seen == ["NOTIFY a"])
    for text in ("NOTIFY b", "NOTIFY c", "NOTIFY d"):
        story.from_client.write(query(text))
    story.slow.clear()
    for count in (2, 3, 4):
        spoken = story.syncs
        await until(lambda spoken=spoken: story.syncs > spoken + 3)  # type: ignore[misc] # mypy does not infer defaults
        note = message(b"A", b"\0\0\0\1news\0%d\0" % count)
        story.from_target.write(note)
        await until(lambda note=note: note in story.said)  # type: ignore[misc] # likewise
        await story.approve()
        await until(lambda count=count: len(story.seen) == count)  # type: ignore[misc] # likewise
    await until(lambda: story.outcomes() == ["done"] * 4)
    assert story.seen == [f"NOTIFY {name}" for name in "abcd"]
    assert not story.running.done()
    story.from_client.close()
    assert await asyncio.wait_for(story.running, LIMIT_S) == "client left"


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind another"])
async def test_a_cancel_takes_it_back(story: HeldSession, behind: bool) -> None:
    """PostgreSQL's own words in its place, nothing at the target, and the session goes on."""
    await held(story, behind=behind)
    request = await story.asked()
    assert story.session.cancel()
    await story.until_told("canceling")
    assert (
        "E 57014 canceling statement due to user request"
        f" | Request {request.id} was withdrawn. Nothing was sent to orders."
    ) in story.told()
    ended = await story.ended(request)
    assert (ended.state, ended.decision_reason) == (RequestState.WITHDRAWN, "cancelled")
    assert "NOTIFY held" not in story.seen
    assert not story.session.cancel()
    story.from_client.write(query("NOTIFY next"))
    await story.approve()
    await until(lambda: story.seen[-1] == "NOTIFY next")


async def test_a_cancel_counts_until_it_is_sent(story: HeldSession) -> None:
    """Approved, recorded, not sent yet: it is taken back, and the log says that it never ran."""
    story.from_client.write(query("NOTIFY held"))
    request = await story.asked()
    ballot = Ballot(VoteVerdict.APPROVE, request.digest, "cli")
    # From the verdict on nothing more is durable.
    story.world.desk.listen(
        lambda what, _request: story.journal.synced.clear() if what == "decided" else None
    )
    assert (await story.world.desk.cast(request.id, BOB, ballot)).counted
    await until(lambda: "action.released" in story.journal.kinds())
    assert story.session.cancel()
    story.journal.synced.set()
    await story.until_told("canceling")
    assert "E 57014 canceling statement due to user request | Nothing was sent to orders." in (
        story.told()
    )
    assert story.outcomes() == ["skipped"]
    assert [one for one in story.seen if not one.startswith("gk_")] == []


async def test_a_cancel_reaches_what_runs_before_it_as_well(story: HeldSession) -> None:
    """In an open pipeline something runs while the rest waits: the target has to hear of it."""
    story.from_client.write(run("SELECT 1") + m.FLUSH + run("NOTIFY held") + m.FLUSH)
    await story.approve()
    await until(lambda: "E" in story.seen)
    await story.asked()
    assert story.session._talk.keep_awake() == b"", "a Sync would commit what runs"
    assert not story.session.cancel()


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind another"])
async def test_a_client_that_leaves_takes_it_along(story: HeldSession, behind: bool) -> None:
    """Withdrawn, recorded as refused, and never at the target."""
    await held(story, behind=behind)
    request = await story.asked()
    story.from_client.close()
    ended = await story.ended(request)
    assert (ended.state, ended.decision_reason) == (RequestState.WITHDRAWN, "client left")
    assert await asyncio.wait_for(story.running, LIMIT_S) == "client left"
    assert "NOTIFY held" not in story.seen
    assert "action.refused" in story.journal.kinds()


async def test_a_client_that_leaves_much_unread_takes_it_along(story: HeldSession) -> None:
    """Its end stands behind bytes that nobody takes; the kernel knows it."""
    story.from_client.write(query("NOTIFY held"))
    request = await story.asked()
    story.from_client.write(query("SELECT 1") * 20_000)
    await until(lambda: story.ends[0].held > 100_000)
    story.from_client.close()
    ended = await story.ended(request)
    assert (ended.state, ended.decision_reason) == (RequestState.WITHDRAWN, "client left")


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind another"])
async def test_a_target_that_leaves_ends_it(story: HeldSession, behind: bool) -> None:
    """The client reads that, and which request it was; the log has both."""
    await held(story, behind=behind)
    request = await story.asked()
    story.from_target.close()
    assert await asyncio.wait_for(story.running, LIMIT_S) == "target left"
    await story.until_told("does not answer")
    assert story.told()[-1] == (
        "E 08001 gatekeep: orders does not answer"
        f" | Request {request.id} was withdrawn. Nothing was sent."
    )
    ended = await story.ended(request)
    assert (ended.state, ended.decision_reason) == (RequestState.WITHDRAWN, "target left")
    assert "action.refused" in story.journal.kinds()


async def test_nobody_will_know_how_it_ended(story: HeldSession) -> None:
    """It was approved and ran, and its target was lost: the request says so, and nothing waits on."""
    story.slow = {"NOTIFY it"}
    story.from_client.write(query("NOTIFY it"))
    request = await story.approve()
    await until(lambda: story.seen)
    story.from_target.close()
    assert await asyncio.wait_for(story.running, LIMIT_S) == "target left"
    assert not story.session._rooms.gate._asker._approved
    await story.world.parts.owner.close(grace=1.0)
    assert (await story.ended(request)).outcome == "unknown"
    story.slow.clear()


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind another"])
async def test_a_gateway_that_stops_ends_it(story: HeldSession, behind: bool) -> None:
    """FATAL, with the request and what to do."""
    await held(story, behind=behind)
    request = await story.asked()
    story.session.drain()
    assert await asyncio.wait_for(story.running, LIMIT_S) == "gateway stopped"
    await story.until_told("57P01")
    assert story.told()[-1] == (
        f"E 57P01 gatekeep: the gateway is restarting, request {request.id} was withdrawn"
        " | Nothing was sent."
    )
    assert (await story.ended(request)).decision_reason == "gateway stopped"
    assert "NOTIFY held" not in story.seen


async def test_a_session_that_is_ended_ends_it(story: HeldSession) -> None:
    """By an operator or for a right that is gone: FATAL, and the request is named."""
    story.from_client.write(query("NOTIFY held"))
    request = await story.asked()
    story.session.end("suspected leaked key")
    assert await asyncio.wait_for(story.running, LIMIT_S) == "suspected leaked key"
    await story.until_told("57P01")
    assert story.told()[-1] == (
        "E 57P01 gatekeep: this session was ended: suspected leaked key"
        f" | Request {request.id} was withdrawn. Nothing was sent."
    )
    assert (await story.ended(request)).decision_reason == "session ended"


async def test_a_session_that_ends_without_a_hold_names_no_request(story: HeldSession) -> None:
    """One that was decided is nobody's last word."""
    story.from_client.write(query("NOTIFY it"))
    await story.approve()
    await story.until_told("Z I")
    story.session.drain()
    assert await asyncio.wait_for(story.running, LIMIT_S) == "gateway stopped"
    await story.until_told("57P01")
    assert words(story)[-1] == "E 57P01 gatekeep: the gateway is restarting"


async def held(story: HeldSession, *, behind: bool) -> None:
    """NOTIFY held is asked about, at once or as whoever reads the target gets at it."""
    if behind:
        story.slow = {"NOTIFY first"}
        story.from_client.write(query("NOTIFY first"))
        await story.approve()
        await until(lambda: story.seen == ["NOTIFY first"])
    story.from_client.write(query("NOTIFY held"))
    story.slow.clear()
    if behind:
        await story.until_told("Z I")
