"""Delegations and duty over the API."""

from __future__ import annotations

import pytest
from support.api_callers import Callers
from support.approval_world import START_US, ApprovalWorld


async def test_a_delegation_is_seen_by_both_and_ended_by_either(
    asking: ApprovalWorld, call: Callers
) -> None:
    """For a time, for some groups; afterwards it is shown only when asked for."""
    wish = {"to": "dan", "for_s": 3600, "groups": ["dba"], "reason": "holidays"}
    made = (await call("bob", "POST", "delegations", wish)).body
    assert (made["person"], made["delegate"], made["groups"], made["live"]) == (
        "p-bob", "dan", ["dba"], True,
    )  # fmt: skip
    assert made["ends_us"] == START_US + 3_600_000_000
    for name, count in (("bob", 1), ("dan", 1), ("carol", 0)):
        assert len((await call(name, "GET", "delegations")).body["delegations"]) == count
    assert (await call("carol", "DELETE", f"delegations/{made['id']}")).status == 404
    ended = await call("dan", "DELETE", f"delegations/{made['id']}")
    assert (ended.body["ended_by"], ended.body["live"]) == ("dan", False)
    assert (await call("bob", "GET", "delegations")).body["delegations"] == []
    assert len((await call("bob", "GET", "delegations", which="all")).body["delegations"]) == 1


async def test_it_may_begin_later(asking: ApprovalWorld, call: Callers) -> None:
    """Its time counts from its beginning."""
    begins = START_US + 86_400_000_000
    wish = {"to": "dan", "for_s": 3600, "starts_us": begins}
    made = (await call("bob", "POST", "delegations", wish)).body
    assert (made["starts_us"], made["ends_us"], made["live"]) == (
        begins, begins + 3_600_000_000, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"to": "nobody", "for_s": 60}, 404),
        ({"to": "bob", "for_s": 60}, 403),
        ({"to": "dan"}, 400),
        ({"to": "dan", "for_s": 0}, 400),
        ({"to": "dan", "for_s": 91 * 86_400}, 400),
        ({"to": "dan", "for_s": 60, "person": "p-carol"}, 400),
    ],
)
async def test_what_cannot_be_delegated(
    call: Callers, wish: dict[str, object], status: int
) -> None:
    """Nobody stands in for himself, for ever, or for somebody who did not ask for it."""
    assert (await call("bob", "POST", "delegations", wish)).status == status


async def test_who_is_on_call_is_everybodys_to_know(call: Callers) -> None:
    """By group, and who says so."""
    (group,) = (await call("dan", "GET", "oncall")).body["groups"]
    assert (group["group"], group["persons"], group["source"]) == (
        "dba", ["p-bob", "p-carol"], "rota",
    )  # fmt: skip
