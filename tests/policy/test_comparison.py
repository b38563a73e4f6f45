"""Stories of two versions side by side: rules, cases, and words that promise no more than is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatekeep.policy.cases import CaseFile, read_cases
from gatekeep.policy.comparison import Comparison, bearing_words, compare
from gatekeep.policy.loading import load

READS = '@id("reads") permit (principal in Group::"engineers", action == Action::"sql.read", resource);\n'
NO_DROP = (
    '@id("no-drop") @why("migrations drop") forbid (principal, action in Action::"sql", resource)\n'
    'when { context.verb == "DROP" };\n'
)
DDL = (
    '@id("ddl") permit (principal in Group::"engineers", action == Action::"sql.ddl", resource);\n'
)
ASKS = DDL.replace(
    ";", '\nwhen { context has approval && context.approval.groups.contains("dba") };'
)
CASES: dict[str, Any] = {
    "groups": {"engineers": ["alice"], "dba": ["bob"]},
    "targets": {"orders": {}},
    "cases": [
        {"name": "a drop", "who": "alice", "on": "orders", "action": "sql.ddl",
         "facts": {"verb": "DROP"}, "expect": "deny"},
        {"name": "a create", "who": "alice", "on": "orders", "action": "sql.ddl",
         "facts": {"verb": "CREATE"}, "expect": "ask"},
        {"name": "a read", "who": "alice", "on": "orders", "action": "sql.read",
         "facts": {"verb": "SELECT"}, "expect": "allow"},
    ],
}  # fmt: skip


def side_by_side(old: str, new: str, *more: CaseFile) -> Comparison:
    """Two texts compared by the cases above."""
    files = [read_cases("c.yaml", CASES), *more]
    return compare(load({"a.cedar": old}), load({"a.cedar": new}), files, lambda *_: ())


def test_a_version_does_not_differ_from_itself() -> None:
    """Nothing added, removed, changed, shifted or loosened."""
    found = side_by_side(READS + ASKS, READS + ASKS)
    assert (found.rules.changes, found.shifts, found.loosenings) == ((), (), ())
    assert found.verdict() == "no rule differs"
    assert found.replayed == 3


def test_a_removed_forbid_loosens_and_a_case_shows_it() -> None:
    """The rule is named, and the case with both verdicts and both rules."""
    found = side_by_side(READS + NO_DROP + DDL, READS + DDL)
    assert found.rules.ids("removed") == ["no-drop"]
    (shift,) = found.shifts
    assert (shift.kind, shift.words()) == (
        "loosened",
        "orders/a drop: deny → allow (rule no-drop → rule ddl)",
    )
    assert found.loosenings == (
        "removed forbid no-drop (lets more pass)",
        "case orders/a drop: deny → allow (rule no-drop → rule ddl)",
    )
    assert found.verdict() == "loosens: cases show it"


def test_ask_to_allow_loosens_and_allow_to_ask_tightens() -> None:
    """Both directions of one change; the verdict asked for names who could approve."""
    loosened = side_by_side(READS + ASKS, READS + DDL)
    assert [one.kind for one in loosened.shifts] == ["loosened", "loosened"]
    assert "ask dba → allow" in loosened.shifts[0].words()
    tightened = side_by_side(READS + DDL, READS + ASKS)
    assert [one.kind for one in tightened.shifts] == ["tightened", "tightened"]
    assert tightened.loosenings == ()
    assert tightened.verdict() == "tightens: every change is proven stricter"


def test_other_approvers_are_told_and_not_called_either() -> None:
    """Who is asked matters, even where the verdict stays ask."""
    found = side_by_side(ASKS, ASKS.replace('"dba"', '"engineers:2"'))
    assert {one.kind for one in found.shifts} <= {"asks others", "tightened"}
    assert found.loosenings == ("changed permit ddl (not proven stricter)",)


def test_what_no_case_covers_may_still_loosen() -> None:
    """No case moves, yet nobody says that nothing changed."""
    other = READS.replace('"reads"', '"more"').replace("engineers", "guests")
    found = side_by_side(READS, READS + other)
    assert found.shifts == ()
    assert found.loosenings == ("added permit more (lets more pass)",)
    assert found.verdict() == "may loosen: not proven stricter"
    assert found.document()["caveat"] == "what no case covers is not known"


def test_words_alone_decide_nothing() -> None:
    """Another @why is a change that decides as before; a comment is a difference of files only."""
    found = side_by_side(NO_DROP, NO_DROP.replace("migrations drop", "ask the owner"))
    assert found.verdict() == "decides as before: only words differ"
    assert found.loosenings == ()
    assert bearing_words(found.rules.changes[0]) == "decides as before"
    commented = side_by_side(NO_DROP, "// why\n" + NO_DROP)
    assert (commented.rules.changes, commented.rules.files) == ((), ("a.cedar",))


def test_a_rule_is_shown_in_unified_form() -> None:
    """One block, all its lines, signs in front; an added rule has no old side."""
    found = side_by_side(NO_DROP, NO_DROP.replace("DROP", "TRUNCATE") + READS)
    added, changed = sorted(found.rules.changes, key=lambda one: one.kind)
    assert changed.unified()[:2] == ["--- no-drop a.cedar:1", "+++ no-drop a.cedar:1"]
    assert '-when { context.verb == "DROP" };' in changed.unified()
    assert '+when { context.verb == "TRUNCATE" };' in changed.unified()
    assert added.unified()[0] == "--- /dev/null"
    assert (added.place, added.effect, added.words()) == (
        "a.cedar:3", "permit", "added permit reads",
    )  # fmt: skip


def test_cases_that_cannot_be_asked_are_said_to_be_so() -> None:
    """A case file whose own rules clash with a version is skipped by name, never silently."""
    clash = read_cases("clash.yaml", {**CASES, "rules": READS})
    found = side_by_side(READS, READS, clash)
    assert found.replayed == 3
    (skipped,) = found.skipped
    assert skipped.startswith("clash.yaml: ")
    own = read_cases("own.yaml", {**CASES, "rules": DDL})
    assert side_by_side(READS, READS, own).replayed == 6


def test_the_document_is_whole_and_the_summary_has_no_text() -> None:
    """Programs get both texts of each rule; an event gets ids and reasons."""
    found = side_by_side(READS + NO_DROP + DDL, READS + DDL)
    document = json.loads(json.dumps(found.document()))
    assert document["rules"][0]["old"] == NO_DROP.strip()
    assert document["rules"][0]["new"] is None
    assert document["cases"][0]["old"] == {"verdict": "deny", "rule": "no-drop", "approvers": []}
    assert found.summary() == {
        "added": [], "removed": ["no-drop"], "changed": [], "cases": 3,
        "loosens": list(found.loosenings),
    }  # fmt: skip
    assert "context.verb" not in json.dumps(found.summary())


@pytest.mark.parametrize("old", [READS, READS + NO_DROP])
def test_an_added_forbid_never_counts_as_loosening(old: str) -> None:
    """More is forbidden than before."""
    extra = NO_DROP.replace("no-drop", "no-more").replace("DROP", "SELECT")
    assert side_by_side(old, old + extra).loosenings == ()
