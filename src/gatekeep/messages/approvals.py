"""What a Postgres client is told of a statement that waits for a person, and of why it did not run.

NOTICEs while it waits, an ERROR when it is over. Names and reasons come from people and pass
through `printable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gatekeep import messages
from gatekeep.messages import ALONE, PREFIX, Place, RuleWords, WireMessage, printable
from gatekeep.messages.deciding import listed
from gatekeep.messages.ssh_approvals import lasting

_NOT_SENT = "The statement was not sent; like any error, this one fails an open transaction."
_NAME = 63


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request, as the client that waits for it is told.

    `approvers` are the smallest sets of groups that release it, `deciders` the persons by name.
    `what` is the headline (`DELETE without WHERE on public.customers`), `estimate` what was found
    out (`about 1,204,331 rows`), empty for nothing. `open_s` is how long it stays open. `locked`
    counts the tables that the open transaction holds locks on, None where none is open.
    """

    request: str
    target: str
    approvers: Sequence[Sequence[str]]
    deciders: Sequence[str]
    what: str
    rule: str
    open_s: int
    estimate: str = ""
    link: str = ""
    locked: int | None = None
    context: str = ""


def headline(verb: str, tables: Sequence[str], where: str = "") -> str:
    """`DELETE without WHERE on public.customers`."""
    without = " without WHERE" if where == "absent" else " with a WHERE that is always true" if where == "tautology" else ""
    on = f" on {', '.join(printable(table, _NAME) for table in tables[:3])}" if tables else ""
    more = f" and {len(tables) - 3} more" if len(tables) > 3 else ""  # noqa: PLR2004 - as many as are named
    return f"{printable(verb)}{without}{on}{more}"


def waiting(told: Waiting) -> WireMessage:
    """It waits from now on."""
    groups = " or ".join(" and ".join(map(_seats, one)) for one in told.approvers)
    people = f" ({listed(told.deciders)})" if told.deciders else ""
    estimate = f", {told.estimate}" if told.estimate else ""
    rule = f" Asked by rule {told.rule}." if told.rule else ""
    link = f" {told.link}" if told.link else ""
    return _notice(
        f"waiting for approval by {groups}{people}, request {told.request}",
        f"{told.what}{estimate}.{rule} {_how_long(told)}",
        f"Nothing has been sent to {told.target} yet. Ctrl-C withdraws the request.{link}",
        told.context,
    )


def still_waiting(request: str, left_s: int, context: str = "") -> WireMessage:
    """Another minute has passed."""
    return _notice(f"still waiting for request {request}, {lasting(left_s)} left", context=context)


def escalated(request: str, groups: Sequence[str], context: str = "") -> WireMessage:
    """These were asked as well."""
    return _notice(f"request {request} now also went to {listed(groups, 'and')}", context=context)


def approved(request: str, persons: Sequence[str], context: str = "") -> WireMessage:
    """A person said yes."""
    who = listed(persons, "and")
    return _notice(f"{who} approved request {request}, running it now", context=context)


def denied(request: str, by: str, reason: str, rule: RuleWords, place: Place = ALONE) -> WireMessage:
    """A person said no."""
    why = f"Reason: {printable(reason).rstrip('.')}." if reason else "No reason was given."
    who = printable(by, _NAME)
    return _error(
        f"{who} denied request {request}", why + place.sentence(),
        f"{_NOT_SENT} Talk to {who}, or change it and send it again.", rule.context,
    )  # fmt: skip


def expired(
    request: str, open_s: int, asked: Sequence[str], then: Sequence[str], rule: RuleWords,
    place: Place = ALONE,
) -> WireMessage:  # fmt: skip
    """Nobody answered in time."""
    later = f", then {listed(then, 'and')}" if then else ""
    return _error(
        f"nobody answered request {request} in {lasting(open_s)}",
        f"Asked: {', '.join(printable(name, _NAME) for name in asked)}{later}.{place.sentence()}",
        f"{_NOT_SENT} Send it again, or ask ahead of time: gatekeep request new", rule.context,
    )  # fmt: skip


def cancelled(request: str, target: str, rule: RuleWords) -> WireMessage:
    """The client took it back: PostgreSQL's own words, so that programs know them."""
    return WireMessage(
        "57014", "canceling statement due to user request",
        f"Request {request} was withdrawn. Nothing was sent to {target}.", context=rule.context,
    )  # fmt: skip


def cancelled_in_time(target: str) -> WireMessage:
    """The client took it back when nothing waited any more, and before it was sent."""
    return WireMessage(
        "57014", "canceling statement due to user request", f"Nothing was sent to {target}."
    )


def fits_no_more(request: str, changed: str, rule: RuleWords, place: Place = ALONE) -> WireMessage:
    """It was approved, and is not what was asked any more."""
    return _error(
        f"the approval of request {request} no longer fits",
        f"{printable(changed, _NAME)} changed after the question was asked.{place.sentence()}",
        f"{_NOT_SENT} Send the statement again to ask anew.", rule.context,
    )  # fmt: skip


def gateway_drains(request: str) -> WireMessage:
    """The gateway stops while it waits."""
    return WireMessage(
        "57P01", f"{PREFIX}the gateway is restarting, request {request} was withdrawn",
        "Nothing was sent.", "Connect again and repeat the statement.", severity="FATAL",
    )  # fmt: skip


def last_words(farewell: WireMessage, request: str) -> WireMessage:
    """What ends a session, where something waited: its request is named."""
    if farewell == messages.gateway_drains():
        return gateway_drains(request)
    said = f"Request {request} was withdrawn. Nothing was sent."
    return replace(farewell, detail=f"{farewell.detail} {said}".lstrip())


def too_many_open(count: int, rule: RuleWords, place: Place = ALONE) -> WireMessage:
    """The requester has asked for too much at once."""
    return _error(
        f"you have {count} open requests already",
        f"More are not asked at once.{place.sentence()}",
        f"{_NOT_SENT} Wait for an answer, or withdraw one: gatekeep request ls", rule.context,
    )  # fmt: skip


def denied_lately(
    request: str, by: str, wait_s: int, rule: RuleWords, place: Place = ALONE
) -> WireMessage:
    """The same was denied a moment ago."""
    who = printable(by, _NAME)
    return _error(
        f"{who} denied the same a moment ago, request {request}",
        f"It can be asked again in {lasting(wait_s)}, and then it takes {who} or one vote more."
        f"{place.sentence()}",
        f"{_NOT_SENT} Talk to {who}, or change it.", rule.context,
    )  # fmt: skip


def _how_long(told: Waiting) -> str:
    open_for = lasting(told.open_s)
    if told.locked is None:
        return f"Open for {open_for}."
    if not told.locked:
        return f"Your open transaction stays open meanwhile, so this waits for {open_for} only."
    tables = "1 table" if told.locked == 1 else f"{told.locked} tables"
    return f"Your open transaction holds locks on {tables}, so this stays open for {open_for} only."


def _seats(group: str) -> str:
    name, _, count = group.partition(":")
    return f"{count} of {printable(name, _NAME)}" if count else printable(name, _NAME)


def _notice(primary: str, detail: str = "", hint: str = "", context: str = "") -> WireMessage:
    return WireMessage("00000", f"{PREFIX}{primary}", detail, hint, context, severity="NOTICE")


def _error(primary: str, detail: str, hint: str, context: str) -> WireMessage:
    return WireMessage("42501", f"{PREFIX}{primary}", detail, hint, context)
