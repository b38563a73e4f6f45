"""The pages of suggestions: the list with its samples, one of them, and deciding. The loop decides.

Whoever looks leaves an event, durable before the page is given. No GET changes anything; an
acceptance says what was shown by its digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import (
    DAY_US,
    Sample,
    SampleAnswer,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.errors import NotPermitted
from gatekeep.feedback.ports import CameTo, Suggestions, Wish
from gatekeep.feedback.seen import is_seen
from gatekeep.messages import suggestions as told
from gatekeep.messages import web as words
from gatekeep.messages import web_suggestions as said
from gatekeep.messages.suggestion_refusals import answered_before
from gatekeep.web.access import AUDIT_READ, SUGGESTION_ACCEPT
from gatekeep.web.pages.command_text import command_text
from gatekeep.web.pages.proving import Proof, stepped_up
from gatekeep.web.pages.request_view import first_line
from gatekeep.web.pages.suggestion_view import SNOOZES, panel_of, viewed
from gatekeep.web.pages.visits import Visit
from gatekeep.web.suggestion_shapes import brief_shape, change_lines, return_loosens
from gatekeep.web.suggestions import LOOKERS, READERS

VIA: Final = "web"
MAX_ID: Final = 40
MAX_REASON: Final = 1_000
PAGE: Final = 100
MOST_SAMPLES: Final = 50
_STATES: Final = {
    "proposed": (SuggestionState.PROPOSED,),
    "adopted": tuple(one for one in SuggestionState if one.adopted),
    "over": (SuggestionState.SNOOZED, *(one for one in SuggestionState if one.over)),
}
_STATUS: Final = {"late": 409, "twice": 409, "state": 409, "digest": 409, "reason": 422}
_PROOFS: Final = {
    Proof.REFUSED: (said.PROOF_REFUSED, 403),
    Proof.BUSY: (said.PROOF_BUSY, 503),
    Proof.NO_CODES: (said.NEEDS_CODES, 403),
}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Row:
    """One suggestion in the list."""

    id: str
    title: str
    state: str
    state_word: str
    saves: str
    asked: str
    persons: int
    accepted: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample that waits for an answer; `own`: of who looks, who does not answer it."""

    id: str
    suggestion: str
    n: int
    text: str
    about: str
    own: bool


class _NotSetUp(Exception):  # noqa: N818 - leads to a page, is no fault
    """There is no loop here."""


async def list_suggestions(visit: Visit) -> web.StreamResponse:
    """One of the three lists, and the samples that wait for an answer."""
    loop = visit.needs.suggestions
    if loop is None:
        return visit.trouble(404, said.NOT_SET_UP)
    which = visit.request.query.get("state", "proposed")
    if which not in _STATES:
        raise web.HTTPNotFound
    looks = _first_allowed(visit, LOOKERS)
    envelope = _any_of(visit, (*READERS, *LOOKERS))
    reads = _first_allowed(visit, READERS) is not None
    found = list(await loop.suggestions(_STATES[which]))[:PAGE] if reads else []
    samples = list(await loop.samples())[:MOST_SAMPLES] if looks is not None else []
    await _record(visit, f"suggestions {which}", len(found) + len(samples), envelope)
    return visit.page(
        "suggestions",
        title=words.SUGGESTIONS,
        which=which,
        lists=said.NAME_OF_LIST.items(),
        rows=[_row(loop, one) for one in found],
        looks=looks is not None,
        samples=[_sample_row(visit, one) for one in samples],
    )


async def show_suggestion(visit: Visit) -> web.StreamResponse:
    """One suggestion, whatever has become of it."""
    try:
        loop, life, envelope = await _seen(visit)
    except _NotSetUp:
        return visit.trouble(404, said.NOT_SET_UP)
    return await _shown(visit, loop, life, envelope)


async def decide_suggestion(visit: Visit) -> web.StreamResponse:
    """Accept, dismiss, put off, take back."""
    try:
        loop, life, envelope = await _seen(visit)
    except _NotSetUp:
        return visit.trouble(404, said.NOT_SET_UP)
    _any_of(visit, (SUGGESTION_ACCEPT,))
    deed, reason = visit.given("do", 20), visit.form.get("reason", "").strip()
    if deed not in {"accept", "dismiss", "snooze", "take-back"}:
        raise web.HTTPBadRequest
    lacks = said.REASON_TOO_LONG if len(reason) > MAX_REASON else ""
    if not reason and deed != "snooze":
        lacks = said.NEEDS_REASON
    if lacks:
        return await _shown(visit, loop, life, envelope, lacks, 422)
    if deed == "accept":
        return await _accept(visit, loop, life, envelope, reason)
    mfa = False
    if deed == "take-back" and return_loosens(life):
        proof = await stepped_up(visit)
        if proof is not Proof.GOOD:
            alert, status = _PROOFS[proof]
            return await _shown(visit, loop, life, envelope, alert, status)
        mfa = True
    wish = Wish(reason, VIA, mfa=mfa)
    return await _cast(visit, loop, life, envelope, _other(visit, loop, life, deed, wish))


async def answer_sample(visit: Visit) -> web.StreamResponse:
    """Say whether it was right."""
    loop, sample_id = visit.needs.suggestions, visit.request.match_info["id"]
    if loop is None:
        return visit.trouble(404, said.NOT_SET_UP)
    _any_of(visit, LOOKERS)
    given, reason = visit.given("do", 10), visit.given("reason", MAX_REASON).strip()
    if given not in set(SampleAnswer) or len(sample_id) > MAX_ID:
        raise web.HTTPNotFound if len(sample_id) > MAX_ID else web.HTTPBadRequest
    answer = SampleAnswer(given)
    if answer is SampleAnswer.WRONG and not reason:
        return visit.trouble(422, words.Trouble(said.NEEDS_REASON))

    async def whole() -> Sample:
        return await loop.answer(sample_id, visit.principal, answer, Wish(reason, VIA))

    try:
        answered = await _to_its_end(visit, whole, f"answer to {sample_id}")
    except KeyError:
        raise web.HTTPNotFound from None
    if answered.answer is not answer:
        before = (answered.id, answered.answered_by, str(answered.answer), answered.suggestion)
        return visit.trouble(409, words.Trouble(answered_before(*before).what, words.NOTHING_CHANGED))
    return visit.onward("/suggestions")


async def _accept(
    visit: Visit, loop: Suggestions, life: SuggestionLife, envelope: bytes, reason: str
) -> web.StreamResponse:
    one = life.suggestion
    seen = visit.given("digest", 64)
    if not is_seen(one, seen):
        return await _shown(visit, loop, life, envelope, said.OTHER_DIGEST, 409)
    if not all(
        command_text(text, redacted=False).whole
        for text in ("\n".join(change_lines(one)), one.narrower)
    ):
        return await _shown(visit, loop, life, envelope, said.NOT_WHOLE, 422)
    # Whoever could not accept it in any case has no code used up for it: the loop says why.
    panel = panel_of(visit, loop, life, may_change=True)
    mfa = panel.may_accept and panel.asks_code and panel.barred != said.GAINS_MOST
    if mfa:
        proof = await stepped_up(visit)
        if proof is not Proof.GOOD:
            alert, status = _PROOFS[proof]
            return await _shown(visit, loop, life, envelope, alert, status)
    narrower = visit.given("form", 10) == "narrower" and bool(one.narrower)
    wish = Wish(reason, VIA, mfa=mfa, narrower=narrower, seen=seen)
    return await _cast(
        visit, loop, life, envelope, lambda: loop.accept(one.id, visit.principal, wish)
    )


def _other(
    visit: Visit, loop: Suggestions, life: SuggestionLife, deed: str, wish: Wish
) -> Callable[[], Awaitable[CameTo]]:
    """What any deed but an acceptance asks of the loop."""
    one, me = life.suggestion, visit.principal
    if deed == "dismiss":
        return lambda: loop.dismiss(one.id, me, wish)
    if deed == "take-back":
        return lambda: loop.take_back(one.id, me, wish)
    days = visit.given("days", 3)
    if days not in {str(each) for each in SNOOZES}:
        raise web.HTTPBadRequest
    until_us = visit.needs.now_us() + int(days) * DAY_US
    return lambda: loop.snooze(one.id, me, wish, until_us)


async def _cast(
    visit: Visit,
    loop: Suggestions,
    life: SuggestionLife,
    envelope: bytes,
    deed: Callable[[], Awaitable[CameTo]],
) -> web.StreamResponse:
    """Do it to its end; then say what came of it."""
    try:
        came = await _to_its_end(visit, deed, f"decision on {life.suggestion.id}")
    except KeyError:
        raise web.HTTPNotFound from None
    if came.counted:
        return visit.onward(f"/suggestions/{came.life.suggestion.id}")
    status = _STATUS.get(came.refusal, 403)
    return await _shown(visit, loop, came.life, envelope, words.plain(came.words, 500), status)


async def _to_its_end(visit: Visit, deed: Callable[[], Awaitable[Result]], name: str) -> Result:
    """Also when the browser hangs up meanwhile."""

    async def whole() -> Result:
        return await deed()

    return await asyncio.shield(visit.needs.owner.spawn(whole(), name=name))


async def _seen(visit: Visit) -> tuple[Suggestions, SuggestionLife, bytes]:
    """The suggestion of the address, if who is signed in may see any, and the decision that lets him."""
    loop, wanted = visit.needs.suggestions, visit.request.match_info["id"]
    if loop is None:
        raise _NotSetUp
    envelope = _any_of(visit, (*READERS, *LOOKERS))
    try:
        life = await loop.suggestion(wanted if len(wanted) <= MAX_ID else "")
    except KeyError:
        raise web.HTTPNotFound from None
    return loop, life, envelope


async def _shown(
    visit: Visit,
    loop: Suggestions,
    life: SuggestionLife,
    envelope: bytes,
    alert: str = "",
    status: int = 200,
) -> web.StreamResponse:
    await _record(visit, f"suggestion:{life.suggestion.id}", 1, envelope)
    view = viewed(loop, life)
    may_change = _first_allowed(visit, (SUGGESTION_ACCEPT,)) is not None
    return visit.page(
        "suggestion",
        status=status,
        title=f"{view.id}: {view.sentence}",
        view=view,
        panel=panel_of(visit, loop, life, may_change=may_change),
        snoozes=SNOOZES,
        alert=alert,
        reason=visit.given("reason", MAX_REASON),
    )


def _first_allowed(visit: Visit, verbs: tuple[str, ...]) -> bytes | None:
    """The decision on the first of these rights that is given; None where none is."""
    for verb in verbs:
        judgement = visit.needs.desk.judge_gateway(visit.principal, verb)
        if judgement.decision.verdict is Verdict.ALLOW:
            return judgement.envelope_json
    return None


def _any_of(visit: Visit, verbs: tuple[str, ...]) -> bytes:
    """The same. Raises NotPermitted, naming the right."""
    allowed = _first_allowed(visit, verbs)
    if allowed is None:
        raise NotPermitted(f"policy does not allow {verbs[0]}")
    return allowed


async def _record(visit: Visit, query: str, found: int, envelope: bytes) -> None:
    facts: dict[str, Any] = {
        "found": found, "principal": visit.principal.name, "query": query, "verb": AUDIT_READ,
        "via": VIA,
    }  # fmt: skip
    payload = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    await visit.needs.record(EventKind.AUDIT_READ, payload, envelope)


def _row(loop: Suggestions, life: SuggestionLife) -> Row:
    one = brief_shape(life, loop.needed(life))
    return Row(
        one.id,
        words.plain(one.title, 300),
        one.state,
        told.state_word(one.state),
        told.saving(one.saves_per_week, one.wait_s_per_week),
        f"{one.asked:,}, {one.denied:,}",
        one.persons,
        words.plain(", ".join(one.accepted), 200),
    )


def _sample_row(visit: Visit, sample: Sample) -> SampleRow:
    about = f"{sample.principal} → {sample.target}, {words.moment(sample.at_us)} UTC"
    return SampleRow(
        sample.id, sample.suggestion, sample.n, first_line(sample.text, 500),
        words.plain(about, 200), sample.person == visit.principal.person,
    )  # fmt: skip
