"""The settings of the feedback loop: names, meanings, limits, defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Days = Annotated[int, Field(strict=True, ge=1, le=90)]


class FeedbackSettings(BaseModel):
    """What is looked for in the journal, how long it is tried, and when people are told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: Annotated[bool, Field(strict=True)] = Field(
        default=True,
        description="Whether the journal is searched for suggestions. Those that were accepted are watched "
        "all the same.",
    )
    every_s: Annotated[float, Field(strict=True, ge=60, le=86_400)] = Field(
        default=3600.0, description="Seconds between two looks at the journal."
    )
    shadow_days: Days = Field(
        default=7,
        description="Days that an accepted relaxation is only tried on what is asked, before it lets "
        "anything pass.",
    )
    shadow_hits: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=20, description="Matches after which that trial ends earlier."
    )
    canary_days: Days = Field(
        default=14, description="Days in force during which at least one match a day is looked at."
    )
    expires_days: Days = Field(
        default=90, description="Days after which an adopted rule ends, at most 90."
    )
    digest_day: Literal[
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
    ] = Field(default="monday", description="Day of the weekly digest.")
    digest_hour: Annotated[int, Field(strict=True, ge=0, le=23)] = Field(
        default=9, description="Its hour, UTC."
    )
