"""What callers send: bodies and queries of the versioned API, with their bounds. Nothing is done here."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gatekeep.domain.approvals import RequestState, Scope, VoteVerdict

MAX_LIMIT: Final = 100
MAX_WAIT_S: Final = 20
MAX_GRANT_S: Final = 30 * 86_400
MAX_STANDING_IN_S: Final = 90 * 86_400
LAST_US: Final = 2**53 - 1

_DIGITS: Final = 16


def _whole(text: Any) -> Any:
    """Digits alone: numbers of a query have one way to be written."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return int(text)
    if isinstance(text, int):
        return text
    raise ValueError("is not a whole number")


Word = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=63)]
Account = Annotated[str, Field(max_length=63, description="may be left out where there is but one")]
Identifier = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(max_length=1000)]
GivenReason = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]
Code = Annotated[str, Field(min_length=1, max_length=16)]
Seconds = Annotated[int, Field(ge=0, le=MAX_GRANT_S)]
Moment = Annotated[int, Field(ge=0, le=LAST_US)]
Text = Annotated[str, Field(min_length=1, max_length=256 * 1024, pattern=r"\S")]


class _Query(BaseModel):
    """Parameters of an address; unknown ones are faults, so that a slip never shows everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Body(BaseModel):
    """A JSON object; unknown fields are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RequestsQuery(_Query):
    """Which requests: those that fit all of it. `q` is looked for in the text that is asked."""

    state: RequestState | None = None
    principal: Word = ""
    target: Word = ""
    q: Word = ""
    limit: Annotated[
        int,
        BeforeValidator(_whole),
        Field(ge=1, le=MAX_LIMIT),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
    ] = MAX_LIMIT
    before: Word = Field(default="", description="the id where the page before ended")


class Awaited(enum.StrEnum):
    """What a caller waits for."""

    DECIDED = "decided"
    OUTCOME = "outcome"


class RequestQuery(_Query):
    """How long to wait for a change: until it is decided, or until it is known what came of it."""

    wait_s: Annotated[
        int,
        BeforeValidator(_whole),
        Field(ge=0, le=MAX_WAIT_S),
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_WAIT_S}),
    ] = 0
    until: Awaited = Awaited.DECIDED


class RequestBody(_Body):
    """Leave that is asked for ahead of time: for one text, or (with neither) for the target."""

    target: Name
    account: Account = ""
    statement: Text | None = Field(default=None, description="SQL, exactly as it will be sent")
    command: Text | None = Field(default=None, description="a line, exactly as it will be run")
    reason: Reason = ""
    ticket: Word = ""
    for_s: Seconds = Field(default=0, description="how long; 0 for the gateway's default")
    starts_us: Moment = Field(default=0, description="µs UTC; 0 for as soon as it is approved")


class VoteBody(_Body):
    """What is said on a request. `digest` proves what was seen: 12 digits or more of it."""

    verdict: VoteVerdict
    digest: Annotated[str, Field(min_length=12, max_length=64, pattern=r"^[0-9a-fA-F]+$")]
    reason: Reason = ""
    scope: Scope = Scope.ONCE
    freed: Annotated[tuple[Annotated[int, Field(ge=0, le=10_000)], ...], Field(max_length=100)] = ()
    for_s: Seconds = Field(default=0, description="how long; 0 for the gateway's default")
    code: Code | None = Field(default=None, description="from the authenticator; for high risk")


class WithdrawBody(_Body):
    """Why a request is taken back."""

    reason: Reason = ""


class GrantsQuery(_Query):
    """Which grants."""

    principal: Word = ""
    which: Literal["live", "all"] = "live"
    id: Word = Field(default="", description="the beginning of an id")


class NoBody(_Body):
    """Nothing has to be said."""


class BreakGlassBody(_Body):
    """Leave that is taken at once: everybody concerned is told, and a review follows."""

    target: Name
    account: Account = ""
    reason: GivenReason
    for_s: Seconds = Field(default=0, description="how long; 0 for the gateway's default")
    code: Code | None = Field(default=None, description="from the authenticator")


class ReviewsQuery(_Query):
    """Which reviews."""

    which: Literal["open", "all"] = "open"


class ReviewBody(_Body):
    """What was found."""

    finding: GivenReason


class DelegationsQuery(_Query):
    """Which delegations."""

    which: Literal["live", "all"] = "live"


class DelegationBody(_Body):
    """Whom the caller lets vote in his place, for which groups (none: all of his), and how long."""

    to: Name
    for_s: Annotated[int, Field(ge=1, le=MAX_STANDING_IN_S)]
    groups: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    starts_us: Moment = Field(default=0, description="µs UTC; 0 for at once")
    reason: Reason = ""
