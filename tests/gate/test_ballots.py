"""Ballots: what makes one count, how far several reach together, and what votes are to policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk_world import DeskWorld, person

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Scope,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)
from gatekeep.gate.approval_ports import Ballot, Departure
from gatekeep.gate.ballots import (
    agreed,
    approval_of,
    denier_of,
    late,
    offered_scopes,
    scopes_left,
    terms,
)

ALICE = person("alice", "engineers")
BOB, CAROL = person("bob", "dba"), person("carol", "dba")
DIGEST = "9c41" * 16
REQUEST = ApprovalRequest(
    "K3F9", Place("alice", "alice", "orders", "app", session="ab" * 16),
    Subject(
        RequestKind.STATEMENT, "DELETE", "DELETE", "t",
        facts={"scopes": ["template", "session"], "slots": [{"number": 1}, {"number": 2}]},
    ),
    Why("rule", "why", "7f3a", (("dba",),)), DIGEST, 0, 900,
)  # fmt: skip
AHEAD = replace(REQUEST, place=replace(REQUEST.place, session=""), scope=Scope.ACCESS, grant_s=600)
YES = Ballot(VoteVerdict.APPROVE, DIGEST, "cli")


def vote(name: str, verdict: VoteVerdict = VoteVerdict.APPROVE, **more: object) -> Vote:
    """A vote of this person."""
    made = Vote(name, name, verdict, "cli", 5_000_000, groups=frozenset({"dba"}))
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and two who decide."""
    made = DeskWorld(ALICE, BOB, CAROL)
    yield made
    await made.close()


@pytest.mark.parametrize(
    "digest", ["", DIGEST[:11], "0" * 64, DIGEST[:-1] + "g", DIGEST + "0", f"{DIGEST[:12]} x"]
)
async def test_what_was_not_shown_is_not_decided(world: DeskWorld, digest: str) -> None:
    """Neither another digest nor too little of it, for a yes or a no."""
    request = await world.ask(ALICE)
    assert (await world.vote(request, BOB, digest=digest)).refusal == "digest"
    assert (await world.vote(request, BOB, digest=digest, deny="no")).refusal == "digest"


@pytest.mark.parametrize("digest", [DIGEST, DIGEST[:12], f" {DIGEST[:20].upper()} "])
async def test_twelve_digits_are_enough(world: DeskWorld, digest: str) -> None:
    """As people type them."""
    assert (await world.vote(await world.ask(ALICE), BOB, digest=digest)).counted


async def test_only_an_offered_scope_counts(world: DeskWorld) -> None:
    """What may not be given for longer is not, whoever wants to."""
    request = await world.ask(ALICE)
    cast = await world.vote(request, BOB, scope=Scope.ACCESS)
    assert (cast.refusal, "for access" in cast.words) == ("scope", True)
    assert offered_scopes(request) == ("once", "template", "session")
    assert offered_scopes(AHEAD) == ("access",)


@pytest.mark.parametrize("risk", ["high", "critical"])
async def test_what_is_of_high_risk_takes_a_second_factor(world: DeskWorld, risk: str) -> None:
    """For a yes, not for a no."""
    wish = world.wish(ALICE)
    risky = replace(wish, why=replace(wish.why, risk=risk))
    asked = await world.desk.ask(risky, lambda _given: True, world.grant_for)
    assert isinstance(asked, ApprovalRequest)
    assert (await world.vote(asked, BOB, mfa=False)).refusal == "mfa"
    assert (await world.vote(asked, BOB, mfa=False, deny="no")).counted


async def test_where_policy_wants_a_factor_that_is_said_too(world: DeskWorld) -> None:
    """The rule reads `approval.mfa`: without it nothing is decided, and the vote is open still."""
    world.rules.enough = lambda approval: approval.mfa
    request = await world.ask(ALICE)
    assert (await world.vote(request, BOB, mfa=False)).refusal == "mfa"
    assert (await world.now(request)).votes == ()
    assert (await world.vote(request, BOB)).request.state is RequestState.APPROVED


async def test_policy_has_the_last_word_at_the_last_vote(world: DeskWorld) -> None:
    """It would not release it now: the request is closed, no vote is kept, and no yes was given."""
    request = await world.ask(ALICE)
    world.rules.enough = lambda _approval: False
    cast = await world.vote(request, BOB)
    assert (cast.counted, cast.refusal) == (False, "void")
    found = await world.now(request)
    assert (found.state, found.votes) == (RequestState.WITHDRAWN, ())


def test_terms_fill_in_what_a_ballot_leaves_open() -> None:
    """The usual time for a template, and no value that was not shown; what was asked ahead may be cut."""
    template = replace(YES, scope=Scope.TEMPLATE, freed=(2,))
    assert terms(REQUEST, template, 1800).for_s == 1800
    assert terms(REQUEST, replace(template, for_s=60), 1800) == replace(template, for_s=60)
    assert terms(REQUEST, replace(template, for_s=-1), 1800).for_s == 1800
    assert terms(REQUEST, replace(template, freed=(9, 2, 0, 1, 2)), 1800).freed == (1, 2)
    secret = replace(REQUEST, subject=replace(REQUEST.subject, facts={"scopes": ["template"]}))
    assert terms(secret, template, 1800).freed == ()
    once = terms(REQUEST, replace(YES, freed=(1,), for_s=99), 1800)
    assert (once.scope, once.freed, once.for_s) == (Scope.ONCE, (), 0)
    for asked_for, given_s in ((0, 600), (60, 60), (28_800, 600)):
        ahead = terms(AHEAD, replace(YES, for_s=asked_for, freed=(1,)), 1800)
        assert (ahead.scope, ahead.for_s, ahead.freed) == (Scope.ACCESS, given_s, ())


FREED = st.frozensets(st.integers(1, 4)).map(lambda found: tuple(sorted(found)))
VOTES = st.lists(
    st.builds(
        vote, st.sampled_from(["bob", "carol", "erin"]), scope=st.sampled_from(Scope), freed=FREED,
        for_s=st.integers(1, 9000),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(VOTES)
def test_no_yes_is_taken_for_more_than_it_said(votes: Sequence[Vote]) -> None:
    """However they are mixed: no wider scope, no other free value, no longer time than each gave."""
    last = votes[-1]
    ballot = replace(YES, scope=last.scope, freed=last.freed, for_s=last.for_s)
    together = agreed(ballot, votes)
    if together.scope is not Scope.ONCE:
        assert {one.scope for one in votes} == {together.scope}
    for one in votes:
        assert set(together.freed) <= set(one.freed)
        assert together.for_s <= one.for_s


@given(VOTES)
def test_what_is_left_to_say_is_what_will_be(votes: Sequence[Vote]) -> None:
    """A scope is offered after these votes exactly where a yes for it would reach so far."""
    asked = replace(REQUEST, votes=tuple(votes))
    for scope in map(Scope, offered_scopes(asked)):
        last = Vote("dan", "dan", VoteVerdict.APPROVE, "web", 0, scope=scope, freed=(1,), for_s=60)
        ballot = replace(YES, scope=scope, freed=(1,), for_s=60)
        assert (scope.value in scopes_left(asked)) == (agreed(ballot, [*votes, last]).scope is scope)


async def test_a_quorum_gives_as_far_as_all_of_it_agreed(world: DeskWorld) -> None:
    """One says once, the other for eight hours: once, no grant, and the last one is told."""
    request = await world.ask(ALICE, approvers=(("dba:2",),))
    await world.vote(request, BOB)
    cast = await world.vote(request, CAROL, scope=Scope.TEMPLATE, for_s=28_800)
    assert (cast.request.state, cast.request.scope) == (RequestState.APPROVED, Scope.ONCE)
    assert "once" in cast.words
    assert await world.grants.grants() == []
    again = await world.ask(ALICE, "DROP y", approvers=(("dba:2",),))
    await world.vote(again, BOB, scope=Scope.TEMPLATE, for_s=60)
    await world.vote(again, CAROL, scope=Scope.TEMPLATE, for_s=28_800)
    (grant,) = await world.grants.grants()
    assert grant.ends_us - grant.starts_us == 60_000_000
    assert set(grant.persons) == {"bob", "carol"}
    assert [one["for_s"] for one in world.told("approval.voted")][2:] == [60, 28_800]


async def test_leave_of_a_template_lasts_the_usual_time(world: DeskWorld) -> None:
    """Where nobody said how long: half an hour, as the settings have it."""
    grant = await world.granted(ALICE, BOB)
    assert grant.ends_us - grant.starts_us == 1_800_000_000


def test_votes_are_to_policy_as_old_as_the_last() -> None:
    """And shown with a second factor only if each was."""
    request = replace(REQUEST, votes=(vote("bob", mfa=True), vote("carol", at_us=8_000_000, mfa=True)))
    given_now = approval_of(request, frozenset({"dba"}), 10_500_000)
    assert (given_now.kind, given_now.age_s, given_now.mfa) == ("vote", 2, True)
    assert given_now.request == "K3F9"
    less = replace(request, votes=(*request.votes, vote("erin")))
    assert not approval_of(less, frozenset(), 0).mfa
    assert approval_of(less, frozenset(), 0).age_s == 0


@pytest.mark.parametrize(
    ("state", "by", "reason", "said"),
    [
        (RequestState.APPROVED, "bob", "", "bob already approved K3F9 at 00:00 UTC"),
        (RequestState.DENIED, "bob", "no", "bob already denied K3F9"),
        (RequestState.EXPIRED, "", "", "not answered in time"),
        (RequestState.WITHDRAWN, "alice", "a slip", "withdrawn by alice"),
        (RequestState.WITHDRAWN, "", Departure.CLIENT_LEFT.value, "withdrawn by alice"),
        (RequestState.WITHDRAWN, "", Departure.DRAINING.value, "withdrawn by the gateway"),
        (RequestState.WITHDRAWN, "", Departure.TARGET_LEFT.value, "withdrawn by the gateway"),
        (RequestState.WITHDRAWN, "", "the gateway restarted", "withdrawn by the gateway"),
        (RequestState.PENDING, "", "", "withdrawn by the gateway"),
    ],
)
def test_who_comes_late_is_told_who_was_first(
    state: RequestState, by: str, reason: str, said: str
) -> None:
    """A person by name, time, the requester or the gateway; and that nothing changed."""
    over = replace(REQUEST, state=state, decided_by=by, decision_reason=reason, decided_us=1)
    cast = late(over)
    assert (cast.counted, cast.refusal) == (False, "late")
    assert said in cast.words
    assert cast.words.endswith("Nothing changed.") or "Nothing changed." in cast.words


def test_who_denied_is_a_person() -> None:
    """By his vote; where there is none, whoever ended it."""
    no = vote("bob", VoteVerdict.DENY, person="p-bob")
    assert denier_of(replace(REQUEST, votes=(vote("carol"), no))) == "p-bob"
    assert denier_of(replace(REQUEST, decided_by="hook")) == "hook"
