"""Outgoing webhooks: every change, signed, tried again for as long as it matters, in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from support.approval_world import ALICE, BOB, DELETE, ApprovalWorld
from support.hook_catcher import HookCatcher, hook_catcher
from support.notice_samples import FOR_DBA, notice
from support.polling import until

from gatekeep.domain.approvals import Scope, VoteVerdict
from gatekeep.domain.grants import Grant
from gatekeep.errors import SettingsError
from gatekeep.gate.approval_ports import Ballot, Emergency
from gatekeep.notify.dialling import Caller
from gatekeep.notify.notice_folds import Batch, Folded
from gatekeep.notify.outbound import Pace
from gatekeep.notify.signing import DELIVERY, SIGNATURE, TIMESTAMP, signature
from gatekeep.notify.webhook import Endpoint, WebhookNeeds, Webhooks
from gatekeep.runtime.clock import SystemClock, random_bytes

KEY = "a key of more than twenty-four characters"
ALL = frozenset(
    {"requested", "seen", "voted", "escalated", "decided", "expired", "withdrawn", "outcome",
     "breakglass", "notice"}
)  # fmt: skip
HOSTILE = "\x1b]52;c;aGk=\x07\u202egnp\u200b\r\nX-Evil: 1" + "y" * 10_000


@pytest.fixture
async def there() -> AsyncIterator[HookCatcher]:
    """A real endpoint."""
    async with hook_catcher() as made:
        yield made


Hooked = Callable[..., Webhooks]


@pytest.fixture
async def hooked(asking: ApprovalWorld, there: HookCatcher) -> AsyncIterator[Hooked]:
    """Webhooks of a real desk, to this endpoint unless told otherwise."""
    made: list[tuple[Webhooks, Caller]] = []

    def hook(*urls: str, **how: Any) -> Webhooks:
        caller = Caller(limit_s=how.pop("limit_s", 5.0))
        pace = how.pop("pace", Pace(first_s=0.002, longest_s=0.005))
        endpoint = Endpoint("there", there.url, lambda: KEY, ALL)
        endpoints = tuple(
            replace(endpoint, name=f"n{at}", url=url, **how)
            for at, url in enumerate(urls or (there.url,))
        )
        needs = WebhookNeeds(
            asking.desk, caller, SystemClock(), asking.clock.wall_us, random_bytes,
            lambda name: f"https://gw.example/r/{name}", pace,
        )  # fmt: skip
        made.append((Webhooks(endpoints, needs), caller))
        return made[-1][0]

    yield hook
    for hooks, caller in made:
        await hooks.close()
        await caller.close()


async def approve(asking: ApprovalWorld, request: Any, **more: Any) -> None:
    """Bob says yes."""
    ballot = Ballot(VoteVerdict.APPROVE, request.digest, "web", **more)
    assert (await asking.desk.cast(request.id, BOB, ballot)).counted


def kinds(there: HookCatcher) -> list[str]:
    """What was told, in order."""
    return [call.told["kind"] for call in there.calls]


async def test_each_change_is_told_signed_and_with_an_id_of_its_own(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """From the question to the outcome; whoever has the key can check each by itself."""
    hooked()
    request = await asking.held(sight={})
    await asking.parts.desk.see(request.id, {"rows": 5})
    await approve(asking, request, reason="agreed")
    await asking.parts.desk.outcome(request.id, "released")
    await until(lambda: len(there.calls) == 5, "five calls")
    assert kinds(there) == ["requested", "seen", "voted", "decided", "outcome"]
    for call in there.calls:
        expected = signature(KEY, call.headers[TIMESTAMP], call.body)
        assert call.headers[SIGNATURE] == expected
        assert call.headers[DELIVERY] == call.told["delivery"]
        assert call.headers["Content-Type"] == "application/json"
    assert len({call.told["delivery"] for call in there.calls}) == 5


async def test_a_request_is_told_in_the_names_of_the_api(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """Who, where, why, who may decide, until when; what is to run only for `full`."""
    hooked()
    request = await asking.held()
    await until(lambda: there.calls, "a call")
    told = there.calls[0].told
    about = told["request"]
    assert told["link"] == f"https://gw.example/r/{request.id}"
    assert (about["id"], about["state"], about["principal"], about["target"]) == (
        request.id, "pending", "alice", "orders-prod",
    )  # fmt: skip
    assert (about["verb"], about["rule"], about["risk"]) == (
        "DELETE", "prod-writes-need-dba", "moderate",
    )  # fmt: skip
    assert about["may_decide"] == ["p-bob", "p-carol", "p-erin"]
    assert about["approvers"] == [["dba"]]
    assert about["open_until_us"] == request.open_until_us
    assert about["digest"] == request.digest
    assert DELETE.encode() not in there.calls[0].body
    assert not {"text", "facts", "template", "sight"} & set(about)


async def test_all_that_is_to_run_is_told_to_whom_that_is_set_for(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """Whole, with what hides in it shown as escapes; secrets were replaced before."""
    hooked(full=True)
    text = "DELETE FROM t\nWHERE name = '\u202eevil\x1b[2J'\n  AND " + "x" * 5_000
    await asking.held(text, redacted=True)
    await until(lambda: there.calls, "a call")
    about = there.calls[0].told["request"]
    assert about["text"] == text.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    assert about["redacted"] is True


async def test_what_people_write_is_told_escaped_and_cut(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """Whoever prints it where it lands prints nothing that acts."""
    hooked(full=True)
    request = await asking.held("DELETE \u2066 FROM t")
    ballot = Ballot(VoteVerdict.DENY, request.digest, "web", reason=HOSTILE)
    await asking.desk.cast(request.id, BOB, ballot)
    await until(lambda: len(there.calls) == 3, "three calls")
    about = there.calls[-1].told["request"]
    for said in (about["decision_reason"], about["votes"][0]["reason"], about["text"]):
        assert said.isprintable()
        assert len(said) <= 2_001


async def test_only_wanted_kinds_are_told(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """Each endpoint hears what it asked for."""
    hooked(kinds=frozenset({"decided"}))
    await approve(asking, await asking.held())
    await until(lambda: there.calls, "a call")
    assert kinds(there) == ["decided"]


async def test_breaking_the_glass_is_told(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """By whom, where, why and until when."""
    hooked()
    made = await asking.desk.break_glass(
        ALICE, Emergency("orders", "app", "the shop is down", mfa=True, via="cli")
    )
    assert isinstance(made, Grant)
    await until(lambda: there.calls, "a call")
    told = there.calls[0].told
    assert told["kind"] == "breakglass"
    assert (told["grant"]["principal"], told["grant"]["reason"]) == ("alice", "the shop is down")
    assert told["grant"]["ends_us"] == made.ends_us


async def test_what_was_not_taken_is_sent_again_under_the_same_id(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """Signed anew at its own time, so that it is not refused as late."""
    hooks = hooked(kinds=frozenset({"requested"}))
    there.statuses = [500, 301, 404, 429, 200]
    await asking.held()
    await until(lambda: hooks.lanes[0].sent == 1, "it was taken")
    assert len(there.calls) == 5
    assert len({call.headers[DELIVERY] for call in there.calls}) == 1
    assert len({call.body for call in there.calls}) == 1


async def test_a_secret_is_read_when_it_is_needed(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """One that was rotated counts at once; one that cannot be read is tried again."""
    given: list[str | None] = [None, "the new key, of more than 24 characters"]

    def secret() -> str:
        value = given.pop(0)
        if value is None:
            raise SettingsError("cannot be read")
        return value

    hooked(kinds=frozenset({"requested"}), secret=secret)
    await asking.held()
    await until(lambda: there.calls, "a call")
    call = there.calls[0]
    expected = signature(
        "the new key, of more than 24 characters", call.headers[TIMESTAMP], call.body
    )
    assert call.headers[SIGNATURE] == expected


async def test_an_endpoint_that_is_down_for_all_of_a_requests_life_delays_nobody(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """One that takes calls and never answers: the desk decides, and others are told at once."""
    async with hook_catcher() as silent:
        silent.silent = True
        hooks = hooked(silent.url, there.url, limit_s=0.5)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        request = await asking.held()
        await until(lambda: silent.open, "the silent one holds a call")
        await approve(asking, request)
        await until(lambda: "decided" in kinds(there), "the other one was told")
        assert loop.time() - begun < 0.5
        expired = await asking.held(DELETE + " ")
        asking.clock.pass_s(901)
        await asking.parts.tick()
        await until(lambda: "expired" in kinds(there), "the end of the other request was told")
        kept = await asking.desk.request(expired.id)
        assert kept is not None
        assert kept.state.value == "expired"
        assert len(hooks.lanes[0]) >= 3
        assert len(hooks.lanes[1]) == 0


async def test_what_nobody_takes_is_given_up_an_hour_after_the_life_of_its_request(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """A request of 15 minutes is tried for 75."""
    hooks = hooked(kinds=frozenset({"requested"}), pace=Pace(first_s=60))
    there.statuses = [500]
    await asking.held()
    await until(lambda: there.calls, "a call")
    (piece,) = hooks.lanes[0]._pieces
    left_s = (piece.until_ns - SystemClock().monotonic_ns()) / 1e9
    assert 4_400 < left_s <= 4_500


async def test_a_decision_of_scope_is_told(
    asking: ApprovalWorld, there: HookCatcher, hooked: Hooked
) -> None:
    """How far it reaches, and who said so by which door."""
    hooked(kinds=frozenset({"decided"}))
    await approve(asking, await asking.held(), scope=Scope.SESSION)
    await until(lambda: there.calls, "a call")
    about = there.calls[0].told["request"]
    assert (about["scope"], about["state"], about["decided_by"]) == ("session", "approved", "bob")
    (vote,) = about["votes"]
    assert (vote["person"], vote["via"], vote["groups"]) == ("p-bob", "web", ["dba"])


@pytest.mark.parametrize("full", [False, True])
async def test_what_rules_with_notify_decide_is_one_delivery_a_batch(
    hooked: Hooked, there: HookCatcher, full: bool
) -> None:
    """With counts, events and what found no room; a template only where all is to be known."""
    hooks = hooked(full=full)
    folds = (Folded(notice(), {"released": 12, "refused": 1}), Folded(notice(FOR_DBA), {"asked": 1}))
    hooks.tell_notices(Batch(folds, left_out=7))
    await until(lambda: there.calls, "a call")
    told = there.calls[0].told
    assert (told["kind"], told["version"], told["left_out"]) == ("notice", 1, 7)
    first, second = told["notices"]
    template = "update customers set name = $1:text where id = $2:int"
    assert first == {
        "rule": "prod-writes", "title": "Writes in production", "group": "", "principal": "alice",
        "target": "orders-prod", "verb": "UPDATE", "session_code": "S-8QZ4", "event": 4711,
        "counts": {"released": 12, "refused": 1}, **({"template": template} if full else {}),
    }  # fmt: skip
    assert (second["rule"], second["group"]) == ("ddl", "dba")


async def test_who_does_not_want_notices_gets_none(hooked: Hooked, there: HookCatcher) -> None:
    """Kinds say so, as for requests."""
    hooks = hooked(kinds=frozenset({"requested"}))
    hooks.tell_notices(Batch((Folded(notice(), {"released": 1}),)))
    assert [len(lane) for lane in hooks.lanes] == [0]
    assert there.calls == []
