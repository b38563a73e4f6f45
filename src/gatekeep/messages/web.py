"""Every word on the web pages: headings, labels, sentences, and what a decision amounts to.

Templates hold no prose of their own. What people or peers wrote passes through `printable`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gatekeep.messages import printable

_US: Final = 1_000_000
_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class Trouble:
    """A page of trouble: what happened, what was not done, whom to ask or what to do."""

    what: str
    undone: str = ""
    advice: str = ""


# --- everywhere

PRODUCT: Final = "gatekeep"
SKIP: Final = "Skip to the content"
NAVIGATION: Final = "Main"
INBOX: Final = "Inbox"
GRANTS: Final = "Grants"
SUGGESTIONS: Final = "Suggestions"
SLACK: Final = "Slack"
SIGN_OUT: Final = "Sign out"
ALL_UTC: Final = "All times are UTC."
NOTHING_CHANGED: Final = "Nothing changed."
ONWARD: Final = "Going on"
ONWARD_LINK: Final = "Go on"


def signed_in_as(name: str) -> str:
    """Who is looking."""
    return f"Signed in as {printable(name, _NAME)}"


def plain(text: object, limit: int = 200) -> str:
    """Foreign text, safe to read."""
    return printable(str(text), limit)


# --- trouble

IN_CLEAR: Final = Trouble(
    "These pages are not given over a network in clear",
    NOTHING_CHANGED,
    "Open them on the gateway's own machine, or through a proxy with TLS that http.proxy_from names.",
)
TOO_FAST: Final = Trouble(
    "Too many requests at once", NOTHING_CHANGED, "Wait a minute, then load the page again."
)
TOO_LATE: Final = Trouble(
    "This took too long",
    "What you asked for may not have been done.",
    "Load the page again: it shows how things stand.",
)
FOREIGN_FORM: Final = Trouble(
    "This form did not come from one of our pages",
    NOTHING_CHANGED,
    "Open the page anew and send it from there. Behind a proxy, http.base_url must be the address "
    "in your browser.",
)
OLD_FORM: Final = Trouble(
    "This form is too old, or from before you signed in",
    NOTHING_CHANGED,
    "Open the page anew and send it again. Cookies must be allowed.",
)
SIGNED_OUT: Final = Trouble(
    "You are not signed in any more", NOTHING_CHANGED, "Sign in, and do it again."
)
CANNOT_RECORD: Final = Trouble(
    "This cannot be recorded right now, so it was not done",
    NOTHING_CHANGED,
    "Ask the operators of the gateway.",
)
NOT_FOUND: Final = Trouble(
    "Nothing is here, or nothing that you may see",
    "",
    "Look at the address, or begin at the inbox.",
)
NO_SLACK: Final = Trouble(
    "Slack is not set up here", NOTHING_CHANGED, "Ask the operators of the gateway."
)
_STATUS: Final[Mapping[int, Trouble]] = {
    404: NOT_FOUND,
    405: Trouble("This address takes no such request", NOTHING_CHANGED, "Begin at the inbox."),
    413: Trouble("This form is too large", NOTHING_CHANGED, "Write less."),
}


def of_status(status: int) -> Trouble:
    """The trouble that a bare status means."""
    return _STATUS.get(status, Trouble("This request makes no sense here", NOTHING_CHANGED))


def failed(incident: str) -> Trouble:
    """A fault of ours."""
    return Trouble(
        f"The gateway failed inside, incident {incident}",
        "What you asked for may not have been done.",
        "Load the page again; the operators find the incident in the gateway's diagnostics.",
    )


def not_permitted(public: str) -> Trouble:
    """Policy, or the desk, does not let this principal; its own words say why."""
    return Trouble(
        f"You may not do this: {printable(public)}", NOTHING_CHANGED, "Ask who owns the policy."
    )


def bad_request(public: str) -> Trouble:
    """What was sent makes no sense."""
    return Trouble(printable(public), NOTHING_CHANGED)


# --- signing in

SIGN_IN: Final = "Sign in"
SIGN_IN_NAME: Final = "Name"
PASSWORD: Final = "Password"  # noqa: S105 - a label
CODE: Final = "Code from your authenticator"
CODE_HINT: Final = "Six digits. Leave it empty if you have none."
SIGN_IN_REFUSED: Final = (
    "Sign-in refused. Name, password or code is wrong, or was tried too often: then wait five "
    "minutes. A code counts once."
)
SIGN_IN_BUSY: Final = "Too many people sign in at this moment. Try again in a few seconds."
SIGN_IN_RECORDED: Final = "Sign-ins, and what you look at here, are recorded."
SIGN_OUT_ASK: Final = "This ends your sign-in in this browser."


# --- times

def moment(at_us: int) -> str:
    """A time, such as `2026-11-12 14:20:07`; empty for one that has not come."""
    return f"{_at(at_us):%Y-%m-%d %H:%M:%S}" if at_us else ""


def iso(at_us: int) -> str:
    """The same for programs."""
    return f"{_at(at_us):%Y-%m-%dT%H:%M:%SZ}" if at_us else ""


def clock(at_us: int) -> str:
    """The time of day alone."""
    return f"{_at(at_us):%H:%M:%S}"


def lasting(seconds: float) -> str:
    """A length of time: `45 s`, `1 min 12 s`, `30 min`, `2 h`."""
    whole = max(0, int(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    if minutes:
        return f"{minutes} min" + (f" {rest} s" if rest and minutes < 10 else "")  # noqa: PLR2004 - seconds matter little later
    return f"{rest} s"


def left(until_us: int, now_us: int) -> str:
    """How long something stays open."""
    seconds = (until_us - now_us) // _US
    return f"{lasting(seconds)} left" if seconds > 0 else "no time left"


def _at(at_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_us / _US, dt.UTC)


# --- a command's text

SECRET: Final = "▇ secret"  # noqa: S105 - what stands for one
CHANGED_MARK: Final = "≠"


def empty_lines(count: int) -> str:
    """A run of empty lines, folded."""
    return f"⋯ {count} empty lines"


def blanks(count: int) -> str:
    """A run of blanks, folded."""
    return f"⋯{count} blanks⋯"


# --- lists

NAME_OF_LIST: Final[Mapping[str, str]] = {
    "waiting": "Waiting for you", "decided": "Decided", "mine": "Asked by you",
}  # fmt: skip
LISTS: Final = "Which requests"
EMPTY_LIST: Final[Mapping[str, str]] = {
    "waiting": "Nothing waits for you.",
    "decided": "Nothing that you may see was decided yet.",
    "mine": "You have asked for nothing yet. What policy asks about appears here by itself.",
}
COLUMNS_OF_REQUESTS: Final = ("Request", "Time", "Risk", "Who and where", "Asked to run", "Why", "Votes")
OLDER: Final = "Older"


def oldest_only(count: int) -> str:
    """A list that is longer than its page."""
    return f"The oldest {count} are shown; decide some, and others follow."


# --- grants

REVOKE: Final = "Revoke"
NO_GRANTS: Final = "No grant that you may see is live."
GRANTS_HINT: Final = "Leave that people gave for a time. Revoking ends sessions that live by it, at once."
COLUMNS_OF_GRANTS: Final = ("Grant", "Whose", "Where", "Reach", "Until", "Given by", "Used", "What", "Revoke")
GRANT_GONE: Final = Trouble(
    "There is no such grant, or none that you may see", NOTHING_CHANGED, "Look at the live grants."
)


# --- Slack

SLACK_TITLE: Final = "Your Slack account"
SLACK_UNLINKED: Final = "No Slack account is linked to you: clicks in Slack do not count as yours."
SLACK_BEGIN: Final = "Begin linking"
SLACK_BEGIN_HINT: Final = "Linking takes a code from your authenticator. Both ends are told of it."
SLACK_NEEDS_CODES: Final = (
    "Linking takes a code from an authenticator, and you have none. Ask the operators of the gateway."
)
SLACK_FINISH: Final = "Link this account"
SLACK_CODE: Final = "The code that Slack shows you"
SLACK_REFUSED: Final = "Not begun: the password or the code did not count. A code counts once. Nothing changed."
SLACK_BUSY: Final = "Not begun: too many people sign in at this moment. Nothing changed."


def slack_linked(account: str, display_name: str, workspace: str, at_us: int) -> str:
    """Which account is linked."""
    return (
        f"Linked to {printable(display_name, 80)} ({printable(account, 40)}) in the workspace "
        f"{printable(workspace, 80)} since {moment(at_us)}. If that is not you, tell the operators now."
    )


def slack_begun(workspace: str, instruction: str, ends_us: int) -> str:
    """What to do in Slack."""
    return (
        f"In the workspace {printable(workspace, 80)}: {printable(instruction, 300)} "
        f"Then type here the code that Slack shows you, until {clock(ends_us)}."
    )
