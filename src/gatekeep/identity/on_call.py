"""Who is on call for a group, by a schedule in a file. Says whom to tell first, never who may vote.

What it answers is intersected with the policy's groups by whoever asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from gatekeep.documents import read_document, validated
from gatekeep.domain.delegations import OnCall
from gatekeep.identity.principals import Name

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_US: Final = 1_000_000
_MINUTE: Final = 60

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, StringConstraints(strict=True, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name} is no time zone | write one such as Europe/Berlin") from None
    return name


class _Turn(BaseModel):
    """One person's turn: from one date to another, or the same hours of a week for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person: Name
    first: dt.date | None = None
    last: dt.date | None = None
    days: tuple[Day, ...] = _DAYS
    begins: Clock = "00:00"
    ends: Clock = "00:00"


class _Escalation(BaseModel):
    """After so many seconds without an answer another group is asked as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after_s: Annotated[int, Field(strict=True, ge=1, le=86_400)]
    to: Name


class _Group(BaseModel):
    """What is said of one group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    turns: tuple[_Turn, ...] = ()
    escalate: _Escalation | None = None


class _Schedule(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: dict[Name, _Group] = Field(default_factory=dict)


class Schedule:
    """A schedule as loaded; `file` names it, empty for none."""

    def __init__(self, groups: Mapping[str, _Group], file: str = "") -> None:
        self._groups = groups
        self.file = file

    def now(self, group: str, at_us: int) -> frozenset[str] | None:
        """The persons on call for a group at this time; None where nothing is said of it."""
        said = self._groups.get(group)
        if said is None or not said.turns:
            return None
        local = dt.datetime.fromtimestamp(at_us / _US, ZoneInfo(said.zone))
        return frozenset(turn.person for turn in said.turns if _has_it(turn, local))

    def escalation(self, group: str) -> tuple[int, str] | None:
        """After how many seconds which group is asked as well."""
        said = self._groups.get(group)
        if said is None or said.escalate is None:
            return None
        return said.escalate.after_s, said.escalate.to

    def all(self, at_us: int) -> Sequence[OnCall]:
        """Whom each group of the schedule asks at this time."""
        return [
            OnCall(group, tuple(sorted(self.now(group, at_us) or ())), self.file)
            for group in sorted(self._groups)
        ]


NO_SCHEDULE: Final = Schedule({})


def load_schedule(file: Path | None) -> Schedule:
    """Read a schedule; none for no file. Raises SettingsError naming file, key and fix."""
    if file is None:
        return NO_SCHEDULE
    document = read_document(file)
    return Schedule(validated(_Schedule, document or {}, str(file)).groups, file.name)


def _has_it(turn: _Turn, local: dt.datetime) -> bool:
    """Whether it is this turn's time. One that ends at or before it begins lasts into the next day."""
    begins, ends = _minutes(turn.begins), _minutes(turn.ends)
    now = local.hour * _MINUTE + local.minute
    if begins < ends:
        return begins <= now < ends and _covers(turn, local.date())
    if now >= begins:
        return _covers(turn, local.date())
    return now < ends and _covers(turn, local.date() - dt.timedelta(days=1))


def _covers(turn: _Turn, day: dt.date) -> bool:
    in_time = (turn.first is None or turn.first <= day) and (turn.last is None or day <= turn.last)
    return in_time and _DAYS[day.weekday()] in turn.days


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * _MINUTE + int(minutes)
