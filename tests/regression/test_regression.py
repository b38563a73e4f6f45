"""PostgreSQL's own regression tests give the same through the gateway as directly.

A handful that build on nothing here; the whole schedule is the `soak` (and `make regression`).
Skipped with the reason where PostgreSQL's sources are not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.postgres_server import wheel_binaries

from regression.run import line, total
from regression.sides import major
from regression.sources import NoSourcesError, available
from regression.workshop import workshop

pytestmark = pytest.mark.journey

FEW = [
    "test_setup", "transactions", "prepared_xacts", "copyselect", "portals_p2", "prepare",
    "delete", "comments", "event_trigger_login",
]  # fmt: skip


def test_a_few_give_the_same() -> None:
    """One after the other, as they build on `test_setup`: the same output, but for what is explained."""
    missing = available(major(wheel_binaries()))
    if missing:
        pytest.skip(missing)
    with workshop() as opened:
        for test in FEW:
            verdict = opened.compare(test)
            assert verdict.word != "different", f"{line(verdict)}\n{_told(verdict.findings)}"
        assert opened.faults() == []


@pytest.mark.soak
def test_the_whole_schedule_gives_the_same() -> None:
    """Every test in its order: nothing differs that is not explained, no explanation is stale."""
    try:
        with workshop() as opened:
            verdicts = [opened.compare(test) for test in opened.schedule()]
            faults = opened.faults()
    except NoSourcesError as error:
        pytest.skip(str(error))
    different = [verdict for verdict in verdicts if verdict.word == "different"]
    assert [f"{line(v)}\n{_told(v.findings)}" for v in different] == [], total(verdicts)
    assert [(one.tests, one.why) for one in opened.expected.unused(verdicts)] == []
    assert faults == []
    assert len(verdicts) > 200


def _told(findings: Sequence[object]) -> str:
    return "\n".join(map(str, findings[:20]))
