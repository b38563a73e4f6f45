"""The policy over the API: who may read its versions, who may apply, and what they are told."""

from __future__ import annotations

import os

import aiohttp
import pytest
from support.api_world import OWNER, World

from gatekeep.errors import SettingsError
from gatekeep.gate.policy_ports import PolicyRecord


@pytest.fixture(autouse=True)
def owner(world: World) -> None:
    """Whoever runs the tests owns the gateway."""
    world.people.uids[os.getuid()] = OWNER


async def test_reading_versions_needs_policy_read(
    http: aiohttp.ClientSession, world: World
) -> None:
    """Without it, neither the list nor a text is given, and nothing is applied without its own."""
    world.people.uids[os.getuid()] = world.people.principals()[0]
    for path in ("/v1/policy/versions", "/v1/policy/versions/active"):
        assert (await http.get(path)).status == 403
    assert (await http.post("/v1/policy/apply")).status == 403
    assert world.shelf.wishes == []


async def test_the_list_says_what_rules_and_holds_no_text(
    http: aiohttp.ClientSession, world: World
) -> None:
    """Newest first; one line is active, an earlier time of the same version is `before`."""
    world.shelf.kept.append(world.shelf.kept[0])
    world.shelf.kept.insert(
        0, PolicyRecord("c" * 64, {"a.cedar": "x"}, 9, {"by": "eve"}, held=True)
    )
    answer = await (await http.get("/v1/policy/versions")).json()
    assert [(one["state"], one["by"]) for one in answer["versions"]] == [
        ("held", "eve"), ("active", "start"), ("before", "start"),
    ]  # fmt: skip
    assert answer["single_person"] is False
    assert answer["versions"][1]["files"] == ["a.cedar"]
    assert "texts" not in answer["versions"][1]
    assert (await http.get("/v1/policy/versions?limit=0")).status == 400
    limited = await (await http.get("/v1/policy/versions?limit=1")).json()
    assert len(limited["versions"]) == 1


async def test_a_version_by_its_first_digits(http: aiohttp.ClientSession, world: World) -> None:
    """Its texts come whole; what begins two versions, none, or is no digest is 404."""
    shown = await (await http.get("/v1/policy/versions/7f3a")).json()
    assert shown["texts"] == {"a.cedar": "permit;"}
    assert (await (await http.get("/v1/policy/versions/active")).json())["digest"] == shown[
        "digest"
    ]
    world.shelf.kept.append(PolicyRecord("7f3a0" + "0" * 59, {}, 1))
    for name in ("7f3a", "abcd", "..", "7f", "7F3A9C2", "%2e%2e%2fetc"):
        assert (await http.get(f"/v1/policy/versions/{name}")).status == 404, name


async def test_apply_carries_who_why_and_the_decision(
    http: aiohttp.ClientSession, world: World
) -> None:
    """The wish names the principal, the reason, and what policy said to the asking itself."""
    answer = await http.post("/v1/policy/apply", json={"reason": "OPS-412"})
    assert answer.status == 200
    assert (await answer.json())["added"] == ["x"]
    (wish,) = world.shelf.wishes
    assert (wish.by, wish.via, wish.reason) == ("owner", "apply", "OPS-412")
    assert wish.decision["decision"] == "allow"
    for body in ({"reason": 7}, {"reason": "x" * 501}, ["x"]):
        assert (await http.post("/v1/policy/apply", json=body)).status == 400
    assert (await http.post("/v1/policy/apply", data=b"{")).status == 400


async def test_what_needs_two_people_is_refused_in_words(
    http: aiohttp.ClientSession, world: World
) -> None:
    """403 with the reasons, what stays, and the setting; long lists are cut and counted."""
    world.shelf.loosens = tuple(f"removed forbid r{number}" for number in range(7))
    answer = await http.post("/v1/policy/apply")
    assert answer.status == 403
    error = (await answer.json())["error"]
    assert "needs two people" in error["what"]
    assert error["why"].endswith("removed forbid r4; and 2 more; 7f3a9c2 stays")
    assert "policy.single_person" in error["try"]


async def test_a_fault_in_the_files_is_422_with_file_and_fix(
    http: aiohttp.ClientSession, world: World
) -> None:
    """And it says how many more there are."""
    more = SettingsError("is wrong, too")
    world.shelf.fault = SettingsError(
        "is not Cedar", file="a.cedar:3", key="rule x", fix="mend it", also=(more,)
    )
    answer = await http.post("/v1/policy/apply")
    assert answer.status == 422
    assert (await answer.json())["error"] == {
        "what": "a.cedar:3: rule x: is not Cedar, and 1 more that gatekeep check shows",
        "why": "what was loaded before stays active",
        "try": "mend it",
    }
