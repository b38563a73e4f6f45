"""Suggestions over the API: listed, shown, accepted, dismissed, put off, taken back; and samples.

The loop decides; here it is asked who may, and its answers become statuses. Whoever reads leaves an
`audit.read` event that is durable before anything is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import SampleAnswer, SuggestionLife
from gatekeep.errors import ClientFault
from gatekeep.feedback.ports import CameTo, Suggestions, Wish
from gatekeep.feedback.seen import is_seen, seen_digest
from gatekeep.gate.ports import Judgement
from gatekeep.messages import suggestion_refusals as words
from gatekeep.messages.api import ID_CHARACTERS
from gatekeep.web.access import (
    AUDIT_READ,
    NEEDS,
    POLICY_READ,
    PRINCIPAL,
    REVIEW_CLOSE,
    SUGGESTION_ACCEPT,
    VIA,
    demand,
    permitted,
    record,
)
from gatekeep.web.refusals import Explained, told
from gatekeep.web.suggestion_shapes import (
    SuggestionCameToShape,
    SuggestionsShape,
    backtest_shape,
    brief_shape,
    gains_most,
    return_loosens,
    run_shape,
    sample_shape,
    samples_shape,
    suggestion_shape,
)
from gatekeep.web.suggestion_wishes import (
    AcceptBody,
    SampleBody,
    SamplesQuery,
    SnoozeBody,
    SuggestionReasonBody,
    SuggestionsQuery,
    TakeBackBody,
)
from gatekeep.web.wishes import NoBody

READERS: Final = (POLICY_READ, SUGGESTION_ACCEPT)
"""Any of these rights lets one look through suggestions."""
LOOKERS: Final = (REVIEW_CLOSE, SUGGESTION_ACCEPT)
"""Any of these lets one look at samples, and at the suggestion of one."""
_CONFLICTS: Final = frozenset({"late", "twice", "state", "digest"})
_FAULTS: Final = frozenset({"reason"})


class NotSetUp(Explained):
    """There is no loop at this gateway."""

    status = 404

    def __init__(self) -> None:
        super().__init__(words.NOT_SET_UP)


def suggestions(request: web.Request) -> Suggestions:
    """What the addresses of suggestions work with. Raises NotSetUp."""
    found = request.app[NEEDS].suggestions
    if found is None:
        raise NotSetUp
    return found


async def list_suggestions(request: web.Request, query: SuggestionsQuery) -> BaseModel:
    """Suggestions, the most saving first."""
    loop, judgement = suggestions(request), _any_of(request, READERS)
    found = await loop.suggestions((query.state,) if query.state is not None else ())
    said = f"suggestions state:{query.state.value}" if query.state is not None else "suggestions"
    await _read(request, judgement, said, len(found))
    return SuggestionsShape(suggestions=[brief_shape(one, loop.needed(one)) for one in found])


async def show_suggestion(request: web.Request, _query: None) -> BaseModel | web.Response:
    """One suggestion, whole."""
    loop, judgement = suggestions(request), _any_of(request, (*READERS, *LOOKERS))
    found = await _found(request)
    if found is None:
        return _none(request)
    await _read(request, judgement, f"suggestion:{found.suggestion.id}", 1)
    return suggestion_shape(found, loop.needed(found), loop.terms())


async def accept(request: web.Request, body: AcceptBody) -> BaseModel | web.Response:
    """Say yes to what the digest proves was seen."""
    loop, found = suggestions(request), await _changed(request)
    if found is None:
        return _none(request)
    one = found.suggestion
    if not is_seen(one, body.digest):
        return told(409, words.not_what_was_seen(one.id))
    if found.state.over:  # a code is not used up for it
        return told(409, words.already_over(one.id, found.state.value))
    barred = request[PRINCIPAL].person in gains_most(found)  # nor for whom the loop refuses anyway
    mfa = not barred and _second_factor(request, body.code)
    wish = Wish(
        body.reason, request[VIA], mfa=mfa, narrower=body.narrower, seen=seen_digest(one)
    )
    return _came_to(request, await loop.accept(one.id, request[PRINCIPAL], wish))


async def dismiss(request: web.Request, body: SuggestionReasonBody) -> BaseModel | web.Response:
    """Say no: it stays away until its evidence has doubled."""
    loop, found = suggestions(request), await _changed(request)
    if found is None:
        return _none(request)
    wish = Wish(body.reason, request[VIA])
    return _came_to(request, await loop.dismiss(found.suggestion.id, request[PRINCIPAL], wish))


async def snooze(request: web.Request, body: SnoozeBody) -> BaseModel | web.Response:
    """Not now."""
    loop, found = suggestions(request), await _changed(request)
    if found is None:
        return _none(request)
    if body.until_us <= request.app[NEEDS].clock.wall_us():
        raise ClientFault("until_us is over already")
    wish = Wish(body.reason, request[VIA])
    return _came_to(
        request, await loop.snooze(found.suggestion.id, request[PRINCIPAL], wish, body.until_us)
    )


async def take_back(request: web.Request, body: TakeBackBody) -> BaseModel | web.Response:
    """Return to the version before: one person suffices, unless that lets more pass."""
    loop, found = suggestions(request), await _changed(request)
    if found is None:
        return _none(request)
    if not return_loosens(found) and body.code is not None:
        raise ClientFault("code: none is needed to take this back")
    wish = Wish(body.reason, request[VIA], mfa=_second_factor(request, body.code))
    return _came_to(request, await loop.take_back(found.suggestion.id, request[PRINCIPAL], wish))


async def backtest(request: web.Request, _body: NoBody) -> BaseModel | web.Response:
    """Replay history again, now."""
    loop, judgement = suggestions(request), _any_of(request, READERS)
    found = await _found(request)
    if found is None:
        return _none(request)
    await _read(request, judgement, f"suggestion:{found.suggestion.id} backtest", 1)
    return backtest_shape(await loop.backtest(found.suggestion.id))


async def run(request: web.Request, _body: NoBody) -> BaseModel:
    """Look for suggestions, and check on the adopted ones, now."""
    loop = suggestions(request)
    demand(request, SUGGESTION_ACCEPT)
    return run_shape(await loop.run())


async def list_samples(request: web.Request, query: SamplesQuery) -> BaseModel:
    """What adopted rules let pass and somebody is to look at."""
    loop, judgement = suggestions(request), _any_of(request, LOOKERS)
    found = await loop.samples(unanswered=query.which == "unanswered")
    await _read(request, judgement, f"suggestion samples {query.which}", len(found))
    return samples_shape(found)


async def answer_sample(request: web.Request, body: SampleBody) -> BaseModel | web.Response:
    """Say whether it was right."""
    loop, sample_id = suggestions(request), request.match_info["id"]
    _any_of(request, LOOKERS)
    if body.answer is SampleAnswer.WRONG and not body.reason.strip():
        raise ClientFault("reason: say what was wrong with it")
    wish = Wish(body.reason, request[VIA])
    try:
        answered = await loop.answer(sample_id, request[PRINCIPAL], body.answer, wish)
    except KeyError:
        return told(404, words.no_sample(sample_id))
    if answered.answer is not body.answer:
        before = (answered.id, answered.answered_by, str(answered.answer), answered.suggestion)
        return told(409, words.answered_before(*before))
    return sample_shape(answered)


def _second_factor(request: web.Request, code: str | None) -> bool:
    """Whether one is shown. Raises Explained for a code that does not count."""
    needs = request.app[NEEDS].approvals
    if needs is None:
        if code is not None:
            raise ClientFault("codes are not set up here")
        return False
    return needs.codes.shown(request[PRINCIPAL], code)


def _any_of(request: web.Request, verbs: tuple[str, ...]) -> Judgement:
    """The judgement of the first of these that is allowed. Raises NotPermitted."""
    for verb in verbs:
        judgement = permitted(request, verb)
        if judgement is not None:
            return judgement
    return demand(request, verbs[0])


async def _changed(request: web.Request) -> SuggestionLife | None:
    """The suggestion that the caller wants to change, if he may."""
    demand(request, SUGGESTION_ACCEPT)
    return await _found(request)


async def _found(request: web.Request) -> SuggestionLife | None:
    suggestion_id = request.match_info["id"]
    if len(suggestion_id) > ID_CHARACTERS:
        return None
    try:
        return await suggestions(request).suggestion(suggestion_id)
    except KeyError:
        return None


def _none(request: web.Request) -> web.Response:
    return told(404, words.no_suggestion(request.match_info["id"]))


async def _read(request: web.Request, judgement: Judgement, query: str, found: int) -> None:
    facts: Mapping[str, Any] = {"verb": AUDIT_READ, "query": query, "found": found}
    await record(request, EventKind.AUDIT_READ, judgement, facts)


def _came_to(request: web.Request, came: CameTo) -> BaseModel | web.Response:
    if came.counted:
        loop = suggestions(request)
        shape = suggestion_shape(came.life, loop.needed(came.life), loop.terms())
        return SuggestionCameToShape(suggestion=shape, words=came.words)
    said = words.not_counted(came.words, came.life.suggestion.id)
    if came.refusal in _CONFLICTS:
        return told(409, said)
    return told(400 if came.refusal in _FAULTS else 403, said)
