"""Suggestions over the API: who sees and changes them, what is refused, and that reading is an event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.api_callers import Answer, Callers, over_tcp
from support.approval_world import ApprovalWorld
from support.told_suggestions import GATE, HELD, SAMPLE, SUGGESTION

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import SampleAnswer, SuggestionState
from gatekeep.feedback.seen import seen_digest

ID = SUGGESTION.id
DIGEST = seen_digest(SUGGESTION)[:12]
YES = {"digest": DIGEST, "reason": "seen often enough"}


async def accepted(call: Callers, name: str, **more: Any) -> Answer:
    """A yes of a principal, with a code."""
    code = call.world.code(name)
    return await call(name, "POST", f"suggestions/{ID}/accept", {**YES, "code": code, **more})


async def test_suggestions_are_listed_by_what_they_save(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Those in a state or all of them, what is over last; reading is an event, with the rule that let him."""
    listed = (await call("bob", "GET", "suggestions")).body["suggestions"]
    assert listed[0]["id"] == ID
    assert listed[-1]["state"] == "reverted"
    assert (listed[0]["asked"], listed[0]["denied"], listed[0]["persons"], listed[0]["needed"]) == (
        41, 0, 6, 2,
    )  # fmt: skip
    one = (await call("bob", "GET", "suggestions", state="canary")).body["suggestions"]
    assert [each["id"] for each in one] == ["S-ca4a4900"]
    kind, payload, decision = asking.recorded[-1]
    assert (kind, payload["query"], payload["found"], decision["rule"]) == (
        EventKind.AUDIT_READ, "suggestions state:canary", 1, "dbas-and-suggestions",
    )  # fmt: skip


async def test_a_suggestion_is_shown_whole(asking: ApprovalWorld, call: Callers) -> None:
    """Evidence, change as a diff, checks, digest; its id may be shortened."""
    shown = (await call("bob", "GET", "suggestions/S-3f9")).body
    assert shown["id"] == ID
    assert shown["digest"].startswith(DIGEST)
    assert shown["vector"]["asked"] == 41
    assert shown["rejected"][0]["events"] == [173_002, 173_044]
    assert shown["change"][0] == ' @id("prod-systemctl")'
    assert '+@id("adopted-3f9a12bc")' in shown["change"]
    assert shown["backtest"]["matrix"]["ask>allow"] == 41
    assert [one["passed"] for one in shown["checks"]] == [True, True]
    assert (shown["open"], shown["returnable"], shown["needs_code"]) == (True, False, True)
    assert asking.recorded[-1][1]["query"] == f"suggestion:{ID}"


async def test_what_cannot_be_recorded_is_not_shown(asking: ApprovalWorld, call: Callers) -> None:
    """No event, no reading."""
    asking.journal_down = True
    for path in ("suggestions", f"suggestions/{ID}"):
        answer = await call("bob", "GET", path)
        assert answer.status == 503
        assert "nginx" not in str(answer.body)


async def test_who_may_neither_read_nor_change(asking: ApprovalWorld, call: Callers) -> None:
    """Without the right nobody learns whether there is such a suggestion."""
    for name in (ID, "S-00000000"):
        for method, path, body in (
            ("GET", f"suggestions/{name}", None),
            ("POST", f"suggestions/{name}/accept", YES),
            ("POST", f"suggestions/{name}/dismiss", {"reason": "no"}),
            ("POST", f"suggestions/{name}/snooze", {"until_us": 2**52}),
            ("POST", f"suggestions/{name}/take-back", {"reason": "no"}),
            ("POST", f"suggestions/{name}/backtest", {}),
        ):
            assert (await call("dan", method, path, body)).status == 403, path
    assert (await call("dan", "GET", "suggestions")).status == 403
    assert (await call("dan", "POST", "suggestions/run", {})).status == 403
    assert (await call("dan", "GET", "suggestion-samples")).status == 403
    assert (await call("dan", "POST", f"suggestion-samples/{SAMPLE.id}", {"answer": "right"})).status == 403
    assert asking.loop.wished == []
    assert asking.recorded == []


async def test_what_does_not_exist(asking: ApprovalWorld, call: Callers) -> None:
    """Unknown ids, and beginnings of several, are 404."""
    for name in ("S-00000000", "S-", "x" * 5000, "run"):
        assert (await call("bob", "GET", f"suggestions/{name}")).status == 404
        assert (await call("bob", "POST", f"suggestions/{name}/accept", YES)).status == 404
    answer = await call("bob", "POST", "suggestion-samples/P-00", {"answer": "right"})
    assert answer.status == 404


async def test_two_persons_and_their_codes_let_the_trial_begin(
    asking: ApprovalWorld, call: Callers
) -> None:
    """One yes is not enough where it loosens, the same person's second is none, without a code there is none."""
    bare = await call("bob", "POST", f"suggestions/{ID}/accept", YES)
    assert (bare.status, "second factor" in bare.what) == (403, True)
    wrong = await accepted(call, "bob", code="000000")
    assert wrong.status == 403
    first = await accepted(call, "bob")
    assert first.status == 200
    assert first.body["suggestion"]["state"] == "proposed"
    asking.clock.pass_s(31)
    assert (await accepted(call, "bob")).status == 409
    second = await accepted(call, "carol")
    assert second.body["suggestion"]["state"] == "shadow"
    _, _, wish = asking.loop.wished[-1]
    assert (wish.via, wish.mfa, wish.seen) == ("api", True, seen_digest(SUGGESTION))
    asking.clock.pass_s(31)
    assert (await accepted(call, "bob")).status == 409


async def test_what_was_not_seen_is_not_accepted(asking: ApprovalWorld, call: Callers) -> None:
    """Another digest is refused before a code is used up; so is a body without one, or without a reason."""
    code = asking.code("bob")
    path = f"suggestions/{ID}/accept"
    other = await call("bob", "POST", path, {**YES, "digest": "0" * 12, "code": code})
    assert (other.status, "is not what was shown" in other.what) == (409, True)
    for body in ({"reason": "x"}, {"digest": DIGEST}, {**YES, "reason": " "}, {**YES, "digest": "ab"}):
        assert (await call("bob", "POST", path, body)).status == 400
    assert (await call("bob", "POST", path, {**YES, "code": code})).status == 200
    over = {"digest": seen_digest(asking.loop.lives["S-dead0001"].suggestion), "reason": "again"}
    assert (await call("bob", "POST", "suggestions/S-dead0001/accept", over)).status == 409


async def test_who_gains_most_cannot_accept(asking: ApprovalWorld, call: Callers) -> None:
    """The loop's refusal reaches him in its words."""
    answer = await accepted_by(call, "alice-dba", GATE.suggestion.id, seen_digest(GATE.suggestion))
    assert (answer.status, "someone else must accept it" in answer.what) == (403, True)


async def accepted_by(call: Callers, name: str, suggestion_id: str, digest: str) -> Answer:
    """A yes without a code."""
    body = {"digest": digest, "reason": "yes"}
    return await call(name, "POST", f"suggestions/{suggestion_id}/accept", body)


async def test_no_not_now_and_back(asking: ApprovalWorld, call: Callers) -> None:
    """Dismissed, put off, taken back; each once, with the reason kept."""
    later = asking.clock.wall_us() + 86_400_000_000
    off = await call("bob", "POST", f"suggestions/{ID}/snooze", {"until_us": later, "reason": "busy"})
    assert (off.body["suggestion"]["state"], off.body["suggestion"]["snoozed_until_us"]) == ("snoozed", later)
    past = await call("bob", "POST", f"suggestions/{ID}/snooze", {"until_us": 5})
    assert past.status == 400
    no = await call("bob", "POST", f"suggestions/{ID}/dismiss", {"reason": "too wide"})
    assert (no.body["suggestion"]["state"], no.body["suggestion"]["reason"]) == ("dismissed", "too wide")
    assert (await call("bob", "POST", f"suggestions/{ID}/dismiss", {"reason": "again"})).status == 409
    back = await call("carol", "POST", "suggestions/S-ca4a4900/take-back", {"reason": "an incident"})
    assert back.body["suggestion"]["state"] == "reverted"
    again = await call("carol", "POST", "suggestions/S-ca4a4900/take-back", {"reason": "an incident"})
    assert again.status == 409
    assert asking.loop.lives["S-ca4a4900"].state is SuggestionState.REVERTED


async def test_taking_back_what_asks_more_takes_a_code(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Because that lets more pass; what passes by a relaxation takes none."""
    life = asking.loop.lives[GATE.suggestion.id]
    asking.loop.lives[GATE.suggestion.id] = replace(life, state=SuggestionState.ACTIVE)
    path = f"suggestions/{GATE.suggestion.id}/take-back"
    assert (await call("bob", "GET", path.removesuffix("/take-back"))).body["return_needs_code"]
    assert (await call("bob", "POST", path, {"reason": "x"})).status == 403
    body = {"reason": "too many questions", "code": asking.code("bob")}
    unneeded = await call("bob", "POST", "suggestions/S-ca4a4900/take-back", body)
    assert unneeded.status == 400
    assert (await call("bob", "POST", path, body)).body["suggestion"]["state"] == "reverted"
    assert asking.loop.wished[-1][2].mfa


async def test_history_is_replayed_and_the_loop_run(asking: ApprovalWorld, call: Callers) -> None:
    """On demand, by POST."""
    found = (await call("bob", "POST", f"suggestions/{ID}/backtest", {})).body
    assert (found["replayed"], found["passed"], found["probes"][0]["after"]) == (18_204, True, "allow")
    ran = (await call("bob", "POST", "suggestions/run", {})).body
    assert (ran["read"], ran["proposed"], asking.loop.runs) == (1_204, [ID], 1)


async def test_samples_are_looked_at_by_reviewers_and_acceptors(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Sam of security may close reviews: he sees samples and their suggestion, no list; wrong wants a reason."""
    for name in ("sam", "bob"):
        listed = (await call(name, "GET", "suggestion-samples")).body["samples"]
        assert [one["id"] for one in listed] == [SAMPLE.id, HELD.id]
        assert (await call(name, "GET", f"suggestions/{SAMPLE.suggestion}")).status == 200
    assert (await call("sam", "GET", "suggestions")).status == 403
    bare = await call("sam", "POST", f"suggestion-samples/{SAMPLE.id}", {"answer": "wrong"})
    assert bare.status == 400
    body = {"answer": "wrong", "reason": "not that table"}
    told = (await call("sam", "POST", f"suggestion-samples/{SAMPLE.id}", body)).body
    assert (told["answer"], told["answered_by"], told["reason"]) == ("wrong", "sam", "not that table")
    assert asking.loop.kept_samples[SAMPLE.id].answer is SampleAnswer.WRONG
    listed = (await call("bob", "GET", "suggestion-samples")).body["samples"]
    assert [one["id"] for one in listed] == [HELD.id]
    assert len((await call("bob", "GET", "suggestion-samples", which="all")).body["samples"]) == 2
    own = await call("alice-dba", "POST", f"suggestion-samples/{SAMPLE.id}", {"answer": "right"})
    assert (own.status, "own deed" in own.what) == (403, True)


async def test_no_get_changes_anything(asking: ApprovalWorld, call: Callers) -> None:
    """Deeds are not even found by GET."""
    lives = dict(asking.loop.lives)
    for deed in ("accept", "dismiss", "snooze", "take-back", "backtest"):
        assert (await call("bob", "GET", f"suggestions/{ID}/{deed}", digest=DIGEST)).status == 405
    assert (await call("bob", "GET", f"suggestion-samples/{SAMPLE.id}", answer="right")).status == 405
    assert asking.loop.lives == lives
    assert asking.loop.runs == 0


async def test_without_a_loop_nothing_is_there(asking: ApprovalWorld) -> None:
    """404, in words, on every address."""
    asking._needs = replace(asking.needs(), suggestions=None)
    async with over_tcp(asking) as (call, _):
        for method, path, body in (
            ("GET", "suggestions", None), ("GET", f"suggestions/{ID}", None),
            ("POST", f"suggestions/{ID}/accept", YES), ("POST", "suggestions/run", {}),
            ("GET", "suggestion-samples", None),
        ):  # fmt: skip
            answer = await call("bob", method, path, body)
            assert (answer.status, answer.what) == (404, "suggestions are not set up here")
