"""Grants, break-glass and reviews over the API."""

from __future__ import annotations

import pytest
from support.api_callers import Callers
from support.approval_world import ApprovalWorld

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.events import EventKind


async def granted(asking: ApprovalWorld, call: Callers) -> ApprovalRequest:
    """A request of alice's that bob approved for half an hour."""
    held = await asking.held()
    ballot = {"verdict": "approve", "digest": held.digest, "scope": "template", "for_s": 1800}
    assert (await call("bob", "POST", f"requests/{held.id}/votes", ballot)).status == 200
    return held


@pytest.mark.parametrize(
    ("name", "count"), [("alice", 1), ("bob", 1), ("carol", 0), ("dan", 0), ("sam", 1)]
)
async def test_grants_are_seen_by_those_concerned(
    asking: ApprovalWorld, call: Callers, name: str, count: int
) -> None:
    """Who has it, who gave it, and who may read what others did; the latter two leave an event."""
    held = await granted(asking, call)
    asking.recorded.clear()
    shown = (await call(name, "GET", "grants")).body["grants"]
    assert [one["request"] for one in shown] == [held.id] * count
    assert [kind for kind, *_ in asking.recorded] == (
        [EventKind.AUDIT_READ] if name in ("bob", "sam") else []
    )


async def test_grants_that_ended_are_shown_when_asked(
    asking: ApprovalWorld, call: Callers
) -> None:
    """`which=all` shows them for ever; live ones alone are the rule."""
    await granted(asking, call)
    asking.clock.pass_s(1801)
    assert (await call("alice", "GET", "grants")).body["grants"] == []
    (one,) = (await call("alice", "GET", "grants", which="all")).body["grants"]
    assert (one["live"], one["left_s"]) == (False, 0)
    assert (await call("sam", "GET", "grants", which="all", principal="dan")).body["grants"] == []


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 200), ("bob", 200), ("carol", 403), ("sam", 200)]
)
async def test_a_grant_is_revoked_at_once(
    asking: ApprovalWorld, call: Callers, name: str, status: int
) -> None:
    """By those whom the desk lets."""
    await granted(asking, call)
    (one,) = (await call("alice", "GET", "grants")).body["grants"]
    answer = await call(name, "POST", f"grants/{one['id']}/revoke", {})
    assert answer.status == status
    if status == 200:
        assert (answer.body["revoked_by"], answer.body["live"]) == (name, False)
    left = (await call("alice", "GET", "grants")).body["grants"]
    assert len(left) == (0 if status == 200 else 1)


async def test_an_unknown_grant_is_404(call: Callers) -> None:
    """With the command that lists them."""
    answer = await call("bob", "POST", "grants/G-0/revoke", {})
    assert (answer.status, answer.what) == (404, "no grant G-0")


async def test_the_glass_is_broken_with_a_second_factor(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Then there is leave at once, and somebody else has to look at it."""
    wish = {"target": "orders", "account": "app", "reason": "the site is down"}
    assert (await call("alice", "POST", "breakglass", wish)).status == 403
    made = await call("alice", "POST", "breakglass", {**wish, "code": asking.code("alice")})
    assert made.status == 201
    assert (made.body["kind"], made.body["live"], made.body["left_s"]) == (
        "break_glass", True, 1800,
    )  # fmt: skip
    (review,) = (await call("sam", "GET", "reviews")).body["reviews"]
    assert (review["grant"], review["reason"]) == (made.body["id"], "the site is down")
    path = f"reviews/{review['id']}/close"
    assert (await call("alice", "POST", path, {"finding": "fine"})).status == 403
    assert (await call("dan", "POST", path, {"finding": "fine"})).status == 404
    assert (await call("sam", "POST", path, {"finding": " "})).status == 400
    closed = await call("sam", "POST", path, {"finding": "was needed"})
    assert (closed.body["closed_by"], closed.body["finding"]) == ("sam", "was needed")
    assert (await call("sam", "GET", "reviews")).body["reviews"] == []
    assert len((await call("sam", "GET", "reviews", which="all")).body["reviews"]) == 1


async def test_breaking_the_glass_is_never_locked_out(
    asking: ApprovalWorld, call: Callers
) -> None:
    """After many wrong codes one only has to wait ten seconds between two tries."""
    wish = {"target": "orders", "account": "app", "reason": "the site is down"}
    for number in range(10):
        await call("alice", "POST", "breakglass", {**wish, "code": f"{number:06d}"})
    paced = await call("alice", "POST", "breakglass", {**wish, "code": asking.code("alice")})
    assert (paced.status, "ten seconds" in paced.body["error"]["try"]) == (403, True)
    asking.clock.pass_s(10)
    made = await call("alice", "POST", "breakglass", {**wish, "code": asking.code("alice")})
    assert made.status == 201


async def test_what_cannot_be_recorded_is_not_given(
    asking: ApprovalWorld, call: Callers
) -> None:
    """No event, no leave; and no list of what others have."""
    await granted(asking, call)
    asking.break_journal()
    wish = {"target": "orders", "account": "app", "reason": "x", "code": asking.code("alice")}
    assert (await call("alice", "POST", "breakglass", wish)).status == 503
    assert (await call("sam", "GET", "grants")).status == 503
