"""Clicks become ballots: one verdict for each request, and a polite answer for everybody else."""

from __future__ import annotations

import asyncio

import pytest
from support.approval_world import ALICE, BOB, CAROL, ERIN
from support.slack_world import CONSOLE, SlackWorld, until

from gatekeep.domain.approvals import VoteVerdict
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Ballot

NOTHING = "Nothing changed"


async def test_one_click_approves(world: SlackWorld) -> None:
    """The vote says that it came by Slack, and of what; the buttons go, and who, when and why stays."""
    request, message = await world.asked()
    assert (await world.click("bob", message, "approve")).payload is None
    await world.is_now(request, "approved")
    found = await world.approvals.request(request.id)
    (vote,) = found.votes
    assert (vote.principal, vote.via, vote.mfa) == ("bob", "slack", False)
    await until(lambda: not message.buttons(), "the buttons are gone")
    assert "● bob approved once, " in _last_line(message)
    assert world.fake.whispers == []
    assert not world.fake.refusals


async def test_a_denial_asks_why_in_a_dialogue(world: SlackWorld) -> None:
    """The click alone denies nothing; the reason reaches the desk and the message."""
    request, message = await world.asked()
    await world.click("carol", message, "deny")
    opened = await world.dialogue()
    assert await world.state_of(request) == "pending"
    assert (await world.submit(opened, "run it on the replica first")).payload is None
    await world.is_now(request, "denied")
    found = await world.approvals.request(request.id)
    assert found.decision_reason == "run it on the replica first"
    await until(lambda: not message.buttons(), "the buttons are gone")
    assert "■ carol denied, " in _last_line(message)
    assert '"run it on the replica first"' in _last_line(message)


@pytest.mark.parametrize("reason", ["", "   ", None, "x" * 1001])
async def test_a_denial_without_a_fitting_reason_is_not_sent_off(
    world: SlackWorld, reason: str | None
) -> None:
    """The dialogue says what is wrong and stays open."""
    request, message = await world.asked()
    await world.click("bob", message, "deny")
    acked = await world.submit(await world.dialogue(), reason)
    assert acked.payload["response_action"] == "errors"
    assert list(acked.payload["errors"]) == ["gatekeep_reason"]
    assert await world.state_of(request) == "pending"


async def test_five_clicks_of_three_people_are_one_verdict_and_four_polite_answers(
    world: SlackWorld,
) -> None:
    """Whoever comes later hears who was first, and that nothing changed."""
    await world.link(ERIN)
    request, message = await world.asked()
    await asyncio.gather(
        *(
            world.click(name, message, "approve")
            for name in ("bob", "carol", "bob", "erin", "carol")
        )
    )
    await world.is_now(request, "approved")
    said = await world.whispered(4)
    first = (await world.approvals.request(request.id)).decided_by
    assert len(said) == 4
    assert all(f"{first} already approved {request.id} at " in one for one in said)
    assert all(one.endswith(f"{NOTHING}.") for one in said)
    found = await world.approvals.request(request.id)
    assert len(found.votes) == 1
    assert [event.kind for event in world.world.journal.events].count("approval.decided") == 1


async def test_a_late_click_hears_who_was_first(world: SlackWorld) -> None:
    """Also where the decision came by another door."""
    request, message = await world.asked()
    await world.approvals.cast(
        request.id, CAROL, Ballot(VoteVerdict.DENY, request.digest, "web", reason="no")
    )
    await world.click("bob", message, "approve", value=_value(message, "approve"))
    (said,) = await world.whispered()
    assert said.startswith(f"carol already denied {request.id} at ")
    await until(lambda: not message.buttons(), "the message was closed")
    await world.click("bob", message, "deny", value=_value(message, "deny"))
    assert (await world.whispered(2))[1] == said
    assert world.fake.views == []


async def test_nobody_decides_his_own_request(world: SlackWorld) -> None:
    """He hears who can, by either button, and no dialogue opens."""
    request, message = await world.asked()
    await world.click("alice", message, "approve")
    await world.click("alice", message, "deny")
    said = await world.whispered(2)
    wanted = f"You asked for {request.id}, so someone else must decide: p-bob, p-carol or p-erin."
    assert said == [wanted, wanted]
    assert world.fake.views == []


async def test_who_is_in_no_asked_group_decides_nothing(world: SlackWorld) -> None:
    """An engineer sees the channel, too."""
    request, message = await world.asked()
    await world.click("dan", message, "approve")
    (said,) = await world.whispered()
    assert said.startswith(f"{request.id} asks for another group")
    assert await world.state_of(request) == "pending"


async def test_an_account_that_is_not_linked_is_told_how_to(world: SlackWorld) -> None:
    """Whoever it may be in the directory."""
    request, message = await world.asked()
    await world.click("erin", message, "approve")
    assert await world.whispered() == [
        f"This Slack account is not linked to a principal yet. Link it once: {CONSOLE}/me/slack"
    ]
    assert await world.state_of(request) == "pending"


async def test_a_principal_that_is_gone_votes_no_more(world: SlackWorld) -> None:
    """His link is left over, and worth nothing."""
    request, message = await world.asked()
    world.world.people.gone.add("bob")
    await world.click("bob", message, "approve")
    assert "not linked" in (await world.whispered())[0]
    assert await world.state_of(request) == "pending"


async def test_what_was_withdrawn_cannot_be_decided(world: SlackWorld) -> None:
    """The answer says who took it back."""
    request, message = await world.asked()
    approve = _value(message, "approve")
    await world.approvals.withdraw(request.id, ALICE, "cancelled")
    await world.click("bob", message, "approve", value=approve)
    assert (await world.whispered())[0].startswith(f"{request.id} was withdrawn by alice")


async def test_a_click_right_after_a_change_counts_for_nothing(world: SlackWorld) -> None:
    """What he meant may be what stood there before; three seconds later it counts."""
    request = await world.ask()
    message = await world.shown(request)
    await until(lambda: not len(world.slack._queue), "all is said")
    await world.click("bob", message, "approve")
    assert (await world.whispered())[0].startswith(f"The message of {request.id} has just changed")
    assert await world.state_of(request) == "pending"
    world.calm()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")


async def test_a_denial_need_not_wait(world: SlackWorld) -> None:
    """No harm is done by a no that was meant for another moment."""
    request = await world.ask()
    message = await world.shown(request)
    await world.click("bob", message, "deny")
    await world.submit(await world.dialogue(), "not now")
    await world.is_now(request, "denied")


async def test_of_two_that_are_needed_the_first_is_told_what_is_missing(world: SlackWorld) -> None:
    """The message shows his vote and keeps its buttons for the second."""
    request, message = await world.asked(approvers=(("dba:2",),))
    await world.click("bob", message, "approve")
    assert (await world.whispered())[0] == (
        f"Your vote on {request.id} counts (approve); it takes 2 of dba."
    )
    await until(lambda: len(message.versions) > 1, "the vote is shown")
    assert "bob: approve; it takes 2 of dba" in str(message.blocks)
    assert set(message.buttons()) == {"approve", "deny", "open"}
    await world.click("carol", message, "approve")
    assert "has just changed" in (await world.whispered(2))[1]
    world.calm()
    await world.click("bob", message, "approve")
    assert "voted" in (await world.whispered(3))[2]
    await world.click("carol", message, "approve")
    await world.is_now(request, "approved")
    await until(lambda: not message.buttons(), "the buttons are gone")
    assert "● bob and carol approved once, " in _last_line(message)


async def test_of_high_risk_a_click_is_intent_only(world: SlackWorld) -> None:
    """It asks why, then leads to the page with the second factor; the request stays as it is."""
    request, message = await world.asked(risk="high")
    await world.click("bob", message, "approve")
    opened = await world.dialogue()
    await world.submit(opened, "agreed in OPS-412 <!channel>")
    (said,) = await world.whispered()
    assert f"{CONSOLE}/r/{request.id}" in said
    assert "nothing is approved yet" in said
    assert "agreed in OPS-412 &lt;!channel&gt;" in said
    assert await world.state_of(request) == "pending"
    assert (await world.approvals.request(request.id)).votes == ()


async def test_of_high_risk_a_denial_counts(world: SlackWorld) -> None:
    """Saying no takes no second factor."""
    request, message = await world.asked(risk="high")
    await world.click("bob", message, "deny")
    await world.submit(await world.dialogue(), "no")
    await world.is_now(request, "denied")


async def test_who_may_not_decide_what_is_of_high_risk_hears_so(world: SlackWorld) -> None:
    """He is not led to a page that would send him away."""
    request, message = await world.asked(risk="high")
    await world.click("alice", message, "approve")
    assert (await world.whispered())[0].startswith(f"You asked for {request.id}")
    assert world.fake.views == []


async def test_what_takes_a_security_key_ignores_clicks(world: SlackWorld) -> None:
    """Slack's own administrators could be anybody: there are no buttons, and forged clicks fail."""
    request, message = await world.asked(risk="critical")
    assert set(message.buttons()) == {"open"}
    seal = world.slack.board._needs.seal
    await world.click("bob", message, "approve", value=seal.value(request, "approve"))
    await world.click("bob", message, "deny", value=seal.value(request, "deny"))
    said = await world.whispered(2)
    assert all(f"{request.id} takes a security key" in one for one in said)
    assert await world.state_of(request) == "pending"
    assert world.fake.views == []


async def test_a_link_of_today_decides_nothing_of_high_risk(world: SlackWorld) -> None:
    """Neither yes nor no; what is of lower risk it decides."""
    await world.link(BOB, ago_s=23 * 3600)
    request, message = await world.asked(risk="high")
    await world.click("bob", message, "approve")
    await world.click("bob", message, "deny")
    said = await world.whispered(2)
    assert all("linked less than 24 h ago" in one for one in said)
    world.pass_s(3600 + 1)
    # a day is over; the request is not: its time is the desk's affair
    other, shown = await world.asked("DELETE FROM orders;", risk="high")
    await world.click("bob", shown, "deny")
    await world.submit(await world.dialogue(), "no")
    await world.is_now(other, "denied")
    assert await world.state_of(request) == "pending"


async def test_a_young_link_decides_what_is_of_moderate_risk(world: SlackWorld) -> None:
    """Else nobody could begin."""
    await world.link(BOB, ago_s=1)
    request, message = await world.asked()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")


async def test_forged_values_decide_nothing(world: SlackWorld) -> None:
    """Another request's, another deed's, a changed seal, an id alone, and no value at all."""
    request, message = await world.asked()
    other, shown = await world.asked("DELETE FROM orders;")
    approve, deny = _value(message, "approve"), _value(message, "deny")
    forged = [
        approve.replace(request.id, other.id), deny, approve[:-1] + ("A" if approve[-1] != "A" else "B"),
        request.id, f"{request.id}.", "x" * 2000, f"{request.id}.{'A' * 43}", "K3F9'; --.", _value(shown, "deny"),
    ]  # fmt: skip
    for number, value in enumerate(forged, 1):
        await world.click("bob", message, "approve", value=value)
        said = await world.whispered(number)
        assert said[-1] == "gatekeep does not know this button. Nothing changed.", value
    assert [await world.state_of(one) for one in (request, other)] == ["pending", "pending"]


@pytest.mark.parametrize(
    "how", [{"team": "T0EVIL"}, {"account_team": "T0EVIL"}, {"team": "T0EVIL", "account_team": "T0EVIL"}]
)
async def test_clicks_from_another_workspace_are_ignored(
    world: SlackWorld, how: dict[str, str]
) -> None:
    """A channel may be shared with strangers: they are not even answered."""
    request, message = await world.asked()
    acked = await world.click("bob", message, "approve", **how)
    assert acked.payload is None
    await world.click("alice", message, "approve")
    assert len(await world.whispered()) == 1
    assert await world.state_of(request) == "pending"


async def test_a_click_that_cannot_be_recorded_decides_nothing(world: SlackWorld) -> None:
    """He hears that, and nothing was approved."""
    request, message = await world.asked()
    world.world.journal.broken_sync = JournalUnavailable("no space")
    await world.click("bob", message, "approve")
    (said,) = await world.whispered()
    assert said == (
        f"This cannot be recorded right now, so {request.id} was not decided. Nothing changed."
    )


async def test_an_answer_comes_also_where_its_address_is_used_up(world: SlackWorld) -> None:
    """Then it is said in the channel, to him alone."""
    _request, message = await world.asked()
    payload_of = world.fake.response_url
    world.fake.response_url = lambda channel, account: payload_of(channel, account) + "0"  # type: ignore[method-assign]  # a used-up address
    await world.click("alice", message, "approve")
    await world.whispered()
    assert [one.via for one in world.fake.whispers] == ["postEphemeral"]


async def test_no_strange_address_is_called(world: SlackWorld) -> None:
    """Whatever a payload names as the place for answers, only Slack's own is called."""
    _request, message = await world.asked()
    world.fake.response_url = lambda _channel, _account: "http://127.0.0.1:1/latest/meta-data"  # type: ignore[method-assign]  # somebody else's address
    await world.click("alice", message, "approve")
    await world.whispered()
    assert [one.via for one in world.fake.whispers] == ["postEphemeral"]


async def test_a_dialogue_that_slack_does_not_open_is_told_of(world: SlackWorld) -> None:
    """And nothing was decided."""
    request, message = await world.asked()
    world.fake.errors["views.open"] = ["expired_trigger_id"]
    await world.click("bob", message, "deny")
    assert (await world.whispered())[0] == (
        f"Slack did not open the dialogue for {request.id}. Nothing changed; click again."
    )
    assert await world.state_of(request) == "pending"


def _value(message: object, deed: str) -> str:
    """What the button had when there was one."""
    for _at, _text, blocks in reversed(message.versions):  # type: ignore[attr-defined]  # a message of the fake
        for block in blocks:
            for one in block.get("elements", ()):
                if one.get("action_id") == f"gatekeep_{deed}":
                    return str(one["value"])
    raise AssertionError(deed)


def _last_line(message: object) -> str:
    (line,) = message.blocks[-1]["elements"]  # type: ignore[attr-defined]  # a message of the fake
    return "".join(part.get("text", "14:21") for part in line["elements"])
