"""Every word of Slack's messages, buttons and short answers about requests. Linking is `slack_links`.

What people or peers wrote passes through `printable` or `legible`. None of it is ever given to Slack
as markup; `plain` is for the few places where Slack knows nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gatekeep.messages import printable
from gatekeep.messages.deciding import at_time, listed, still_needed
from gatekeep.messages.legible import seen
from gatekeep.messages.ssh_approvals import lasting
from gatekeep.messages.web_requests import Reach
from gatekeep.messages.web_requests import approve_button as page_button

HEADER_LIMIT: Final = 150
REASON_LIMIT: Final = 1000
_NAME: Final = 63
_VERB: Final = 40
_FIELD: Final = 300
_US: Final = 1_000_000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600

_WANTS: Final = {
    "shell": "asks to open a shell on {target}",
    "tunnel": "asks to open a tunnel through {target}",
    "access": "asks for access to {target}",
}
NO_REASON: Final = "no reason given"
EMPTY: Final = "(empty)"
HIDDEN_PARTS: Final = "Secrets in it are hidden; approve in the console"
NOT_SHOWN: Final = "Its text is not shown in Slack; read and approve it in the console"
TOO_LONG: Final = "It is too long to be shown whole; approve in the console"
CONFUSABLE: Final = "Characters that may be taken for others are followed by their code points."
SECURITY_KEY: Final = "This takes a security key: it is decided in the console alone"
DENY: Final = "Deny…"
OPEN: Final = "Open"
DENY_TITLE: Final = "Deny"
INTENT_TITLE: Final = "Approve"
CANCEL: Final = "Cancel"
GO_ON: Final = "Go on"
REASON: Final = "Your reason (the requester reads it)"
REASON_MISSING: Final = "Say why: the requester reads it."
REASON_TOO_LONG: Final = f"At most {REASON_LIMIT:,} characters."


def plain(text: str) -> str:
    """Text for a place that Slack reads as markup: nothing in it is a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headline(principal: str, kind: str, verb: str, target: str) -> str:
    """Who asks for what, where."""
    wants = _WANTS.get(kind, "asks to run {verb} on {target}")
    said = wants.format(verb=_short(verb, _VERB), target=_short(target, _NAME))
    return _short(f"{_short(principal, _NAME)} {said}", HEADER_LIMIT, escaped=True)


def fallback(title: str, risk: str, request: str, left_s: int) -> str:
    """What a lock screen shows: no text of the command."""
    risky = f", {risk} risk" if risk else ""
    return f"{title}{risky}, {request}, {lasting(max(0, left_s))}"


def ended_fallback(title: str, state: str, request: str) -> str:
    """The same after the end."""
    return f"{title}: {state}, {request}"


def says(principal: str) -> str:
    """What the quoted words are."""
    return f"{_short(principal, _NAME)} says:"


def reason_of(text: str) -> str:
    """Words of the requester, on any number of lines, cut."""
    return printable(" ".join(text.split())) or NO_REASON


def part_shown(shown: int, lines: int) -> str:
    """Not all of it is here."""
    return f"{shown} of {lines:,} lines shown; approve in the console"


# fields, each as a name and what it says


def risk(name: str, tags: Sequence[str], where: str) -> tuple[str, str]:
    """How dangerous policy holds it to be, and why."""
    marks = [where] if where else []
    marks += [_short(tag.replace("_", " "), _VERB) for tag in tags]
    said = name or "not said"
    return "Risk", f"{said}: {', '.join(marks)}" if marks else said


def where_words(clauses: Sequence[str]) -> str:
    """What is to be said of its WHERE."""
    if "absent" in clauses:
        return "no WHERE"
    return "a WHERE that is always true" if "tautology" in clauses else ""


def field(name: str, said: str) -> tuple[str, str]:
    """Any other field."""
    return name, _short(said, _FIELD)


def before(states: Mapping[str, int], *, more: bool) -> str:
    """What became of the same before, as counts by state."""
    asked = sum(states.values())
    if not asked:
        return "never asked"
    told = [f"{states.get(name, 0)} {name}" for name in ("approved", "denied", "withdrawn")]
    shown = [one for one in told if not one.startswith("0 ") or one.endswith("approved")]
    return f"{asked}{'+' if more else ''} asked, {', '.join(shown)}"


def why_asked(rule: str, reason: str) -> str:
    """The rule, and its words."""
    return f"{rule}: {reason}" if reason else rule


def votes(given: Sequence[tuple[str, str]], sets: Sequence[Sequence[str]], extra: int, denier: str) -> str:
    """Votes so far, as (principal, verdict), and what it takes."""
    so_far = "; ".join(f"{_short(who, _NAME)}: {verdict}" for who, verdict in given)
    needed = still_needed(sets, extra, denier)
    return f"{so_far}; {needed}" if so_far else needed


def may_decide(deciders: Sequence[str]) -> str:
    """Who."""
    return listed(deciders[:10])


def standing(request: str, session: str, account: str, source: str) -> str:
    """What follows behind the time on the line of facts."""
    account_from = " from ".join(_short(one, _NAME) for one in (account, source) if one)
    return " · ".join(one for one in (request, session, account_from) if one)


OPEN_UNTIL: Final = "open until "


def minutes_left(left_s: int) -> str:
    """How long it is still open."""
    return f"{lasting(left_s)} left"


def approve_button(kind: str, scope: str, grant_s: int, *, held: bool, decides: bool) -> str:
    """What a click does, in the words of the page's own button.

    `held`: something waits in place for it. `decides`: one more yes is enough, whoever gives it.
    """
    reach = Reach(kind, "", "", "", "", "", grant_s, ahead=not held)
    return page_button("once" if held else scope, reach, decides=decides)


# ends


def waited(seconds: int) -> str:
    """A length of time, with seconds where they matter: `45 s`, `1 min 12 s`, `2 h`."""
    minutes, rest = divmod(max(0, seconds), _MINUTE_S)
    if seconds >= _HOUR_S:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min" + (f" {rest} s" if rest else "")


def ended(state: str, by: Sequence[str], scope: str) -> str:
    """How it ended; a comma and the time follow."""
    who = listed(by, "and") or "gatekeep"
    once = "once" if scope == "once" else f"for {'this ' if scope != 'access' else ''}{scope}"
    return {
        "approved": f"● {who} approved {once}",
        "denied": f"■ {who} denied",
        "expired": "Nobody answered in time; closed",
        "withdrawn": f"Withdrawn by {who}",
    }[state]


def after(seconds: int, reason: str) -> str:
    """What follows behind the time of the end."""
    quoted = f': "{reason_of(reason)}"' if reason.strip() else ""
    return f", after {waited(seconds)}{quoted}"


def ran(outcome: str, session: str, *, left: bool = False) -> tuple[str, str]:
    """What came of an approved request: before and behind a time. `left`: nobody waited any more."""
    kind, _, what = outcome.partition(": ")
    tail = f". Session {session}" if session else ""
    if kind == "void":
        why = "" if left else " changed after the question was asked"
        return "Not run, ", f": {_short(what, _FIELD)}{why}{tail}"
    return "Ran at ", f": {_short(outcome, _FIELD)}{tail}"


def outcome_fallback(request: str) -> str:
    """What a lock screen shows of it."""
    return f"{request}: how it ended"


def verdict(request: str, title: str, state: str, by: Sequence[str], reason: str) -> str:
    """The one message that the requester gets."""
    who = listed(by, "and") or "gatekeep"
    said = {
        "approved": f"{who} approved {request}",
        "denied": f"{who} denied {request}",
        "expired": f"Nobody answered {request} in time; nothing was run",
    }[state]
    why = f': "{reason_of(reason)}"' if reason.strip() else ""
    return f"{said}{why} ({title})"


GLASS_UNTIL: Final = "Nobody was asked. It lasts until "


def glass(principal: str, target: str, account: str) -> str:
    """Somebody broke the glass."""
    by, where, how = (_short(one, _NAME) for one in (principal, target, account))
    return _short(f"{by} broke the glass on {where} as {how}", HEADER_LIMIT, escaped=True)


# short answers, seen by who clicked alone


def unlinked(address: str) -> str:
    """Nobody's account."""
    where = f" Link it once: {address}" if address else " Link it once, in the console."
    return f"This Slack account is not linked to a principal yet.{where}"


def just_changed(request: str) -> str:
    """A click that may have been meant for what stood there a moment ago."""
    return f"The message of {request} has just changed. Look at it again; your click did not count."


def only_in_console(request: str, link: str) -> str:
    """It cannot be approved here."""
    return f"{request} can only be approved in the console{_at(link)}. Nothing changed."


def security_key(request: str, link: str) -> str:
    """Slack's word is not enough for it."""
    return f"{request} takes a security key, so clicks in Slack do not count. Decide it in the console{_at(link)}."


def step_up(request: str, link: str, reason: str) -> str:
    """High risk: the click was intent only."""
    said = f' Your reason, to take along: "{printable(reason, REASON_LIMIT)}"' if reason else ""
    return (
        f"{request} is of high risk: nothing is approved yet. Approve it with your second factor in the "
        f"console{_at(link)}.{said}"
    )


def young_link(request: str) -> str:
    """A link of today does not decide what is dangerous."""
    return (
        f"Your Slack account was linked less than 24 h ago, so it cannot decide {request}, which is of "
        "high risk. Nothing changed."
    )


def not_recorded(request: str) -> str:
    """The journal cannot write."""
    return f"This cannot be recorded right now, so {request} was not decided. Nothing changed."


def not_answered(request: str) -> str:
    """Slack did not open the dialogue in time."""
    return f"Slack did not open the dialogue for {request}. Nothing changed; click again."


NOT_OURS: Final = "gatekeep does not know this button. Nothing changed."
BUSY: Final = "Too much at once. Nothing changed; click again in a moment."


def at_clock(at_us: int) -> str:
    """A time where Slack cannot show it in the reader's own zone."""
    return at_time(at_us)


def _at(link: str) -> str:
    return f": {link}" if link else ""


def _short(text: str, limit: int, *, escaped: bool = False) -> str:
    """Short foreign text on one line, legible, cut."""
    shown = text if escaped else seen(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
