"""Votes over the API: who may, how often, with which proof, and what nobody can approve unseen."""

from __future__ import annotations

import asyncio

import pytest
from support.api_callers import Callers
from support.approval_world import ALICE, BOT, ApprovalWorld, yes

from gatekeep.domain.approvals import RequestState


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("alice", 403), ("alice-dba", 403), ("bob", 200), ("carol", 200), ("dan", 404),
        ("sam", 403), ("bot", 404),
    ],
)  # fmt: skip
async def test_who_may_vote(asking: ApprovalWorld, call: Callers, name: str, status: int) -> None:
    """The asked group may; the asker may not under any name of hers; others do not even see it."""
    held = await asking.held()
    answer = await call(name, "POST", f"requests/{held.id}/votes", yes(held))
    assert answer.status == status
    now = await asking.desk.request(held.id)
    assert now is not None
    assert (now.state is RequestState.APPROVED) == (status == 200)
    if status == 403:
        assert "else must decide: p-bob, p-carol or p-erin" in answer.what


async def test_the_owner_of_a_machine_does_not_decide_for_it(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Bob answers for the bot; another dba decides."""
    held = await asking.held(by=BOT)
    answer = await call("bob", "POST", f"requests/{held.id}/votes", yes(held))
    assert answer.status in (403, 404)
    assert (await call("carol", "POST", f"requests/{held.id}/votes", yes(held))).status == 200


async def test_a_delegate_votes_in_the_others_place_but_never_for_him(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Dan stands in for bob and decides what alice asks; for what bob asks he is no decider."""
    made = await call("bob", "POST", "delegations", {"to": "dan", "for_s": 3600})
    assert made.status == 201
    held = await asking.held()
    answer = await call("dan", "POST", f"requests/{held.id}/votes", yes(held))
    assert answer.status == 200
    (vote,) = answer.body["request"]["votes"]
    assert (vote["principal"], vote["delegator"], vote["via"]) == ("dan", "p-bob", "api")
    bobs = await asking.held("DELETE FROM x;", by=asking.people.principal("bob") or ALICE)
    answer = await call("dan", "POST", f"requests/{bobs.id}/votes", yes(bobs))
    assert answer.status in (403, 404)
    assert (await call("carol", "POST", f"requests/{bobs.id}/votes", yes(bobs))).status == 200


async def test_the_first_verdict_is_the_only_one(asking: ApprovalWorld, call: Callers) -> None:
    """Five in one second: one verdict, four polite answers that tell who was first."""
    held = await asking.held()
    denial = {"verdict": "deny", "digest": held.digest, "reason": "use the replica"}
    ballots = [
        ("bob", yes(held)), ("carol", denial), ("erin", yes(held)), ("bob", denial),
        ("carol", yes(held)),
    ]  # fmt: skip
    answers = await asyncio.gather(
        *(call(name, "POST", f"requests/{held.id}/votes", ballot) for name, ballot in ballots)
    )
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200, 409, 409, 409, 409]
    assert all("already" in answer.what for answer in answers if answer.status == 409)


@pytest.mark.parametrize("digest", ["0" * 12, "0" * 64])
async def test_what_was_not_seen_cannot_be_decided(
    asking: ApprovalWorld, call: Callers, digest: str
) -> None:
    """Another digest is 409, changes nothing, and tells nothing new."""
    held = await asking.held()
    for verdict in ("approve", "deny"):
        ballot = {"verdict": verdict, "digest": digest, "reason": "because"}
        answer = await call("bob", "POST", f"requests/{held.id}/votes", ballot)
        assert answer.status == 409
        said = str(answer.body)
        assert held.digest[:8] not in said
        assert "customers" not in said
    now = await asking.desk.request(held.id)
    assert now is not None
    assert (now.state, now.votes) == (RequestState.PENDING, ())


@pytest.mark.parametrize("digest", ["", "abc", "x" * 12, None, 7])
async def test_a_digest_has_a_form(asking: ApprovalWorld, call: Callers, digest: object) -> None:
    """Too short or no digest at all is not understood, and what was sent is not repeated."""
    held = await asking.held()
    ballot = {"verdict": "approve", "digest": digest, "reason": "hunter2"}
    answer = await call("bob", "POST", f"requests/{held.id}/votes", ballot)
    assert answer.status == 400
    assert answer.what.startswith("digest: ")
    assert "hunter2" not in str(answer.body)


async def test_high_risk_takes_a_code(asking: ApprovalWorld, call: Callers) -> None:
    """Without one nothing happens; with the code of this moment it counts, once."""
    held = await asking.held(risk="high")
    path = f"requests/{held.id}/votes"
    bare = await call("bob", "POST", path, yes(held))
    assert (bare.status, "takes a code" in bare.what) == (403, True)
    wrong = await call("bob", "POST", path, yes(held, code="000000"))
    assert (wrong.status, wrong.what) == (403, "that is not the code of this moment")
    none = await call("erin", "POST", path, yes(held, code="123456"))
    assert (none.status, "none is registered" in none.what) == (403, True)
    code = asking.code("bob")
    right = await call("bob", "POST", path, yes(held, code=code))
    assert right.status == 200
    assert right.body["request"]["votes"][0]["mfa"] is True
    assert code not in str(right.body)
    other = await asking.held("DELETE FROM x;", risk="high")
    again = await call("bob", "POST", f"requests/{other.id}/votes", yes(other, code=code))
    assert again.status == 403


async def test_guessing_codes_is_locked(asking: ApprovalWorld, call: Callers) -> None:
    """After ten wrong ones the right one does not count for five minutes, wherever it comes from."""
    held = await asking.held(risk="high")
    path = f"requests/{held.id}/votes"
    for number in range(10):
        await call("bob", "POST", path, yes(held, code=f"{number:06d}"))
    locked = await call("bob", "POST", path, yes(held, code=asking.code("bob")))
    assert (locked.status, locked.what) == (403, "too many wrong codes")
    assert (await call("carol", "POST", path, yes(held, code=asking.code("carol")))).status == 200


async def test_a_denial_says_why(asking: ApprovalWorld, call: Callers) -> None:
    """Without a reason it is not understood; with one it stands in the request."""
    held = await asking.held()
    path = f"requests/{held.id}/votes"
    ballot = {"verdict": "deny", "digest": held.digest}
    assert (await call("bob", "POST", path, ballot)).status == 400
    denied = await call("bob", "POST", path, {**ballot, "reason": "use the replica"})
    shown = denied.body["request"]
    assert (shown["state"], shown["decided_by"], shown["decision_reason"]) == (
        "denied", "bob", "use the replica",
    )  # fmt: skip
    assert denied.body["words"] == f"{held.id} denied."


async def test_two_votes_where_two_are_asked(asking: ApprovalWorld, call: Callers) -> None:
    """The first counts and tells what is missing; the same person cannot be the second."""
    held = await asking.held(approvers=(("dba:2",),))
    path = f"requests/{held.id}/votes"
    first = await call("bob", "POST", path, yes(held))
    assert first.body["request"]["state"] == "pending"
    assert "it takes 2 of dba" in first.body["words"]
    assert (await call("bob", "POST", path, yes(held))).status == 409
    assert (await call("carol", "POST", path, yes(held))).body["request"]["state"] == "approved"


async def test_an_approval_may_reach_further(asking: ApprovalWorld, call: Callers) -> None:
    """A template for half an hour is a grant that can be seen; what is not offered is refused."""
    held = await asking.held()
    path = f"requests/{held.id}/votes"
    refused = await call("bob", "POST", path, yes(held, scope="access"))
    assert refused.status == 400
    given = await call("bob", "POST", path, yes(held, scope="template", for_s=1800, freed=[2]))
    assert given.body["request"]["scope"] == "template"
    (grant,) = (await call("alice", "GET", "grants")).body["grants"]
    assert (grant["scope"], grant["left_s"], grant["persons"]) == (
        "template", 1800, {"p-bob": ["dba"]},
    )  # fmt: skip
