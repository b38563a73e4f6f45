"""A request in the words of the command line: who asks for what, why it is asked, what came of it.

Takes plain values; nothing here is made safe for a terminal, whoever prints it does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatekeep.messages import sight as seen
from gatekeep.messages.deciding import sample_of, still_needed

SHOWN_DIGITS = 12
MOST_REASON = 1000
"""Characters of what somebody said why, as a page shows them; a document has all."""

_WHERE = {"absent": "no WHERE", "tautology": "a WHERE that is always true"}
_SAID = {
    "pending": "◆ waiting",
    "approved": "● approved",
    "denied": "■ denied",
    "expired": "expired",
    "withdrawn": "withdrawn",
}
_DEEDS = {"shell": "open", "tunnel": "open", "file": "do"}
_SCOPES = {
    "once": "{run} once",
    "template": "{run}, and this template for {time}, with {values}",
    "session": "{run}, and what rule {rule} asks of {verb} until the session ends",
    "access": "give access for {time}",
}

Request = Mapping[str, Any]


def state_word(state: str) -> str:
    """Shape and word of a request's state."""
    return _SAID.get(state, state)


def lasting(seconds: int) -> str:
    """A length of time: `45s`, `13m`, `2h`, `3h 5m`, `2d`."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes}m"
    if hours < 48:  # noqa: PLR2004 - what is still counted in hours
        return f"{hours}h {minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{days}d"


def heading(request: Request) -> str:
    """`alice on orders-prod (account app_rw, no open transaction), digest 9c41d07be2aa`."""
    about = [f"account {request['account']}"]
    if request["kind"] == "statement" and request["session"]:
        open_ = "in an open transaction" if request["in_transaction"] else "no open transaction"
        about.append(open_)
    digest = request["digest"][:SHOWN_DIGITS]
    return f"{request['principal']} on {request['target']} ({', '.join(about)}), digest {digest}"


def facts(request: Request) -> str:
    """`about 1,204,331 rows, no WHERE · asked by rule prod-writes-need-dba`."""
    where = request["facts"].get("where")
    told = [*seen.phrases(request["sight"])]
    told += dict.fromkeys(_WHERE[one] for one in _listed(where) if one in _WHERE)
    told += sorted(request["tags"])
    rule = f"asked by rule {request['rule']}" if request["rule"] else ""
    risk = f"{request['risk']} risk" if request["risk"] else ""
    return " · ".join(part for part in (", ".join(told), risk, rule) if part)


def more(request: Request) -> list[str]:
    """What else there is to know before one decides, a line each."""
    lines = []
    lines += [_before(one) for one in request.get("before", ())]
    if request["why"]:
        lines.append(f"the rule says: {_cut(request['why'])}")
    if request["reason"]:
        lines.append(f"{request['principal']} says: {_cut(request['reason'])}")
    if request["facts"].get("ticket"):
        lines.append(f"ticket: {request['facts']['ticket']}")
    if said := sample_of(request["facts"]):
        lines.append(f"a sample: {said}")
    if request["redacted"]:
        lines.append("secrets in it are replaced; they are part of the digest")
    if request["unbound"]:
        lines.append(f"not held fast: {'; '.join(request['unbound'])}")
    if request["state"] == "pending":
        sets = request["approvers"]
        needed = still_needed(sets, request["extra_votes"], request["denier"])
        deciders = ", ".join(request["may_decide"]) or "nobody"
        lines.append(f"{needed}; may decide: {deciders}")
        lines.append(f"open for {lasting(request['left_s'])}")
    return lines


def _before(earlier: Mapping[str, Any]) -> str:
    by = f" by {earlier['decided_by']}" if earlier["decided_by"] else ""
    reason = because(earlier["decision_reason"])
    return f"asked before, {earlier['id']} of {earlier['principal']}: {earlier['state']}{by}{reason}"


def because(reason: str) -> str:
    """Why, behind a sentence; nothing where nobody said it."""
    return f": {_cut(reason)}" if reason else ""


def _cut(said: str) -> str:
    return said if len(said) <= MOST_REASON else f"{said[:MOST_REASON]}…"


def vote_line(vote: Mapping[str, Any], when: str) -> str:
    """`bob approved at 14:21 (cli): agreed in OPS-412`."""
    said = "approved" if vote["verdict"] == "approve" else "denied"
    place = f" in {vote['delegator']}'s place" if vote["delegator"] else ""
    reason = because(vote["reason"])
    return f"{vote['principal']} {said}{place} at {when} ({vote['via']}){reason}"


def decided_line(request: Request, when: str) -> str:
    """What a request that is not open any more came to."""
    state, by = request["state"], request["decided_by"]
    if state == "expired":
        return f"nobody answered it until {when}"
    if state == "withdrawn":
        reason = because(request["decision_reason"])
        return f"withdrawn by {by or 'the gateway'} at {when}{reason}"
    reason = because(request["decision_reason"])
    return f"{by} {state} it at {when}{reason}"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far somebody wants his yes to reach: the scope, for how long (0: as is usual), what is freed.

    `decides`: one more yes is the last that is needed.
    """

    scope: str
    for_s: int = 0
    freed: Sequence[int] = ()
    decides: bool = True


def question(request: Request, reach: Reach) -> str:
    """What an approval is asked as: what happens, for this scope, after what others have agreed to."""
    agreed = [vote for vote in request["votes"] if vote["verdict"] == "approve"]
    scope = reach.scope if all(vote["scope"] == reach.scope for vote in agreed) else "once"
    # Leave that was asked ahead of time may be cut, never stretched.
    lasts = min((one for one in (reach.for_s, request["grant_s"]) if one), default=0)
    deed = _SCOPES[scope].format(
        run=_DEEDS.get(request["kind"], "run"), time=lasting(lasts) if lasts else "the usual time",
        values=_values(reach.freed), rule=request["rule"], verb=request["verb"],
    )  # fmt: skip
    if scope == "once" and not request["session"]:
        deed = f"allow it once within {lasting(lasts) if lasts else 'the usual time'}"
    return f"Approve and {deed}?" if reach.decides else f"Vote to approve: {deed}?"


def _values(freed: Sequence[int]) -> str:
    if not freed:
        return "these values"
    numbers = ", ".join(map(str, sorted(set(freed))))
    return f"any value in place of number{'s' if len(set(freed)) > 1 else ''} {numbers}"


def came_of_it(request: Request) -> str:
    """`K3F9 approved; DELETE 38112 in 1.9 s`."""
    outcome = request["outcome"]
    if outcome.startswith("void"):
        return f"{request['id']} approved, but it was not run: {outcome.partition(': ')[2]}"
    if outcome not in ("", "released"):
        return f"{request['id']} approved; {outcome}"
    if outcome == "released":
        return f"{request['id']} approved; it runs"
    return f"{request['id']} approved"


def _listed(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    return [str(one) for one in value] if isinstance(value, list) else ()
