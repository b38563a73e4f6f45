"""How long `candidates` takes over a large history."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from support.deeds import (
    NOW_US,
    PERSONS,
    History,
    ago,
    at,
    command,
    denied,
    moved,
    on_sql,
    statement,
)

from gatekeep.feedback.candidates import candidates
from gatekeep.feedback.deeds import Deed, Where

_WHOLE = 300_000
_PART = 10_000
_WITHIN_S = 8.0


def _deeds(count: int) -> list[Deed]:
    """Deeds of 60 persons: 400 commands, 200 statements with two values, a few denied."""
    places: list[Where] = [
        at(f"p{number}", target=f"web-{number % 9}") for number in range(60)
    ]
    tables: list[Where] = [on_sql(f"p{number}") for number in range(60)]
    commands = [command(f"systemctl restart unit-{number}") for number in range(400)]
    update = "update t{} set note = $1:text where id = $2:int"
    statements = [
        [statement(update.format(number), [f"'{value % 7}'", str(value)]) for value in range(40)]
        for number in range(200)
    ]
    made: list[Deed] = []
    for number in range(count):
        when = ago(89.9 * (1 - number / count))
        if number % 2:
            like, where = commands[number * 7 % 400], places[number % 60]
        else:
            like, where = statements[number * 3 % 200][number * 11 % 40], tables[number % 59]
        deed = moved(like, when, where=where, approvers=(PERSONS[number // 400 % 5],))
        made.append(denied(deed) if number % 9973 == 0 else replace(deed, n=number + 1))
    return made


def _seconds(count: int) -> float:
    """Processor time, so that a busy machine matters less."""
    history = History().add(_deeds(count))
    evidence, version = history.evidence(), history.version()
    begin = time.process_time()
    found = candidates(evidence, version, NOW_US)
    took = time.process_time() - begin
    assert len(found) >= 300
    return took


@pytest.mark.soak
def test_300_000_deeds_in_8_seconds() -> None:
    """The whole size, on a machine that is not busy."""
    took = _seconds(_WHOLE)
    assert took < _WITHIN_S, f"{took:.1f} s"


def test_a_part_of_it_on_a_busy_machine() -> None:
    """Whatever grows with the square of the deeds would show here already."""
    took = _seconds(_PART)
    assert took < _WITHIN_S, f"{took:.1f} s"
