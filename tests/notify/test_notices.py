"""From the gate to every place that is told: nobody waits, and no fault of one place is another's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.clock import MovedClock
from support.notice_samples import FOR_DBA, WRITES, notice
from support.polling import until

from gatekeep.notify.notice_folds import Batch
from gatekeep.notify.notices import Notices


class Desk:
    """Notices to two places, the first of which fails."""

    def __init__(self) -> None:
        self.clock = MovedClock()
        self.told: list[Batch] = []
        self.muted: dict[str, int] = {}
        self.notices = Notices(
            self.clock, (self._fails, self.told.append), self._muted, turn_s=0.001
        )

    def _fails(self, batch: Batch) -> None:
        raise RuntimeError(str(len(batch.folds)))

    def _muted(self, mark: str, count: int) -> bool:
        if mark not in self.muted:
            return False
        self.muted[mark] += count
        return True

    @property
    def lines(self) -> list[Any]:
        """The rules of all lines so far."""
        return [one.newest.rule for batch in self.told for one in batch.folds]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """One that runs."""
    made = Desk()
    yield made
    await made.notices.close()


async def test_a_notice_is_told_though_another_place_fails(desk: Desk) -> None:
    """Taking it says nothing yet: the gate goes on at once."""
    desk.notices.note(notice())
    assert desk.told == []
    await until(lambda: desk.told, "it is told")
    assert desk.lines == [WRITES]


async def test_a_muted_rule_is_counted_in_place_of_being_told(desk: Desk) -> None:
    """And only that rule."""
    desk.muted[WRITES.mark] = 0
    for one in (notice(), notice(), notice(FOR_DBA)):
        desk.notices.note(one)
    await until(lambda: desk.told, "the other is told")
    assert desk.lines == [FOR_DBA]
    assert desk.muted == {WRITES.mark: 2}


async def test_it_goes_on_after_a_pause(desk: Desk) -> None:
    """When all is told the task ends; the next notice starts it again."""
    desk.notices.note(notice())
    await until(lambda: desk.told, "the first")
    desk.clock.pass_s(601)
    await until(lambda: not len(desk.notices._owner), "nothing is left to do")
    desk.notices.note(notice(FOR_DBA))
    await until(lambda: len(desk.told) == 2, "the second")


async def test_what_waits_at_the_end_is_told_and_nothing_after_it(desk: Desk) -> None:
    """A gateway that is stopped says its last words; one that is gone takes no more."""
    desk.notices.note(notice())
    await desk.notices.close()
    assert desk.lines == [WRITES]
    desk.notices.note(notice(principal="late"))
    await desk.notices.close()
    assert desk.lines == [WRITES]
