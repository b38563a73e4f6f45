"""What callers send about suggestions: bodies and queries, with their bounds. Nothing is done here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gatekeep.domain.suggestions import SampleAnswer, SuggestionState
from gatekeep.feedback.seen import SHOWN_DIGITS
from gatekeep.web.wishes import Code, GivenReason, Moment, Reason


class _Query(BaseModel):
    """Parameters of an address; unknown ones are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Body(BaseModel):
    """A JSON object; unknown fields are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SuggestionsQuery(_Query):
    """Which suggestions: those in this state, all of them without one."""

    state: SuggestionState | None = None


class AcceptBody(_Body):
    """A yes. `digest` proves what was seen: 12 digits or more of it."""

    digest: Annotated[str, Field(min_length=SHOWN_DIGITS, max_length=64, pattern=r"^[0-9a-fA-F]+$")]
    reason: GivenReason
    narrower: bool = Field(default=False, description="the narrower form instead")
    code: Code | None = Field(default=None, description="from the authenticator; where it loosens")


class SuggestionReasonBody(_Body):
    """Why."""

    reason: GivenReason


class TakeBackBody(_Body):
    """Why it is taken back; what asked more, and is in force, takes a second factor."""

    reason: GivenReason
    code: Code | None = Field(default=None, description="from the authenticator")


class SnoozeBody(_Body):
    """Until when it is put off, and why."""

    until_us: Moment = Field(description="µs UTC, later than now")
    reason: Reason = ""


class SamplesQuery(_Query):
    """Which samples."""

    which: Literal["unanswered", "all"] = "unanswered"


class SampleBody(_Body):
    """Whether it was right that it passed; what was wrong wants a reason."""

    answer: SampleAnswer
    reason: Reason = ""
