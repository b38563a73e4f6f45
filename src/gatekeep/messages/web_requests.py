"""The words of the page of one request: who wants what, why it is asked, what a decision amounts to.

Times and what all pages share are in `web`. What people or peers wrote passes through `printable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gatekeep.messages import printable
from gatekeep.messages.deciding import listed, still_needed
from gatekeep.messages.web import NOTHING_CHANGED, PRODUCT, clock, lasting, left

_US: Final = 1_000_000
_NAME: Final = 63

_STATES: Final[Mapping[str, str]] = {
    "pending": "◆ waiting", "approved": "● approved", "denied": "■ denied",
    "expired": "expired", "withdrawn": "withdrawn",
}  # fmt: skip
_WANTS: Final[Mapping[str, str]] = {
    "statement": "wants to run {verb} on {target}",
    "command": "wants to run {verb} on {target}",
    "line": "wants to run {verb} on {target}",
    "shell": "wants to open a shell on {target}",
    "file": "wants to do {verb} with files on {target}",
    "tunnel": "wants to open a tunnel through {target}",
    "access": "wants access to {target}",
}
_TAGS: Final[Mapping[str, str]] = {
    "destructive": "destroys data",
    "privilege": "changes rights",
    "reads_secret": "reads secrets",
    "opens_opaque": "starts something that cannot be followed",
    "network_egress": "sends data elsewhere",
    "persistence": "leaves a way in",
    "mutable_code": "runs a file that can be changed meanwhile",
    "hidden_input": "was typed unseen",
    "shadows": "takes the name of something built in",
    "production": "on production",
}
_RISK_BARS: Final[Mapping[str, int]] = {"low": 1, "moderate": 2, "high": 3, "critical": 4}
NO_REASON: Final = "No reason given."
COMMAND: Final = "What would run"
WHY_ASKED: Final = "Why"
HER_WORDS: Final = "Reason given by the requester"
WHY_GATEKEEP: Final = "Why gatekeep asks"
WOULD_DO: Final = "What it would do"
BEFORE: Final = "What happened to this before"
SESSION_SO_FAR: Final = "The session so far"
VOTES: Final = "Votes"
DECIDE: Final = "Decide"
DETAILS: Final = "Details"
NEVER_BEFORE: Final = "This was never asked before."
NO_SIGHT: Final = "Nothing could be found out without running it."
NO_SESSION: Final = "No session: this was asked ahead of time."
NOTHING_RUN_YET: Final = "Nothing has run in this session yet."
SESSION_UNREADABLE: Final = "The session could not be read in 2 s."
NO_VOTES: Final = "Nobody has voted yet."
RULE: Final = "Rule"
RISK: Final = "Risk"
TAGS: Final = "Marks"
POLICY: Final = "Policy version"
OWNER: Final = "Owner of the rule"
DIGEST: Final = "Digest"
ACCOUNT: Final = "Account"
DATABASE: Final = "Database"
FROM: Final = "From"
SESSION: Final = "Session"
ASKED_AT: Final = "Asked at"
OPEN_UNTIL: Final = "Open until"
NOT_BOUND: Final = "An approval does not hold fast"
SAMPLE: Final = "Sample"
SUGGESTION: Final = "Suggestion"
IN_TRANSACTION: Final = "Its transaction is open and may hold locks, so this stays open for a short time only."
STATEMENTS: Final = "Statements"
ESCALATED: Final = "Also asked"
MAY_VOTE: Final = "May still vote"
NOBODY: Final = "nobody"
NO_RISK: Final = "not said"
REASON_OPTIONAL: Final = "Your reason (the requester reads it; may stay empty)"
REASON_REQUIRED: Final = "Your reason to deny it (the requester reads it)"
SCOPE: Final = "How far the approval reaches"
DENY: Final = "Deny"
WITHDRAW: Final = "Withdraw"
FREE: Final = "Values that may differ"
FREE_HINT: Final = (
    "Only for “this template”: a value that you tick may be anything from then on. Besides the value "
    "shown, the grant would also allow, for example, the three beside it."
)
OTHERS: Final = "Also, for example:"
VIEW_RECORDED: Final = "That you looked at this request is recorded."
CHANGED_HINT: Final = "Lines marked ≠ were not in the last request of this kind"
NOT_WHOLE: Final = (
    "This command is too long to be shown whole, so it cannot be approved here. It can be denied."
)
NEEDS_CODES: Final = (
    "Approving this takes a code from an authenticator, and you have none. You may deny it."
)
STEP_UP: Final = "It is still you"
STEP_UP_HINT: Final = "Each code counts once: if you just used one, wait for the next."
PROOF_REFUSED: Final = (
    "Not approved: the password or the code did not count, or was tried too often. A code counts "
    "once; wait for the next one. Nothing changed."
)
PROOF_BUSY: Final = "Not approved: too many people sign in at this moment. Nothing changed."
NEEDS_READING: Final = "Not approved: tick that you have read all of it. Nothing changed."
SCOPE_DIFFERS: Final = (
    "Not approved: the button and the choice above it say different things. Nothing changed."
)
REACHES_LESS: Final = (
    "Not approved: somebody has agreed meanwhile, and not to as much as this button says. Look again. "
    "Nothing changed."
)
NOT_WHOLE_REFUSED: Final = "Not approved: it cannot be shown whole here. Nothing changed."
NEEDS_REASON: Final = "Not denied: say why, the requester reads it. Nothing changed."
REASON_TOO_LONG: Final = "A reason has at most 1,000 characters. Nothing changed."


def headline(principal: str, kind: str, verb: str, target: str) -> str:
    """Who wants what where."""
    wants = _WANTS[kind].format(verb=printable(verb, 60), target=printable(target, _NAME))
    return f"{printable(principal, _NAME)} {wants}"


def state(name: str) -> str:
    """A state as shape and word."""
    return _STATES[name]


def risk(name: str) -> str:
    """A risk as word and bars."""
    filled = _RISK_BARS.get(name, 0)
    return f"{name} {'▮' * filled}{'▯' * (4 - filled)}" if filled else NO_RISK


def tags(names: Sequence[str]) -> str:
    """Marks of a command in words."""
    return ", ".join(_TAGS.get(name, printable(name.replace("_", " "), 40)) for name in names)


def waiting(until_us: int, now_us: int) -> str:
    """How a pending request stands."""
    return f"{left(until_us, now_us)}, until {clock(until_us)}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended, as far as a sentence needs it."""

    state: str
    by: str
    at_us: int
    created_us: int
    scope: str = ""
    reason: str = ""
    outcome: str = ""


def ended(how: Ended) -> str:
    """How it ended: by whom, when, after how long, why, and what came of it."""
    by = printable(how.by, _NAME) or PRODUCT
    after = lasting((how.at_us - how.created_us) // _US)
    said = {
        "approved": f"● {by} approved it ({_scope_word(how.scope)}) at {clock(how.at_us)}, after {after}",
        "denied": f"■ {by} denied it at {clock(how.at_us)}, after {after}",
        "expired": f"Nobody answered in time; closed at {clock(how.at_us)}. Nothing was run",
        "withdrawn": f"Withdrawn by {by} at {clock(how.at_us)}. Nothing was run",
    }[how.state]
    why = f": “{printable(how.reason, 1000)}”" if how.reason else ""
    came = f" What came of it: {printable(how.outcome)}." if how.outcome else ""
    return f"{said}{why}.{came}"


def late(how: Ended) -> str:
    """A click after the decision."""
    by = printable(how.by, _NAME) or PRODUCT
    at = clock(how.at_us)
    said = {
        "approved": f"{by} approved this at {at}.",
        "denied": f"{by} denied this at {at}.",
        "expired": f"Nobody answered this in time; it was closed at {at}.",
        "withdrawn": f"This was withdrawn by {by} at {at}.",
    }[how.state]
    return f"{said} {NOTHING_CHANGED}"


def own(deciders: Sequence[str]) -> str:
    """Nobody decides over himself."""
    return f"You asked for this, so someone else must decide: {listed(deciders) or NOBODY}."


def not_yours(deciders: Sequence[str]) -> str:
    """Somebody who may look, but not vote."""
    return f"You may look at this, but not decide it. May decide: {listed(deciders) or NOBODY}."


def voted(verdict: str) -> str:
    """He has said what he has to say."""
    word = "approve" if verdict == "approve" else "deny"
    return f"You voted to {word} this. It waits for others."


def vote_line(principal: str, verdict: str, groups: Sequence[str], at_us: int) -> str:
    """One vote."""
    shape = "●" if verdict == "approve" else "■"
    counts = f" for {printable(', '.join(groups), 120)}" if groups else ""
    return f"{shape} {printable(principal, _NAME)} voted to {verdict}{counts} at {clock(at_us)}"


def read_all(count: int) -> str:
    """The box without which a long command is not approved."""
    return f"I have read all {count} lines" if count > 1 else "I have read the whole line"


def lines_counted(count: int) -> str:
    """How long a command is."""
    return "1 line" if count == 1 else f"{count:,} lines"


def asked_before(states: Sequence[str]) -> str:
    """What became of all of the same kind, counted."""
    counts = {word: states.count(word) for word in ("approved", "denied", "expired", "withdrawn")}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    often = "once" if len(states) == 1 else f"{len(states)} times"
    return f"Asked {often} before: {told or 'still open'}."


def _scope_word(scope: str) -> str:
    return {"template": "this template", "session": "this session", "access": "access"}.get(scope, "once")


# --- what an approval amounts to

_DEEDS: Final[Mapping[str, str]] = {"shell": "open", "tunnel": "open", "file": "do"}


@dataclass(frozen=True, slots=True)
class Reach:
    """What the sentences of a scope speak of. `ahead`: nothing waits, it was asked ahead of time."""

    kind: str
    verb: str
    principal: str
    target: str
    session: str
    rule: str
    for_s: int
    ahead: bool = False


def scope_label(scope: str, for_s: int, *, ahead: bool = False) -> str:
    """One choice of how far an approval reaches."""
    return {
        "once": f"Once, within {lasting(for_s)}" if ahead else "Once",
        "template": f"This template for {lasting(for_s)}",
        "session": "This session",
        "access": f"Access for {lasting(for_s)}",
    }[scope]


def consequence(scope: str, reach: Reach) -> str:
    """What follows from an approval of this scope."""
    who, where = printable(reach.principal, _NAME), printable(reach.target, _NAME)
    time = lasting(reach.for_s)
    once = "Exactly this goes out, one time, as soon as it is approved."
    if reach.ahead:
        once = f"Within {time} {who} may send exactly this to {where}, one time."
    return {
        "once": once,
        "template": f"This goes out, and for {time} {who} may send the same to {where} again with the "
        "same values, unless you let some differ below.",
        "session": f"This goes out, and until session {printable(reach.session, 20)} ends (12 h at "
        f"most) whatever rule {printable(reach.rule, 80)} asks about {printable(reach.verb, 60)} goes "
        "out unasked.",
        "access": f"For {time} {who} may do on {where} whatever the approving groups could release "
        "there.",
    }[scope]


def approve_button(scope: str, reach: Reach, *, decides: bool) -> str:
    """The button's text: what happens when it is pressed."""
    run, time = _DEEDS.get(reach.kind, "run"), lasting(reach.for_s)
    deed = {
        "once": f"allow it once within {time}" if reach.ahead else f"{run} once",
        "template": f"{run}, and this template for {time}",
        "session": f"{run}, and this session",
        "access": f"give access for {time}",
    }[scope]
    return f"Approve and {deed}" if decides else f"Vote to approve: {deed}"


VOTE_NOT_LAST: Final = "Your vote alone does not release it: it goes out once enough others agree."


def agreed_on(scopes: Sequence[str]) -> str:
    """Others have agreed already, and not to everything that could be offered."""
    reach = " or ".join(_scope_word(one) for one in scopes)
    return f"It reaches no further than those who agreed before you let it: {reach}."


def slot(number: int) -> str:
    """A value of a template, by its number."""
    return f"Value {number}:"


def whole_session(code: str) -> str:
    """Where the rest of the session is to be seen."""
    return f"All of it: gatekeep sessions show {printable(code, 20)}"


def reach_of(scope: str) -> str:
    """How far a grant reaches, in a word."""
    return _scope_word(scope)


def decision(verdict: str) -> str:
    """What was decided of an action, as shape and word."""
    return {"allow": "● allowed", "ask": "◆ asked"}.get(verdict, "■ denied")


def named(names: Sequence[str]) -> str:
    """A few names, or nobody."""
    return listed(names, "and") or NOBODY


def on_call(group: str, persons: Sequence[str]) -> str:
    """Whom a group asks at this moment."""
    verb = "is" if len(persons) == 1 else "are"
    return f"{named(persons)} {verb} on call for {printable(group, _NAME)}."


def needed(sets: Sequence[Sequence[str]], extra: int, denier: str) -> str:
    """What an approval takes."""
    said = still_needed(sets, extra, denier)
    return f"{said[0].upper()}{said[1:]}."


def votes_so_far(count: int, sets: Sequence[Sequence[str]], extra: int) -> str:
    """How many have agreed, of how many at least."""
    seats = [sum(int(group.partition(":")[2] or 1) for group in one) for one in sets]
    return f"{count} of {min(seats, default=1) + extra}"
