"""Who is on call: by dates, by weeks, over midnight and over a change of the clocks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from gatekeep.errors import SettingsError
from gatekeep.identity.on_call import NO_SCHEDULE, Schedule, load_schedule

FILE = """
groups:
  dba:
    zone: Europe/Berlin
    escalate: {after_s: 300, to: dba-lead}
    turns:
      - {person: bob, first: 2026-11-23, last: 2026-11-29}
      - {person: carol, first: 2026-11-30, last: 2026-12-06}
      - {person: dan, days: [sat, sun], begins: "22:00", ends: "06:00"}
  sre:
    turns: []
"""


def loaded(tmp_path: Path, text: str = FILE) -> Schedule:
    """A schedule out of a file."""
    path = tmp_path / "on-call.yaml"
    path.write_text(text)
    return load_schedule(path)


def at(text: str) -> int:
    """Microseconds of a time in UTC."""
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("2026-11-22T22:59", {"dan"}),  # Sunday night in Berlin
        ("2026-11-22T23:00", {"bob", "dan"}),  # Monday there, and still Sunday's turn
        ("2026-11-24T12:00", {"bob"}),
        ("2026-11-29T22:59", {"bob", "dan"}),
        ("2026-11-30T12:00", {"carol"}),
        ("2026-12-08T12:00", set()),
        ("2026-03-29T00:30", {"dan"}),  # the night in which the clocks go forward
        ("2026-03-29T03:59", {"dan"}),  # 05:59 by the new time
        ("2026-03-29T04:00", set()),
    ],
)
def test_turns(tmp_path: Path, when: str, who: set[str]) -> None:
    """Dates and hours are those of the group's zone; a turn over midnight is its first day's."""
    assert loaded(tmp_path).now("dba", at(when)) == who


def test_what_is_not_said(tmp_path: Path) -> None:
    """A group without turns, or not named, asks everybody; so does no file at all."""
    schedule = loaded(tmp_path)
    assert schedule.now("sre", at("2026-11-24T12:00")) is None
    assert schedule.now("security", at("2026-11-24T12:00")) is None
    assert NO_SCHEDULE.now("dba", 0) is None
    assert load_schedule(None) is NO_SCHEDULE


def test_who_is_asked_when_nobody_answers(tmp_path: Path) -> None:
    """After so many seconds, which group."""
    schedule = loaded(tmp_path)
    assert schedule.escalation("dba") == (300, "dba-lead")
    assert schedule.escalation("sre") is None
    assert (schedule.groups, schedule.file) == (["dba", "sre"], "on-call.yaml")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("groups: {dba: {zone: Mars/Olympus}}", "groups.dba.zone"),
        ("groups: {dba: {turns: [{person: bob, begins: '25:00'}]}}", "groups.dba.turns[0].begins"),
        ("groups: {dba: {turns: [{person: bob, day: [mon]}]}}", "groups.dba.turns[0].day"),
        ("groups: {dba: {escalate: {after_s: 0, to: x}}}", "groups.dba.escalate.after_s"),
    ],
)
def test_a_fault_names_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(SettingsError) as raised:
        loaded(tmp_path, text)
    assert raised.value.key == key
    assert raised.value.file.endswith("on-call.yaml")
