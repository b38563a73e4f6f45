"""What an SSH client is told of something that waits for a person: whole lines, each prefixed.

The first line says what happened, the last what was not done and what can be done now. Names,
reasons and commands come from people and pass through `printable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatekeep.messages import PREFIX, RuleWords, printable

_MOST_NAMES = 5
_NAME = 63
_MINUTE_S = 60
_NOTHING_RUN = f"{PREFIX}nothing was run"


@dataclass(frozen=True, slots=True)
class Asking:
    """A request, as the client is told of it that waits for it.

    `approvers` are the smallest sets of groups that release it (`dba:2` is two persons of dba),
    `deciders` the persons by name; `open_s` counts from now, in seconds. `command` is the text
    with secrets replaced, empty for a shell as such, `reason` the rule's own words; `link` leads to
    the request, empty where there is no console. `inferred`: the text was read off a screen.
    """

    request: str
    approvers: Sequence[Sequence[str]]
    deciders: Sequence[str]
    open_s: int
    command: str
    rule: str = ""
    reason: str = ""
    link: str = ""
    inferred: bool = False


def waiting(asking: Asking) -> tuple[str, ...]:
    """It waits from now on: for whom, for how long, what, why, and how to take it back."""
    groups = " or ".join(" and ".join(map(_group, one)) for one in asking.approvers)
    people = f" ({_listed(asking.deciders)})" if asking.deciders else ""
    read = "(read from the screen; the exact line is compared again before it runs)"
    facts = (
        printable(asking.reason).rstrip("."),
        f"rule {printable(asking.rule)}" if asking.rule else "",
        asking.link,
    )
    shown = " · ".join(fact for fact in facts if fact)
    request = f"request {asking.request}, {lasting(asking.open_s)}"
    return (
        f"{PREFIX}waiting for approval by {groups or 'a person'}{people}, {request}",
        f"{PREFIX}  {_command(asking.command)}",
        *((PREFIX + read,) if asking.inferred else ()),
        *((PREFIX + shown,) if shown else ()),
        f"{PREFIX}nothing has run yet; Ctrl-C withdraws",
    )


def still_waiting(request: str, left_s: int) -> tuple[str, ...]:
    """Another minute has passed."""
    return (f"{PREFIX}still waiting for request {request}, {lasting(left_s)} left",)


def escalated(request: str, groups: Sequence[str]) -> tuple[str, ...]:
    """Others were asked as well."""
    return (f"{PREFIX}request {request} now also went to {_listed(groups, 'and')}",)


def approved(request: str, persons: Sequence[str]) -> tuple[str, ...]:
    """These said yes, and it goes out at once."""
    return (f"{PREFIX}{_listed(persons, 'and') or 'policy'} approved {request}, running it now",)


def denied(request: str, by: str, reason: str = "") -> tuple[str, ...]:
    """A person said no."""
    person = printable(by, _NAME)
    why = (f"{PREFIX}reason: {printable(reason)}",) if reason.strip() else ()
    return (
        f"{PREFIX}{person} denied request {request}",
        *why,
        f"{_NOTHING_RUN}; talk to {person}, or change it and try again",
    )


def expired(request: str, open_s: int, asked: Sequence[str], then: Sequence[str] = ()) -> tuple[str, ...]:
    """Nobody answered in time. `then` were asked later."""
    later = f", then {_listed(then, 'and')}" if then else ""
    who = (f"{PREFIX}asked: {_listed(asked, 'and')}{later}",) if asked else ()
    return (
        f"{PREFIX}nobody answered request {request} in {lasting(open_s)}",
        *who,
        f"{_NOTHING_RUN}; try again, or ask ahead of time: gatekeep request new",
    )


def withdrawn(request: str, cause: str = "") -> tuple[str, ...]:
    """Whoever asked took it back, or is not there any more."""
    why = f": {printable(cause)}" if cause else ""
    return (f"{PREFIX}request {request} was withdrawn{why}", _NOTHING_RUN)


def gateway_drains(request: str) -> tuple[str, ...]:
    """The gateway stops while it waits."""
    return (
        f"{PREFIX}the gateway is restarting, request {request} was withdrawn",
        f"{_NOTHING_RUN}; connect again and repeat it",
    )


def fits_no_more(request: str, changed: Sequence[str]) -> tuple[str, ...]:
    """It was approved, and is not what was asked any more; `changed` names what differs."""
    what = _listed([one.replace("_", " ") for one in changed], "and") or "the policy"
    return (
        f"{PREFIX}the approval of request {request} no longer fits",
        f"{PREFIX}{what} changed after the question was asked",
        f"{_NOTHING_RUN}; run it again to ask anew",
    )


def too_many_open(count: int) -> tuple[str, ...]:
    """The principal has asked for so much already that nothing more is asked."""
    return (
        f"{PREFIX}{count} requests of yours are open, so this was not asked",
        f"{PREFIX}wait for an answer, or withdraw one: gatekeep request cancel",
        _NOTHING_RUN,
    )


def denied_lately(request: str, by: str, wait_s: int) -> tuple[str, ...]:
    """The same was denied a short while ago."""
    person = printable(by, _NAME)
    return (
        f"{PREFIX}{person} denied the same in request {request}, so this was not asked",
        f"{PREFIX}it can be asked again in {lasting(wait_s)}; talk to {person}",
        _NOTHING_RUN,
    )


def nobody_to_ask(words: RuleWords) -> tuple[str, ...]:
    """The rule names approvers, and none of them may decide on this."""
    owner = f" (owner {printable(words.owner)})" if words.owner else ""
    return (
        f"{PREFIX}this needs approval, and there is nobody who may approve it",
        f"{PREFIX}rule {printable(words.rule)}{owner}",
        _NOTHING_RUN,
    )


def lasting(seconds: int) -> str:
    """A length of time: whole minutes, rounded up; seconds below one."""
    if seconds < _MINUTE_S:
        return f"{max(seconds, 0)} s"
    return f"{-(-seconds // _MINUTE_S)} min"


def _command(text: str) -> str:
    """The first line that says something, and how many more there are."""
    lines = [line for line in text.splitlines() if line.strip()] or ["(an interactive shell)"]
    more = f" (the first of {len(lines)} lines)" if len(lines) > 1 else ""
    return printable(lines[0].strip()) + more


def _group(group: str) -> str:
    name, _, count = group.partition(":")
    shown = printable(name, _NAME)
    return f"{count} of {shown}" if count else shown


def _listed(names: Sequence[str], last: str = "or") -> str:
    shown = [printable(name, _NAME) for name in names[:_MOST_NAMES]]
    if len(names) > _MOST_NAMES:
        shown.append(f"{len(names) - _MOST_NAMES} more")
    if len(shown) <= 1:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"
