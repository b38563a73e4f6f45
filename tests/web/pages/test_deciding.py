"""Deciding on the page of a request: what counts, what does not, and what it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.page_world import PageWorld
from support.plain_browser import PlainBrowser

from gatekeep.domain.approvals import RequestState, Scope, VoteVerdict
from gatekeep.domain.delegations import Delegation
from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Ballot
from gatekeep.messages import web_requests as said


def fields(browser: PlainBrowser, button: str) -> list[tuple[str, str]]:
    """The hidden fields of a button's form."""
    form, _ = browser._form_of(button)
    return [(one.attributes["name"], one.attributes["value"]) for one in form.all("input", type="hidden")]  # fmt: skip


async def test_carol_approves_once(world: PageWorld) -> None:
    """The form carries the digest; afterwards the panel is gone and a sentence remains."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    assert "Approve and run once" in carol.buttons()
    world.clock.pass_s(72)
    shown = await carol.press("Approve and run once", reason="agreed in OPS-412")
    assert (shown.status, shown.path) == (200, f"/r/{request.id}")
    assert "carol approved it (once) at" in shown.words
    assert "after 1 min 12 s: “agreed in OPS-412”." in shown.words
    assert carol.buttons() == []
    now = await world.now(request)
    (vote,) = now.votes
    assert (now.state, vote.via, vote.mfa, vote.scope) == (RequestState.APPROVED, "web", False, Scope.ONCE)  # fmt: skip
    assert world.recorded(EventKind.APPROVAL_VOTED)[0]["via"] == "web"


async def test_carol_denies_with_a_reason(world: PageWorld) -> None:
    """A denial needs a reason, which the page then shows."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    hidden = fields(carol, "Deny")
    shown = await carol.post(f"/r/{request.id}", [*hidden, ("do", "deny"), ("reason", "  ")])
    assert (shown.status, shown.alert) == (422, said.NEEDS_REASON)
    shown = await carol.press("Deny", reason="run it on the replica first")
    assert "■ carol denied it" in shown.words
    now = await world.now(request)
    assert (now.state, now.decision_reason) == (RequestState.DENIED, "run it on the replica first")


async def test_a_late_click_learns_who_was_first(world: PageWorld) -> None:
    """Whoever comes second changes nothing, and is told by whom and when it was decided."""
    request = await world.ask()
    carol, dave = await world.signed_in("carol"), await world.signed_in("dave")
    await carol.get(f"/r/{request.id}")
    await dave.get(f"/r/{request.id}")
    await dave.press("Deny", reason="no")
    shown = await carol.press("Approve and run once")
    at = said.clock((await world.now(request)).decided_us)
    assert (shown.status, shown.alert) == (409, f"dave denied this at {at}. Nothing changed.")
    assert (await world.now(request)).state is RequestState.DENIED


async def test_five_clicks_make_one_verdict(world: PageWorld) -> None:
    """However often the form is sent, there is one vote and one decision."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    hidden = [*fields(carol, "Approve and run once"), ("scope", "once"), ("do", "approve:once")]
    statuses = [(await carol.post(f"/r/{request.id}", hidden)).status for _ in range(5)]
    assert statuses == [200, 409, 409, 409, 409]
    assert len(world.recorded(EventKind.APPROVAL_DECIDED)) == 1


async def test_another_digest_is_refused(world: PageWorld) -> None:
    """Who was shown something else than what is asked cannot decide it, nor who sends none."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    hidden = [one for one in fields(carol, "Deny") if one[0] != "digest"]
    for digest in ("9c41d07be2ab" + "5" * 52, "", "9c41"):
        for deed in ([("do", "approve:once"), ("scope", "once")], [("do", "deny"), ("reason", "no")]):
            shown = await carol.post(f"/r/{request.id}", [*hidden, *deed, ("digest", digest)])
            assert shown.status == 409
            assert "not the digest" in shown.alert
    assert (await world.now(request)).state is RequestState.PENDING


async def test_nobody_decides_over_himself(world: PageWorld) -> None:
    """The requester sees her request without a panel, with the names of who can; a form of hers counts for nothing."""
    request = await world.ask()
    alice = await world.signed_in("alice")
    shown = await alice.get(f"/r/{request.id}")
    assert said.own(["bob", "carol", "dave"]) in shown.words
    assert alice.buttons() == ["Withdraw"]
    token = fields(alice, "Withdraw")[0]
    for deed in ([("do", "approve:once"), ("scope", "once")], [("do", "deny"), ("reason", "x")]):
        shown = await alice.post(f"/r/{request.id}", [token, ("digest", request.digest), *deed])
        assert shown.status == 403
        assert "someone else must decide" in shown.alert
    assert (await world.now(request)).state is RequestState.PENDING
    assert world.recorded(EventKind.AUDIT_READ) == [], "one's own is no reading of others"
    shown = await alice.press("Withdraw")
    assert "Withdrawn by alice" in shown.words
    assert (await world.now(request)).state is RequestState.WITHDRAWN


async def test_a_second_principal_of_the_same_person_is_still_herself(world: PageWorld) -> None:
    """Two accounts of one human are one person, at this door, too."""
    request = await world.ask(place__person="carol")
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    assert carol.buttons() == ["Withdraw"]


async def test_high_risk_takes_password_and_code_in_place(world: PageWorld) -> None:
    """Step-up: minutes after the sign-in both are asked for; wrong ones change nothing, right ones count as a second factor."""
    request = await world.ask(why__risk="high")
    bob = await world.signed_in("bob")
    world.clock.pass_s(700)
    await bob.get(f"/r/{request.id}")
    press = "Approve and run once"
    shown = await bob.press(press, password=world.proof("alice")["password"], code=world.code("bob"))
    assert (shown.status, shown.alert) == (403, said.PROOF_REFUSED)
    shown = await bob.press(press, password=world.proof("bob")["password"], code="000000")
    assert shown.status == 403
    assert (await world.now(request)).votes == ()
    # The password was right, so now only the code is asked for.
    assert not bob.now.page.all("input", type="password")
    shown = await bob.press(press, code=world.next_code("bob"))
    assert shown.status == 200
    (vote,) = (await world.now(request)).votes
    assert vote.mfa


async def test_right_after_the_sign_in_only_a_code_is_asked(world: PageWorld) -> None:
    """A fresh password is believed; the code of the sign-in is used up."""
    request = await world.ask(why__risk="critical")
    used = world.code("bob")
    bob = await world.signed_in("bob")
    shown = await bob.get(f"/r/{request.id}")
    assert not shown.page.all("input", type="password")
    shown = await bob.press("Approve and run once", code=used)
    assert shown.status == 403
    shown = await bob.press("Approve and run once", code=world.next_code("bob"))
    assert shown.status == 200


async def test_without_an_authenticator_high_risk_can_only_be_denied(world: PageWorld) -> None:
    """Carol is told why, has no Approve button, and a form of her own making does not count."""
    request = await world.ask(why__risk="high")
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert said.NEEDS_CODES in shown.words
    assert carol.buttons() == ["Deny"]
    sent = [*fields(carol, "Deny"), ("do", "approve:once"), ("scope", "once")]
    for extra in ([], [("code", "123456")]):
        shown = await carol.post(f"/r/{request.id}", [*sent, *extra])
        assert shown.status == 403
    assert (await world.now(request)).state is RequestState.PENDING
    await carol.press("Deny", reason="too risky")
    assert (await world.now(request)).state is RequestState.DENIED


async def test_wrong_codes_lock_the_second_step(world: PageWorld) -> None:
    """Ten wrong codes, and none counts for a while, from wherever they come."""
    request = await world.ask(why__risk="high")
    bob = await world.signed_in("bob")
    await bob.get(f"/r/{request.id}")
    for _ in range(10):
        world.clock.pass_s(3)
        await bob.press("Approve and run once", code="000000")
    world.clock.pass_s(3)
    shown = await bob.press("Approve and run once", code=world.next_code("bob"))
    assert shown.status == 403
    world.folds.flush(everything=True)
    assert EventKind.AUTH_LOCKED in {one.kind for one in world.folded}
    assert (await world.now(request)).state is RequestState.PENDING


async def test_policy_may_want_a_code_for_anything(world: PageWorld) -> None:
    """Where policy releases only with a second factor, the page comes back and asks for it."""
    request = await world.ask()
    world.half.desk._open[request.id].enough = lambda approval: approval.mfa
    bob = await world.signed_in("bob")
    await bob.get(f"/r/{request.id}")
    shown = await bob.press("Approve and run once")
    assert shown.status == 403
    assert bob.now.page.all("input", name="code")
    shown = await bob.press("Approve and run once", code=world.next_code("bob"))
    assert shown.status == 200
    assert (await world.now(request)).state is RequestState.APPROVED


async def test_a_long_command_must_be_read_to_its_end(world: PageWorld) -> None:
    """Seen means seen: more than a screenful takes the box with the number of its lines."""
    request = await world.ask("\n".join(f"TRUNCATE t{n};" for n in range(500)))
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert "TRUNCATE t499;" in shown.words
    assert "I have read all 500 lines" in shown.words
    with pytest.raises(AssertionError, match="read must be ticked"):
        await carol.press("Approve and run once")
    sent = [*fields(carol, "Approve and run once"), ("scope", "once"), ("do", "approve:once")]
    for extra in ([], [("read", "499")], [("read", "")]):
        shown = await carol.post(f"/r/{request.id}", [*sent, *extra])
        assert (shown.status, shown.alert) == (422, said.NEEDS_READING)
    assert (await world.now(request)).votes == ()
    await carol.press("Approve and run once", read=True)
    assert (await world.now(request)).state is RequestState.APPROVED


async def test_what_is_not_shown_whole_cannot_be_approved(world: PageWorld) -> None:
    """A command beyond all measure can be denied, and nothing else."""
    request = await world.ask("SELECT 1;\n" * 6_000)
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert said.NOT_WHOLE in shown.words
    assert carol.buttons() == ["Deny"]
    sent = [*fields(carol, "Deny"), ("scope", "once"), ("do", "approve:once"), ("read", "6001")]
    shown = await carol.post(f"/r/{request.id}", sent)
    assert (shown.status, shown.alert) == (422, said.NOT_WHOLE_REFUSED)


async def test_what_cannot_be_recorded_is_not_decided(world: PageWorld) -> None:
    """A journal that fails at the vote: 503, and it was not cast."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    world.journal.broken_sync = JournalUnavailable("no space")
    shown = await carol.press("Approve and run once")
    assert shown.status == 503
    assert "not done" in shown.heading


async def test_the_button_says_what_happens(world: PageWorld) -> None:
    """One button for each reach; a button that does not agree with the choice above it does nothing."""
    request = await world.ask(template="delete from customers where id = $1:int")
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    assert carol.buttons() == [
        "Approve and run once", "Approve and run, and this template for 30 min",
        "Approve and run, and this session", "Deny",
    ]  # fmt: skip
    shown = await carol.press("Approve and run, and this session", scope="once")
    assert (shown.status, shown.alert) == (422, said.SCOPE_DIFFERS)
    assert (await world.now(request)).state is RequestState.PENDING
    shown = await carol.press("Approve and run, and this session", scope="session")
    assert (await world.now(request)).scope is Scope.SESSION


async def test_a_scope_that_is_not_offered_is_refused(world: PageWorld) -> None:
    """What the page does not offer cannot be sent either."""
    request = await world.ask(subject__facts={"scopes": []})
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    assert carol.buttons() == ["Approve and run once", "Deny"]
    for scope in ("session", "template", "access", "nonsense"):
        sent = [*fields(carol, "Deny"), ("scope", scope), ("do", f"approve:{scope}")]
        assert (await carol.post(f"/r/{request.id}", sent)).status == 422
    assert (await world.now(request)).state is RequestState.PENDING


async def test_a_template_with_a_value_freed(world: PageWorld) -> None:
    """Each value that may be freed shows three others; what is ticked, and only that, is free afterwards."""
    request = await world.ask(template="delete from customers where id = $1:int and tenant = $2:text")
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    (slot,) = shown.page.all("input", name="free")
    assert slot.attributes["value"] == "1"
    assert "tenant-7" not in shown.words, "a sensitive value is never offered"
    hint = shown.page.one(id="free-1-hint")
    assert [one.text for one in hint.all("code")] == ["0", "43", "42000"]
    press = "Approve and run, and this template for 30 min"
    shown = await carol.press(press, scope="template", free_1=True)
    assert shown.status == 200
    (grant,) = await world.half.front.grants()
    assert (grant.ends_us - grant.starts_us) // 1_000_000 == 1800
    assert "slot 1" not in grant.bound
    assert "slot 2" in grant.bound


async def test_sensitive_or_unknown_values_cannot_be_freed_by_hand(world: PageWorld) -> None:
    """A form of one's own making frees nothing that the page did not offer."""
    request = await world.ask(template="delete from customers where id = $1:int and tenant = $2:text")
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    sent = [*fields(carol, "Deny"), ("scope", "template"), ("do", "approve:template"),
            ("free", "2"), ("free", "99"), ("free", "x")]  # fmt: skip
    assert (await carol.post(f"/r/{request.id}", sent)).status == 200
    (grant,) = await world.half.front.grants()
    assert {"slot 1", "slot 2"} <= set(grant.bound)


async def test_a_vote_that_is_not_the_last(world: PageWorld) -> None:
    """With two needed the button says that it is a vote; the page then says what is missing."""
    request = await world.ask(why__approvers=(("dba:2",),))
    carol, dave = await world.signed_in("carol"), await world.signed_in("dave")
    shown = await carol.get(f"/r/{request.id}")
    assert said.VOTE_NOT_LAST in shown.words
    shown = await carol.press("Vote to approve: run once")
    assert "You voted to approve this. It waits for others." in shown.words
    assert "carol voted to approve for dba" in shown.words
    assert carol.buttons() == []
    shown = await dave.get(f"/r/{request.id}")
    assert "Approve and run once" in dave.buttons()
    await dave.press("Approve and run once")
    assert (await world.now(request)).state is RequestState.APPROVED


async def test_no_button_says_more_than_those_before_agreed_to(world: PageWorld) -> None:
    """Carol agreed to once: dave is offered nothing wider, and what he saw before does not count."""
    request = await world.ask(why__approvers=(("dba:2",),), template="delete from customers where id = $1:int")
    carol, dave = await world.signed_in("carol"), await world.signed_in("dave")
    await dave.get(f"/r/{request.id}")
    assert "Vote to approve: run, and this session" in dave.buttons()
    await carol.get(f"/r/{request.id}")
    await carol.press("Vote to approve: run once")
    shown = await dave.press("Vote to approve: run, and this session", scope="session")
    assert (shown.status, shown.alert) == (422, said.REACHES_LESS)
    assert dave.buttons() == ["Approve and run once", "Deny"]
    assert said.agreed_on(["once"]) in shown.words
    await dave.press("Approve and run once")
    now = await world.now(request)
    assert (now.state, now.scope) == (RequestState.APPROVED, Scope.ONCE)


async def test_only_what_those_before_freed_can_be_freed(world: PageWorld) -> None:
    """Carol freed nothing, and for a minute: dave's button says so, and so it is."""
    request = await world.ask(why__approvers=(("dba:2",),), template="delete from customers where id = $1:int")
    vote = Ballot(VoteVerdict.APPROVE, request.digest, "cli", scope=Scope.TEMPLATE, for_s=60)
    assert (await world.half.front.cast(request.id, world.circle.kept["carol"], vote)).counted
    dave = await world.signed_in("dave")
    shown = await dave.get(f"/r/{request.id}")
    assert not shown.page.all("input", name="free")
    assert dave.buttons() == ["Approve and run once", "Approve and run, and this template for 1 min", "Deny"]
    await dave.press("Approve and run, and this template for 1 min", scope="template")
    (grant,) = await world.half.front.grants()
    assert (grant.ends_us - grant.starts_us) // 1_000_000 == 60
    assert "slot 1" in grant.bound


async def test_a_stand_in_sees_what_his_word_does(world: PageWorld) -> None:
    """Dave's own groups release nothing; while he stands in for bob his button says that it decides, and it does."""
    request = await world.ask(place__principal="frank", place__person="frank")
    world.circle.kept["dave"] = replace(world.circle.kept["dave"], groups=frozenset({"engineers"}))
    world.special.stand_ins.append(Delegation("D1", "bob", "bob", "dave", "dave", 0, 0, 1 << 60))
    world.clock.pass_s(31)
    dave = await world.signed_in("dave")
    await dave.get(f"/r/{request.id}")
    assert "Approve and run once" in dave.buttons()
    await dave.press("Approve and run once")
    (vote,) = (await world.now(request)).votes
    assert (vote.delegator, vote.groups) == ("bob", frozenset({"dba"}))
    assert (await world.now(request)).state is RequestState.APPROVED


async def test_time_runs_out(world: PageWorld) -> None:
    """After its time nobody can approve it, and the page says that nobody answered."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    world.clock.pass_s(901)
    shown = await carol.press("Approve and run once")
    assert shown.status == 409
    assert "Nobody answered this in time" in shown.alert
    assert (await world.now(request)).state is RequestState.EXPIRED


