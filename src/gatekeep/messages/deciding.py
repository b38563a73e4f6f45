"""What somebody reads who may vote, voted, or wanted to: one sentence, the same at every door."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gatekeep.messages import printable

_DAY_S = 86_400
_ADOPTED: Final = re.compile(r"adopted-([0-9a-f]{8})")


def listed(names: Sequence[str], last: str = "or") -> str:
    """`bob`, `bob or carol`, `bob, carol or dave`."""
    shown = [printable(name, 63) for name in names]
    if len(shown) <= 1:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def at_time(at_us: int) -> str:
    """A time of day in UTC, such as `14:20`."""
    minutes = at_us // 60_000_000 % (_DAY_S // 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d} UTC"


def already(request: str, state: str, by: str, at_us: int) -> str:
    """Somebody, or time, was first."""
    when = f" at {at_time(at_us)}" if at_us else ""
    if state == "withdrawn":
        return f"{request} was withdrawn by {printable(by, 63) or 'the gateway'}{when}. Nothing changed."
    if state == "expired":
        return f"{request} was not answered in time and is closed. Nothing changed."
    return f"{printable(by, 63)} already {state} {request}{when}. Nothing changed."


def own(request: str, deciders: Sequence[str]) -> str:
    """Nobody decides over himself."""
    return f"You asked for {request}, so someone else must decide{_who(deciders)}."


def not_yours(request: str, why: str, deciders: Sequence[str]) -> str:
    """Who may not vote on it, and why."""
    reasons = {
        "owner": f"You answer for the machine that asked for {request}",
        "delegate": f"You or the requester of {request} vote in the other's place",
        "machine": f"A machine cannot approve {request}",
        "added": f"The requester of {request} put you into the group less than 24 h ago",
        "outsider": f"{request} asks for another group",
    }
    return f"{reasons[why]}, so someone else must decide{_who(deciders)}."


def voted_before(request: str) -> str:
    """One person, one vote."""
    return f"You have voted on {request} already. Nothing changed."


def seat_taken(request: str) -> str:
    """One place, one vote, whoever of the two takes it."""
    return f"{request} has a vote from your place already, by you or in your stead. Nothing changed."


def other_digest(request: str) -> str:
    """What was shown is not what was asked."""
    return f"That is not the digest of {request}: look at it again before you decide. Nothing changed."


def needs_factor(request: str) -> str:
    """High risk takes a second factor."""
    return f"{request} is of high risk: approving it takes a code from your authenticator. Nothing changed."


def needs_reason(request: str) -> str:
    """A denial says why."""
    return f"Say why you deny {request}: the requester reads it. Nothing changed."


def scope_not_offered(request: str, scope: str) -> str:
    """Not everything can be approved for more than once."""
    return f"{request} cannot be approved for {scope}: only once. Nothing changed."


def counted(request: str, verdict: str, missing: str) -> str:
    """A vote that counts, and is not the last one needed."""
    return f"Your vote on {request} counts ({verdict}); {missing}."


def decided(request: str, state: str) -> str:
    """The vote that decided."""
    return f"{request} {state}."


def decided_once(request: str, state: str) -> str:
    """The vote that decided, where those before it had not gone so far."""
    return f"{request} {state} once: not all who agreed would let it run again."


def not_requester(request: str) -> str:
    """Nobody takes back what another has asked for."""
    return f"Only whoever asked for {request} can take it back. Nothing changed."


def fits_no_more(request: str) -> str:
    """What was asked is not what policy would ask now."""
    return f"Policy would not let {request} run any more, so it was closed. Nothing was run."


def still_needed(sets: Sequence[Sequence[str]], extra: int, denier: str) -> str:
    """What an approval takes, in words."""
    ways = " or ".join(" and ".join(_group(group) for group in one) for one in sets)
    more = f", and {printable(denier, 63)} or one vote more" if extra else ""
    return f"it takes {ways}{more}"


def _group(group: str) -> str:
    name, _, count = group.partition(":")
    return f"{count} of {name}" if count else f"one of {name}"


def _who(deciders: Sequence[str]) -> str:
    return f": {listed(deciders)}" if deciders else ""


def sample_of(facts: Mapping[str, object]) -> str:
    """That it is a sample of what an adopted rule lets pass; empty where it is none."""
    rule = facts.get("sample")
    return f"adopted rule {rule} would let this pass; the answer says whether it should" if rule else ""


def suggestion_of(facts: Mapping[str, object]) -> str:
    """The id of the suggestion whose rule it samples; empty where it is none of a suggestion's."""
    found = _ADOPTED.fullmatch(str(facts.get("sample", "")))
    return f"S-{found[1]}" if found is not None else ""
