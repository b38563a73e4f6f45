"""What the loop reads grows with the journal and no faster, counted in calls and kept values."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from typing import Any

import pytest
from support.loop_events import LoopStory
from support.loop_journal import Sealed
from support.loop_work import RULES, Month

from gatekeep.feedback.evidence import Collector
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_witness import EventTaker

SMALL = 4000


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """A journal of some 16,000 events."""
    sealed = Sealed(tmp_path_factory.mktemp("size") / "journal")
    story = LoopStory(sealed)
    story.activated(main=RULES)
    month = Month(story)
    while sealed.spool.n < 4 * SMALL:
        month.session()
    sealed.finish()
    return sealed


class Measured:
    """One reading of the first `events`: calls of Python functions, and what is kept in the end."""

    def __init__(self, sealed: Sealed, events: int) -> None:
        files = EventFiles(sealed.spool.journal)
        held = list(files.events(0, events))
        files.close()
        self.calls = 0
        taker = EventTaker(Collector(), Unsealer(sealed.spool.ring, sealed.spool.keys))
        gc.collect()
        tracemalloc.start()
        taker.take(held)
        self.kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        self.opened, self.parsed = taker.opened, taker.parsed
        taker = EventTaker(Collector(), Unsealer(sealed.spool.ring, sealed.spool.keys))
        sys.setprofile(self._called)
        try:
            taker.take(held)
            taker.collector.evidence(0, verified=True)
        finally:
            sys.setprofile(None)

    def _called(self, _frame: Any, event: str, _argument: Any) -> None:
        self.calls += event == "call"


def test_work_and_memory_grow_with_the_journal(sealed: Sealed) -> None:
    """Four times the events cost at most four times the calls and the memory, and a little."""
    small, large = Measured(sealed, SMALL), Measured(sealed, 4 * SMALL)
    assert large.calls < 4.4 * small.calls
    assert large.kept < 4.4 * small.kept
    assert large.parsed < 4.4 * small.parsed


def test_outcomes_are_never_opened_and_repeats_never_parsed(sealed: Sealed) -> None:
    """Of all events less than six in ten are opened, and a quarter is read whole."""
    seen = Measured(sealed, 4 * SMALL)
    assert seen.opened < 0.65 * 4 * SMALL
    assert seen.parsed < 0.45 * 4 * SMALL
