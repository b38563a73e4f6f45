"""What mails say: subjects of one line, plain text. Nothing in them acts by being fetched.

Everything that people wrote passes through `printable`, which leaves no line end in it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gatekeep.messages import printable
from gatekeep.messages.deciding import listed

MOST_LINES = 40
MOST_CHARACTERS = 2_500
_LINE = MOST_CHARACTERS * 8
_NAME = 63
_REASON = 500
_US = 1_000_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OPENING = "Deciding needs sign-in; opening this link decides nothing."


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as whoever may decide it reads of it.

    `text` is all that is to run; `redacted`: something in it was replaced, so it is not shown;
    `withheld`: what runs on this target is shown in no mail. `access`: leave for a whole target.
    `approvers` are the smallest sets of groups that release it, `deciders` persons by name.
    """

    request: str
    principal: str
    verb: str
    target: str
    account: str
    text: str
    reason: str
    rule: str
    why: str
    risk: str
    approvers: Sequence[Sequence[str]]
    deciders: Sequence[str]
    open_until_us: int
    link: str
    redacted: bool = False
    withheld: bool = False
    access: bool = False


def subject(asked: Asked) -> str:
    """`[gatekeep] K3F9 waiting: DELETE on orders-prod (high)`."""
    risk = f" ({printable(asked.risk, _NAME)})" if asked.risk else ""
    what = f"{printable(asked.verb, _NAME)} on {printable(asked.target, _NAME)}"
    return f"[gatekeep] {asked.request} waiting: {what}{risk}"


def waiting(asked: Asked, zone: str) -> str:
    """The mail by which somebody is asked."""
    what = "access to" if asked.access else f"to run {printable(asked.verb, _NAME)} on"
    account = f" as {printable(asked.account, _NAME)}" if asked.account else ""
    who, target = printable(asked.principal, _NAME), printable(asked.target, _NAME)
    groups = " or ".join(" and ".join(map(_seats, one)) for one in asked.approvers)
    people = f" ({listed(asked.deciders)})" if asked.deciders else ""
    lines = (
        f"{who} asks {what} {target}{account}, request {asked.request}.",
        "",
        *_command(asked),
        "",
        f'Reason given: "{printable(asked.reason, _REASON)}"'
        if asked.reason.strip() else "No reason given.",
        f"Why asked: {_why(asked)}",
        f"Asked: {groups}{people}.",
        f"Open until {moment(asked.open_until_us, zone)}.",
        "",
        asked.link,
        _OPENING,
    )  # fmt: skip
    return "\n".join(lines) + "\n"


def verdict(
    request: str, state: str, by: Sequence[str], reason: str, at: str, link: str
) -> str:  # fmt: skip
    """The mail that follows it. `at` is the time of the decision, in the reader's zone."""
    people = listed(by, "and") or "policy"
    words = printable(reason, _REASON) if reason.strip() else ""
    said = f': "{words}"' if words else "."
    cause = f" ({words})" if words else ""
    lines = {
        "approved": f"{people} approved {request} at {at}{said}",
        "denied": f"{people} denied {request} at {at}{said}",
        "expired": f"Nobody answered {request} in time. It was closed at {at}, and nothing was run.",
        "withdrawn": f"{request} was withdrawn at {at}{cause}. Nothing was run.",
    }
    return f"{lines[state]}\n\n{link}\n"


def verdict_subject(request: str, state: str, verb: str, target: str) -> str:
    """The same for who asked ahead of time, and so was sent nothing before."""
    what = f"{printable(verb, _NAME)} on {printable(target, _NAME)}"
    return f"[gatekeep] {request} {state}: {what}"


def glass_subject(principal: str, target: str) -> str:
    """Somebody took leave without being asked."""
    return f"[gatekeep] {printable(principal, _NAME)} broke the glass on {printable(target, _NAME)}"


def glass(principal: str, target: str, account: str, reason: str, until: str) -> str:
    """The mail that says so; `until` is the end of the leave, in the reader's zone."""
    where = f"{printable(target, _NAME)} as {printable(account, _NAME)}"
    return (
        f"{printable(principal, _NAME)} took leave for {where} without being asked.\n\n"
        f'Reason given: "{printable(reason, _REASON)}"\n'
        f"It ends at {until}. Somebody else has to look at it afterwards.\n"
    )


def moment(at_us: int, zone: str) -> str:
    """`14:32 CET, 12 Nov 2026`, in a zone of the tz database."""
    local = dt.datetime.fromtimestamp(at_us // _US, ZoneInfo(zone))
    return f"{local:%H:%M} {local.tzname()}, {local.day} {_MONTHS[local.month - 1]} {local.year}"


def _command(asked: Asked) -> Sequence[str]:
    """All that is to run, or why it is not shown; never a part of it."""
    lines = asked.text.split("\n")
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    if asked.redacted or asked.withheld:
        count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
        why = "secrets are in it" if asked.redacted else "this target's are shown in no mail"
        return (f"{count}, read them here: {asked.link} ({why})",)
    if len(lines) > MOST_LINES or len(asked.text) > MOST_CHARACTERS:
        if len(lines) == 1:
            return (f"{len(asked.text)} characters, read them here: {asked.link}",)
        return (f"{len(lines)} lines, read them here: {asked.link}",)
    return tuple(f"    {printable(line, _LINE)}".rstrip() for line in lines)


def _why(asked: Asked) -> str:
    rule = f"rule {printable(asked.rule, _NAME)}" if asked.rule else "policy"
    why = f", {printable(asked.why, _REASON).rstrip('.')}" if asked.why else ""
    risk = f" Risk: {printable(asked.risk, _NAME)}." if asked.risk else ""
    return f"{rule}{why}.{risk}"


def _seats(group: str) -> str:
    name, _, count = group.partition(":")
    return f"{count} of {printable(name, _NAME)}" if count else printable(name, _NAME)
