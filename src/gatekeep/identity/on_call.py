"""Who is on call for a group, by a schedule in a file. Says whom to tell first, never who may vote.

What it answers is intersected with the policy's groups by whoever asks. Where the file names a
webhook instead, that one is asked elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gatekeep.documents import HookUrl, SecretReference, read_document, validated
from gatekeep.domain.identity import Principal
from gatekeep.identity.principals import Name
from gatekeep.identity.zones import Zone

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_US: Final = 1_000_000
_MINUTE: Final = 60
_AHEAD_DAYS: Final = 9

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, StringConstraints(strict=True, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class _Turn(BaseModel):
    """One person's turn: from one date to another, or the same hours of a week for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person: Name
    first: dt.date | None = None
    last: dt.date | None = None
    days: tuple[Day, ...] = _DAYS
    begins: Clock = "00:00"
    ends: Clock = "00:00"

    @model_validator(mode="after")
    def _in_order(self) -> _Turn:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("ends before it begins | last is the last day that a turn begins on")
        return self


class _Escalation(BaseModel):
    """After so many seconds without an answer another group is asked as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after_s: Annotated[int, Field(strict=True, ge=1, le=86_400)]
    to: Name


class DutyHook(BaseModel):
    """Who answers for a group: an address, and a reference to the key of signatures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HookUrl
    secret: SecretReference


class _Group(BaseModel):
    """What is said of one group: turns, or who is asked for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: Zone = "UTC"
    turns: tuple[_Turn, ...] = ()
    webhook: DutyHook | None = None
    escalate: _Escalation | None = None

    @model_validator(mode="after")
    def _either(self) -> _Group:
        if self.turns and self.webhook is not None:
            raise ValueError("has turns and a webhook | keep one of them")
        return self


class _Schedule(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: dict[Name, _Group] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _to_others(self) -> _Schedule:
        for name, group in self.groups.items():
            if group.escalate is not None and group.escalate.to == name:
                raise ValueError(f"{name} escalates to itself | name another group")
        return self


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

    def until_us(self, group: str, at_us: int) -> int:
        """When that changes next, as far as a week tells; 0 where it does not."""
        said = self._groups.get(group)
        if said is None or not said.turns:
            return 0
        now, before = self.now(group, at_us), at_us
        for moment in _boundaries(said, at_us):
            if self.now(group, moment) != now:
                return self._change(group, before, moment)
            before = moment
        return 0

    def _change(self, group: str, before_us: int, after_us: int) -> int:
        """The second of a change between two times: a clock set forward may skip a turn's own."""
        now = self.now(group, before_us)
        while after_us - before_us > _US:
            half = (before_us + after_us) // 2 // _US * _US
            if self.now(group, half) == now:
                before_us = max(half, before_us + _US)
            else:
                after_us = half
        return after_us

    @property
    def hooks(self) -> Mapping[str, DutyHook]:
        """Who is asked for which group, instead of turns."""
        return {
            group: said.webhook for group, said in self._groups.items() if said.webhook is not None
        }

    def strangers(self, principals: Iterable[Principal]) -> Sequence[tuple[str, str]]:
        """(group, person) of each turn whose person is not in the group, so that it counts for none."""
        members = {
            (group, one.person) for one in principals if not one.owner for group in one.groups
        }
        turns = {
            (group, turn.person) for group, said in self._groups.items() for turn in said.turns
        }
        return sorted(turns - members)

    @property
    def groups(self) -> Sequence[str]:
        """All of whom the file says something, by name."""
        return sorted(self._groups)


NO_SCHEDULE: Final = Schedule({})


def load_schedule(file: Path | None) -> Schedule:
    """Read a schedule; none for no file. Raises SettingsError naming file, key and fix."""
    if file is None:
        return NO_SCHEDULE
    document = read_document(file)
    return Schedule(validated(_Schedule, document or {}, str(file)).groups, file.name)


def _boundaries(said: _Group, at_us: int) -> Sequence[int]:
    """Every time of the coming week at which a turn of this group may begin or end, in order."""
    zone = ZoneInfo(said.zone)
    today = dt.datetime.fromtimestamp(at_us / _US, zone).date()
    times = {clock for turn in said.turns for clock in (turn.begins, turn.ends)}
    moments = {
        int(dt.datetime.combine(day, _time(clock).replace(fold=fold), zone).timestamp())
        for day in (today + dt.timedelta(days=number) for number in range(_AHEAD_DAYS))
        for clock in times
        for fold in (0, 1)
    }
    return [moment * _US for moment in sorted(moments) if moment * _US > at_us]


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


def _time(clock: str) -> dt.time:
    return dt.time.fromisoformat(clock)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * _MINUTE + int(minutes)
