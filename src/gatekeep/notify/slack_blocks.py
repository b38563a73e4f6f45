"""A request as a Slack message: blocks and the text of the lock screen, made from what is known of it.

No block holds markup, so nothing that people or peers wrote can be more than text. What cannot be
shown whole has no button to approve it. Words live in `messages.slack`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.approvals import ApprovalRequest, RequestState, VoteVerdict
from gatekeep.domain.voting import next_decides
from gatekeep.messages import sight
from gatekeep.messages import slack as words
from gatekeep.messages.deciding import sample_of
from gatekeep.messages.legible import Legible, legible

Block = dict[str, Any]

MOST_CHARACTERS: Final = 2500
MOST_LINES: Final = 40
MOST_SHOWN: Final = 2900
"""Characters of a command as it is shown, escapes included; Slack takes 3,000 in one text."""
FIRST_LINES: Final = 15
COUNTDOWN_S: Final = (300, 60)
"""How much time is left when a message says so anew."""

APPROVE_ID: Final = "gatekeep_approve"
DENY_ID: Final = "gatekeep_deny"
OPEN_ID: Final = "gatekeep_open"

_FIELD: Final = 2000
_US: Final = 1_000_000
_EXACT: Final = "exact:"
_TIME: Final = "{time}"
_DAY_AND_TIME: Final = "{date_short_pretty}, {time}"
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Known:
    """What a message says beside the request itself.

    `detail` is the target's `slack_detail`. `approve` and `deny` are the values of the buttons,
    `link` the request's page. `before` tells of the same before, `deciders` who may decide.
    """

    now_us: int
    detail: str = "full"
    approve: str = ""
    deny: str = ""
    link: str = ""
    before: str = ""
    deciders: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """`text` is what notifications show, already safe where Slack reads markup."""

    text: str
    blocks: tuple[Block, ...]

    def body(self) -> dict[str, Any]:
        """As arguments of a call."""
        return {"text": self.text, "blocks": list(self.blocks), **QUIET}


QUIET: Final[Mapping[str, Any]] = {
    "mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False,
    "unfurl_media": False,
}  # fmt: skip
"""Slack makes nothing of the text of its own accord."""


def message_of(request: ApprovalRequest, known: Known) -> Message:
    """The message as it is to stand now."""
    title = title_of(request)
    pending = request.state is RequestState.PENDING
    left_s = (request.open_until_us - known.now_us) // _US
    blocks: list[Block] = [
        {"type": "header", "text": plain_text(title)},
        _reason(request),
        *_command(request, known),
        {"type": "section", "fields": _fields(request, known)},
        _standing(request, left_s if pending else None),
    ]
    if pending:
        blocks += _actions(request, known)
        text = words.fallback(title, request.why.risk, request.id, left_s)
    else:
        blocks.append(_end(request))
        text = words.ended_fallback(title, request.state.value, request.id)
    return Message(words.plain(text), tuple(blocks))


def title_of(request: ApprovalRequest) -> str:
    """Who asks for what, where."""
    subject, place = request.subject, request.place
    return words.headline(place.principal, subject.kind.value, subject.verb, place.target)


def approvable(request: ApprovalRequest, detail: str) -> bool:
    """Whether a message can show all of what would run, so that it may be approved there."""
    return (
        detail == "full"
        and request.why.risk != "critical"
        and _whole(request, legible(request.subject.text))
    )


def _whole(request: ApprovalRequest, full: Legible) -> bool:
    subject = request.subject
    return (
        not subject.redacted
        and len(subject.text) <= MOST_CHARACTERS
        and full.count <= MOST_LINES
        and len(full.text) <= MOST_SHOWN
    )


def plain_text(text: str) -> Block:
    """Text that Slack reads nothing into, not even the names of emoji."""
    return {"type": "plain_text", "text": text, "emoji": False}


def rich(*elements: Block) -> Block:
    """A block of rich text."""
    return {"type": "rich_text", "elements": list(elements)}


def line(*parts: Block) -> Block:
    """One line of rich text."""
    return {"type": "rich_text_section", "elements": list(parts)}


def text(said: str) -> Block:
    """A piece of a line, as it stands; Slack takes no empty ones."""
    return {"type": "text", "text": said or " "}


def moment(at_us: int, shown: str = _TIME) -> Block:
    """A time, in the reader's own zone."""
    return {
        "type": "date", "timestamp": at_us // _US, "format": shown,
        "fallback": words.at_clock(at_us),
    }  # fmt: skip


def _reason(request: ApprovalRequest) -> Block:
    quote = {"type": "rich_text_quote", "elements": [text(words.reason_of(request.reason))]}
    return rich(line(text(words.says(request.place.principal))), quote)


def _command(request: ApprovalRequest, known: Known) -> list[Block]:
    """All of the text, or its beginning and why there is not more."""
    subject = request.subject
    if known.detail != "full":
        template = subject.template
        shown = [] if template.startswith(_EXACT) or not template else [_part(legible(template))]
        return [*shown, rich(line(text(words.NOT_SHOWN)))]
    full = legible(subject.text)
    whole = _whole(request, full)
    notes: list[str] = []
    if not whole:
        notes.append(_why_not_whole(request, full))
    if full.confusable:
        notes.append(words.CONFUSABLE)
    if request.why.risk == "critical":
        notes.append(words.SECURITY_KEY)
    shown = [_preformatted(full.text)] if whole else [_part(full)]
    return [*shown, *(rich(line(text(note))) for note in notes)]


def _why_not_whole(request: ApprovalRequest, full: Legible) -> str:
    if full.count > FIRST_LINES:
        return words.part_shown(FIRST_LINES, full.count)
    return words.HIDDEN_PARTS if request.subject.redacted else words.TOO_LONG


def _part(full: Legible) -> Block:
    """The first lines."""
    shown = "\n".join(full.lines[:FIRST_LINES])
    cut = shown if len(shown) <= MOST_CHARACTERS else f"{shown[: MOST_CHARACTERS - 1]}…"
    return _preformatted(cut)


def _preformatted(shown: str) -> Block:
    block = {"type": "rich_text_preformatted", "elements": [text(shown or words.EMPTY)]}
    return rich(block)


def _fields(request: ApprovalRequest, known: Known) -> list[Block]:
    why, subject, facts = request.why, request.subject, request.subject.facts
    where = words.where_words(tuple(facts.get("where", ())))
    tags = subject.tags | ({"confusable"} if legible(subject.text).confusable else set())
    said = [
        words.risk(why.risk, sorted(tags), where),
        words.field("Rows", sight.rows(request.sight)),
        words.field("Locks", "; ".join(filter(None, _locks(request.sight)))),
        words.field("Before", known.before),
        words.field("Why asked", words.why_asked(why.rule, why.reason)),
        words.field("Sample", sample_of(facts)),
        words.field("Not held fast", ", ".join(subject.unbound)),
        words.field("Votes", words.votes(_votes(request), why.approvers, why.extra, why.denier)),
        words.field("May decide", words.may_decide(known.deciders)),
    ]
    return [plain_text(f"{name}: {what}"[:_FIELD]) for name, what in said if what]


def _locks(found: Mapping[str, Any]) -> tuple[str, ...]:
    return sight.wanted(found), sight.blocked(found), sight.held(found)


def _votes(request: ApprovalRequest) -> list[tuple[str, str]]:
    return [(vote.principal, vote.verdict.value) for vote in request.votes]


def _standing(request: ApprovalRequest, left_s: int | None) -> Block:
    place = request.place
    rest = words.standing(request.id, place.session_code, place.account, place.source)
    if left_s is None:
        return rich(line(text(rest)))
    shown = _TIME if left_s < _DAY_S else _DAY_AND_TIME
    # A time left that is not kept up to date would be wrong; the last minutes are.
    soon = f" · {words.minutes_left(max(0, left_s))}" if left_s <= COUNTDOWN_S[0] else ""
    parts = [text(words.OPEN_UNTIL), moment(request.open_until_us, shown)]
    return rich(line(*parts, text(f"{soon} · {rest}")))


def _actions(request: ApprovalRequest, known: Known) -> list[Block]:
    buttons: list[Block] = []
    why = request.why
    if known.approve and approvable(request, known.detail):
        label = words.approve_button(
            request.subject.kind.value, request.scope.value, request.grant_s,
            held=bool(request.place.session),
            decides=next_decides(why.approvers, request.votes, extra=why.extra, denier=why.denier),
        )  # fmt: skip
        buttons.append(button(APPROVE_ID, label, value=known.approve, style="primary"))
    if known.deny and why.risk != "critical":
        buttons.append(button(DENY_ID, words.DENY, value=known.deny, style="danger"))
    if known.link:
        buttons.append(button(OPEN_ID, words.OPEN, url=known.link))
    return [actions(*buttons)] if buttons else []


def actions(*buttons: Block) -> Block:
    """A row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


def button(action: str, label: str, **more: str) -> Block:
    """One button; `more` is its value, address or style."""
    return {"type": "button", "action_id": action, "text": plain_text(label), **more}


def _end(request: ApprovalRequest) -> Block:
    said = words.ended(request.state.value, deciders_of(request), request.scope.value)
    waited_s = (request.decided_us - request.created_us) // _US
    tail = words.after(waited_s, request.decision_reason)
    return rich(line(text(f"{said}, "), moment(request.decided_us), text(tail)))


def deciders_of(request: ApprovalRequest) -> list[str]:
    """Whose word it was, by name; none where it was time's or the gateway's."""
    if request.state is RequestState.APPROVED:
        return [vote.principal for vote in request.approving]
    if request.state is RequestState.DENIED:
        said = [vote.principal for vote in request.votes if vote.verdict is VoteVerdict.DENY]
        return said or [request.decided_by]
    return [request.decided_by] if request.decided_by else []
