"""Every message says what is true: where it is shown, when it changes, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.approval_world import ALICE, BOB, CAROL, SAM
from support.fake_slack import Posted
from support.slack_block_kit import texts_of
from support.slack_samples import SIGHT
from support.slack_world import SlackWorld, until

from gatekeep.domain.approvals import Scope, VoteVerdict
from gatekeep.domain.grants import Grant
from gatekeep.gate.approval_ports import Ballot
from gatekeep.identity.on_call import load_schedule


def words_of(message: Posted) -> str:
    """All that a message says."""
    return " ".join(texts_of(message.blocks))


async def vote(world: SlackWorld, request: object, verdict: VoteVerdict, reason: str = "") -> None:
    """Bob votes by another door."""
    ballot = Ballot(verdict, request.digest, "web", reason=reason)  # type: ignore[attr-defined]  # a request
    await world.approvals.cast(request.id, BOB, ballot)  # type: ignore[attr-defined]  # likewise


async def test_groups_are_asked_in_their_channels(tmp_path: Path) -> None:
    """Each in its own, all others in the default one, nobody twice."""
    world = SlackWorld(tmp_path, channels={"dba": "C0DBA", "sre": "C0SRE"})
    await world.start()
    try:
        request = await world.ask(approvers=(("dba",), ("security",)))
        await world.shown(request, "C0DBA")
        await world.shown(request, "C0APPROVALS")
        assert {one.channel for one in world.fake.posted()} == {"C0DBA", "C0APPROVALS"}
        await vote(world, request, VoteVerdict.DENY, "no")
        for message in world.fake.posted():
            await until(lambda one=message: not one.buttons(), "it is closed everywhere")
    finally:
        await world.close()


async def test_without_channels_the_approvers_get_direct_messages(tmp_path: Path) -> None:
    """Those who are linked; the requester gets none before the verdict, and then one."""
    world = SlackWorld(tmp_path, default_channel="")
    await world.start()
    try:
        await world.link(ALICE, BOB, CAROL)
        request = await world.ask()
        await until(lambda: world.fake.direct("bob") and world.fake.direct("carol"), "both are told")
        assert world.fake.direct("alice") == []
        (message,) = world.fake.direct("bob")
        await world.rest()
        await world.click("bob", message, "approve")
        await world.is_now(request, "approved")
        for name in ("bob", "carol"):
            await until(lambda one=name: not world.fake.direct(one)[0].buttons(), "closed")
        await until(lambda: world.fake.direct("alice"), "the requester is told")
        (told,) = world.fake.direct("alice")
        assert f"bob approved {request.id}" in words_of(told)
    finally:
        await world.close()


async def test_what_is_found_out_a_little_later_is_in_the_first_message(tmp_path: Path) -> None:
    """It waits a moment for the sight of a statement."""
    world = SlackWorld(tmp_path, settle_s=10.0)
    await world.start()
    try:
        request = await world.ask()
        await world.world.parts.desk.see(request.id, SIGHT)
        message = await world.shown(request)
        assert "Rows: about 1,204,331 rows" in words_of(message)
        assert len(message.versions) == 1
    finally:
        await world.close()


async def test_what_is_found_out_late_moves_no_message(world: SlackWorld) -> None:
    """Nothing changes under a click; the next change has it."""
    request, message = await world.asked(approvers=(("dba:2",),))
    await world.world.parts.desk.see(request.id, SIGHT)
    await vote(world, request, VoteVerdict.APPROVE)
    await until(lambda: len(message.versions) == 2, "the vote is shown")
    assert "Rows: about 1,204,331 rows" in words_of(message)


async def test_a_deciding_vote_is_one_change(world: SlackWorld) -> None:
    """Not first a vote and then the end."""
    request, message = await world.asked()
    await vote(world, request, VoteVerdict.APPROVE)
    await until(lambda: not message.buttons(), "it is closed")
    assert len(message.versions) == 2


async def test_the_last_minutes_are_said(world: SlackWorld) -> None:
    """At five and at one, each once."""
    _request, message = await world.asked()
    assert " left" not in words_of(message)
    for seconds, said in ((600, " · 5 min left"), (240, " s left · ")):
        before = len(message.versions)
        world.pass_s(seconds)
        await until(lambda count=before: len(message.versions) > count, said)
        assert said in words_of(message)
    assert len(message.versions) == 3


async def test_nobody_answers(world: SlackWorld) -> None:
    """The message says so, and the requester hears it once."""
    request, message = await world.asked()
    world.pass_s(901)
    await world.world.parts.tick()
    await until(lambda: not message.buttons(), "it is closed")
    assert "Nobody answered in time; closed" in words_of(message)
    await until(lambda: world.fake.direct("alice"), "the requester is told")
    assert f"Nobody answered {request.id} in time; nothing was run" in words_of(
        world.fake.direct("alice")[0]
    )
    assert len(world.fake.direct("alice")) == 1


async def test_a_withdrawal_closes_the_message_and_tells_the_requester_nothing(
    world: SlackWorld,
) -> None:
    """He did it himself."""
    request, message = await world.asked()
    await world.approvals.withdraw(request.id, ALICE, "cancelled")
    await until(lambda: not message.buttons(), "it is closed")
    assert "Withdrawn by alice" in words_of(message)
    await until(lambda: not len(world.slack._queue), "all is said")
    assert world.fake.direct("alice") == []


async def test_the_thread_gets_the_outcome(world: SlackWorld) -> None:
    """When it ran, and what the target said."""
    request, message = await world.asked()
    await vote(world, request, VoteVerdict.APPROVE)
    await until(lambda: not message.buttons(), "it is closed")
    await world.world.parts.desk.outcome(request.id, "DELETE 1204331 in 1.9 s")
    await until(lambda: world.fake.thread(message), "the thread has it")
    (said,) = world.fake.thread(message)
    (line,) = said.blocks[0]["elements"]
    assert [part["type"] for part in line["elements"]] == ["text", "date", "text"]
    assert words_of(said) == "Ran at  : DELETE 1204331 in 1.9 s. Session S-8QZ4"
    assert "1204331" not in said.text


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("void: search_path", "search_path changed after the question was asked"),
        ("void: client left", "client left"),
    ],
)
async def test_an_approval_that_fitted_no_more_is_told_of(
    world: SlackWorld, outcome: str, why: str
) -> None:
    """Approved is not run."""
    request, message = await world.asked()
    await vote(world, request, VoteVerdict.APPROVE)
    await world.world.parts.desk.outcome(request.id, outcome)
    await until(lambda: world.fake.thread(message), "the thread has it")
    assert words_of(world.fake.thread(message)[0]) == f"Not run,  : {why}. Session S-8QZ4"


async def test_history_is_told(world: SlackWorld) -> None:
    """What became of the same before."""
    for verdict in (VoteVerdict.APPROVE, VoteVerdict.APPROVE, VoteVerdict.DENY):
        request = await world.ask()
        await vote(world, request, verdict, "because")
        world.pass_s(901)
    _request, message = await world.asked()
    assert "Before: 3 asked, 2 approved, 1 denied" in words_of(message)


async def test_a_request_that_ends_before_it_is_shown_is_never_shown(tmp_path: Path) -> None:
    """Nobody is bothered."""
    world = SlackWorld(tmp_path, settle_s=0.3)
    await world.start()
    try:
        gone = await world.ask()
        await world.approvals.withdraw(gone.id, ALICE, "cancelled")
        other = await world.ask("DELETE FROM orders;")
        await world.shown(other)
        assert not [one for one in world.fake.posted() if gone.id in one.text]
    finally:
        await world.close()


async def test_after_a_restart_open_requests_are_kept_up_to_date(world: SlackWorld) -> None:
    """The same message; it is not shown twice."""
    request, message = await world.asked()
    await world.stop_ours()
    await world.start_ours()
    await until(lambda: world.fake.calls.sockets, "the socket is there")
    await world.rest()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")
    await until(lambda: not message.buttons(), "it is closed")
    assert world.fake.posted("C0APPROVALS") == [message]


async def test_after_a_restart_what_ended_meanwhile_is_closed(world: SlackWorld) -> None:
    """No button stays that nobody answers."""
    request, message = await world.asked()
    await world.stop_ours()
    await vote(world, request, VoteVerdict.APPROVE)
    assert message.buttons()
    await world.start_ours()
    await until(lambda: not message.buttons(), "it is closed")
    assert "● bob approved once, " in words_of(message)
    await until(lambda: not world.books.unfinished(), "it is remembered as closed")


async def test_after_a_restart_what_was_asked_meanwhile_is_shown(world: SlackWorld) -> None:
    """Nothing waits unseen."""
    await world.stop_ours()
    request = await world.ask()
    await world.start_ours()
    await world.shown(request)


async def test_a_message_that_somebody_deleted_is_let_go(world: SlackWorld) -> None:
    """It is not tried for ever."""
    request, message = await world.asked()
    world.fake.messages.remove(message)
    await vote(world, request, VoteVerdict.APPROVE)
    await until(lambda: not world.books.unfinished(), "it is let go")
    await until(lambda: not len(world.slack._queue), "nothing waits")


async def test_an_escalation_reaches_the_other_channel(tmp_path: Path) -> None:
    """Whoever is asked later sees it, too."""
    world = SlackWorld(tmp_path, channels={"dba": "C0DBA", "sre": "C0SRE"}, default_channel="")
    await world.start()
    try:
        request, _message = await world.asked()
        rota = tmp_path / "rota"
        rota.write_text("groups: {dba: {escalate: {after_s: 60, to: sre}}}")
        world.world.parts.voters.people.schedule = load_schedule(rota)
        world.pass_s(61)
        await world.world.parts.tick()
        await world.shown(request, "C0SRE")
        await vote(world, request, VoteVerdict.APPROVE)
        for message in world.fake.posted():
            await until(lambda one=message: not one.buttons(), "it is closed everywhere")
    finally:
        await world.close()


async def test_a_broken_glass_is_heard_everywhere(tmp_path: Path) -> None:
    """In every channel, with the reason; nobody can be mentioned by it."""
    world = SlackWorld(tmp_path, channels={"dba": "C0DBA"})
    await world.start()
    try:
        grant = Grant(
            "G-1", "", Scope.ACCESS, "break_glass", SAM.name, SAM.person, "orders-prod", "app_rw",
            frozenset(), {}, 0, 0, world.world.clock.wall_us(),
        )  # fmt: skip
        for listener in world.world.parts.front._glass._listeners:
            listener(grant, "the <!channel> site is down")
        await until(lambda: len(world.fake.posted()) == 2, "both channels have it")
        assert {one.channel for one in world.fake.posted()} == {"C0DBA", "C0APPROVALS"}
        for message in world.fake.posted():
            assert "sam broke the glass on orders-prod as app_rw" in message.text
            assert "the <!channel> site is down" in words_of(message)
            assert "<!channel>" not in message.text
    finally:
        await world.close()


@pytest.mark.parametrize("target", ["hush", "nowhere"])
async def test_a_target_that_keeps_its_texts_to_itself(world: SlackWorld, target: str) -> None:
    """So does one that is not in the book any more."""
    secret = "DELETE FROM t WHERE email = 'carol@example.com'"  # noqa: S105 - a text
    _request, message = await world.asked(secret, target=target, template="DELETE FROM t WHERE email = $1")
    assert "carol@example.com" not in str(message)
    assert set(message.buttons()) == {"deny", "open"}
