"""What the JSON API says of approvals when something was not done: what, why, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from gatekeep.messages import printable

ID_CHARACTERS = 40


class Words(NamedTuple):
    """The three parts of every error."""

    what: str
    why: str = ""
    advice: str = ""


NOT_SET_UP = Words("approvals are not set up here")
NOT_JSON = Words(
    "the body is not announced as JSON", "", "send it with Content-Type: application/json"
)
TOKEN_NEEDED = Words(
    "a token is needed", "there is no Authorization: Bearer", "gatekeep tokens new makes one"
)
TOKEN_REFUSED = Words(
    "sign-in refused",
    "the token is unknown, expired or revoked",
    "gatekeep tokens new makes another",
)
TOKENS_LOCKED = Words(
    "too many wrong tokens from this address", "", "wait five minutes, then try again"
)
NO_AUTHENTICATOR = Words(
    "this takes a code from your authenticator, and none is registered for you",
    "",
    "add totp to your entry in principals.yaml, then gatekeep reload",
)
WRONG_CODE = Words(
    "that is not the code of this moment",
    "codes change every 30 s, and each counts once",
    "wait for the next code",
)
CODES_LOCKED = Words("too many wrong codes", "", "wait five minutes, then try again")
CODES_PACED = Words("too many wrong codes", "", "wait ten seconds, then try again")


def no_request(request_id: str) -> Words:
    """There is none, or none that the caller may see: the same words for both."""
    return _nothing("request", request_id, "gatekeep approvals ls lists those that wait")


def no_grant(grant_id: str) -> Words:
    """There is none, or none that the caller may see."""
    return _nothing("grant", grant_id, "gatekeep grants ls lists them")


def no_delegation(delegation_id: str) -> Words:
    """There is none, or none that the caller may see."""
    return _nothing("delegation", delegation_id, "gatekeep approvals delegations lists them")


def no_review(review_id: str) -> Words:
    """There is none, or none that the caller may see."""
    return _nothing("review", review_id, "gatekeep approvals reviews lists them")


def no_principal(name: str) -> Words:
    """Nobody is called so."""
    return _nothing("principal", name, "gatekeep principals ls lists them")


def not_counted(words: str, request_id: str, *, late: bool = False) -> Words:
    """A ballot, or a withdrawal, that changed nothing, in the desk's own words."""
    follow = "show" if late else "approvals show"
    said = words.removesuffix(" Nothing changed.").removesuffix(".")
    return Words(said, "nothing changed", f"gatekeep {follow} {request_id}")


def not_understood(place: str, fault: str) -> str:
    """A value of a query or body that is not what it must be."""
    return f"{printable(place)}: {printable(fault)}" if place else printable(fault)


def given_twice(name: str) -> str:
    """A parameter that stands in the query more than once."""
    return f"{printable(name)} is given twice"


def _nothing(kind: str, name: str, advice: str) -> Words:
    return Words(f"no {kind} {printable(name, ID_CHARACTERS)}", "", advice)
