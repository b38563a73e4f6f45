"""Stories of standing rules in a comparison: what one wakes up by is no tightening."""

from __future__ import annotations

from gatekeep.policy.difference import difference
from gatekeep.policy.loading import load
from gatekeep.policy.strictness import Bearing

ASKS = (
    '@id("asks") permit (principal in Group::"e", action == Action::"sql.write", resource)\n'
    'when { context has approval && context.approval.groups.contains("dba") };\n'
)
OTHER = ASKS.replace('"asks"', '"other"').replace('"dba"', '"security"')
FORBID = (
    '@id("gate") forbid (principal, action == Action::"sql.write", resource)\n'
    'unless { context has approval && context.approval.groups.contains("dba") };\n'
)


def standing(*texts: str) -> str:
    """A standing rule that answers exactly these rules."""
    rules = load({str(number): text for number, text in enumerate(texts)}).rules
    marks = ", ".join(f'"{rule.mark}"' for rule in rules)
    return (
        '@id("adopted") permit (principal in Group::"e", action == Action::"sql.write", resource)'
        f" when {{ context has asked_by && context.asked_by == [{marks}] }};\n"
    )


def bearings(old: str, new: str) -> dict[str, Bearing]:
    """What is said of each change."""
    return {one.id: one.bearing for one in difference(load({"a": old}), load({"a": new})).changes}


def test_one_that_comes_loosens_and_one_that_goes_does_not() -> None:
    """As any permit; and it is counted by its id."""
    with_it = ASKS + standing(ASKS)
    assert bearings(ASKS, with_it) == {"adopted": Bearing.LOOSER}
    assert bearings(with_it, ASKS) == {"adopted": Bearing.STRICTER}
    assert bearings(with_it, with_it) == {}


def test_fewer_conditions_loosen_and_more_do_not() -> None:
    """One clause more, one less."""
    narrow = standing(ASKS).replace(" }", ' && context.verb == "UPDATE" }')
    assert bearings(ASKS + standing(ASKS), ASKS + narrow) == {"adopted": Bearing.STRICTER}
    assert bearings(ASKS + narrow, ASKS + standing(ASKS)) == {"adopted": Bearing.LOOSER}


def test_a_permit_that_goes_may_wake_one() -> None:
    """Two asked, and the standing rule answers one alone: now that one alone asks."""
    both = ASKS + OTHER
    assert bearings(both, ASKS) == {"other": Bearing.STRICTER}
    assert bearings(both + standing(ASKS), ASKS + standing(ASKS)) == {"other": Bearing.UNPROVEN}


def test_a_rule_that_reads_as_it_once_did_may_wake_one() -> None:
    """Only words changed, and with them its mark came back."""
    renamed = ASKS.replace("permit", '@title("new words") permit')
    assert bearings(renamed, ASKS) == {"asks": Bearing.SAME}
    assert bearings(renamed + standing(ASKS), ASKS + standing(ASKS)) == {"asks": Bearing.UNPROVEN}
    assert bearings(ASKS + standing(ASKS), renamed + standing(ASKS)) == {"asks": Bearing.SAME}


def test_a_forbid_that_one_waits_for_may_wake_it() -> None:
    """It asks, and the answer stands there already; any other forbid only tightens."""
    waiting = standing(ASKS, FORBID)
    assert bearings(ASKS + waiting, ASKS + waiting + FORBID) == {"gate": Bearing.UNPROVEN}
    assert bearings(ASKS + standing(ASKS), ASKS + standing(ASKS) + FORBID) == {"gate": Bearing.STRICTER}
