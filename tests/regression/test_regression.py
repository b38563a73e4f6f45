"""PostgreSQL's own regression tests give the same through the gateway as directly.

A handful that build on nothing here; the whole schedule is the `soak` (and `make regression`).
Skipped with the reason where PostgreSQL's sources are not at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgres_server import wheel_binaries

from regression.run import line, total
from regression.sides import major
from regression.sources import NoSourcesError, available
from regression.workshop import Workshop, workshop

pytestmark = pytest.mark.journey

FEW = [
    "test_setup", "transactions", "prepared_xacts", "copyselect", "portals_p2", "prepare",
    "namespace", "psql_crosstab", "delete", "comments",
]  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Iterator[Workshop]:
    """Both ways, running; `test_setup` is the first of the tests."""
    missing = available(major(wheel_binaries()))
    if missing:
        pytest.skip(missing)
    with workshop() as opened:
        yield opened
        assert opened.faults() == []


@pytest.mark.parametrize("test", FEW)
def test_a_few_give_the_same(shop: Workshop, test: str) -> None:
    """The same output, but for what is explained."""
    verdict = shop.compare(test)
    assert verdict.word != "different", _told(verdict.findings) or verdict.note


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


def _told(findings: list[object]) -> str:
    return "\n".join(map(str, findings[:20]))
