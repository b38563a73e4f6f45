"""A decision under an approval that was given: it helps where a rule says so, and nowhere else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import action, facts, principal, session, target
from support.clock import MovedClock
from support.policies import MEMBERS, engine

from gatekeep.domain.actions import SqlClass, SqlFacts, WhereClause
from gatekeep.domain.approvals import Approval
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.policy.engine import Engine
from gatekeep.policy.loading import load
from gatekeep.policy.request import Place, sql_question

ALICE, PROD, WRITE = principal(), target(), SqlClass.WRITE
RULES = """
@id("reads") permit (principal in Group::"engineers", action == Action::"sql.read", resource);
@id("writes") @why("a dba looks at it") @risk("moderate")
permit (principal in Group::"engineers", action == Action::"sql.write", resource)
when { context has approval && context.approval.groups.contains("dba") };
@id("no-where") @why("every row") @risk("high")
forbid (principal, action == Action::"sql.write", resource) when { context.where == "absent" }
unless { context has approval && context.approval.groups.contains("dba:2") };
@id("copies") permit (principal in Group::"engineers", action == Action::"sql.copy", resource)
when { context has approval && context.approval.groups.contains("dba") && context.approval.mfa
  && context.approval.age_s < 300 && context.approval.kind == "vote" };
@id("never") @why("not here") forbid (principal, action == Action::"sql.ddl", resource);
@id("ddl") permit (principal in Group::"engineers", action == Action::"sql.ddl", resource)
when { context has approval && context.approval.groups.contains("dba") };
@id("pay") @why("pay is private") forbid (principal, action in Action::"sql", resource)
when { context.tables_read.contains("public.salaries") };
"""
OVER = engine(RULES)


def given_by(*groups: str, kind: str = "vote", mfa: bool = False, age_s: int = 0) -> Approval:
    """What people said."""
    return Approval(kind, frozenset(groups), mfa, age_s, "K3F9", "")


def decide(approval: Approval, *known: SqlFacts, over: Engine = OVER) -> Decision:
    """The decision over these statements, now that there is this approval."""
    standing = over.standing(ALICE, PROD)
    place = Place(ALICE, PROD, "app_rw", "shop", "")
    questions = [sql_question(place, one, "simple", None) for one in known]
    return over.decide_approved(standing, questions, approval)


def test_an_approval_releases_what_a_rule_lets_it() -> None:
    """And the decision names the rule that it was released by."""
    decision = decide(given_by("dba"), facts(WRITE, where=WhereClause.PRESENT))
    assert (decision.verdict, decision.rule) == (Verdict.ALLOW, "writes")


@pytest.mark.parametrize("groups", [(), ("security",), ("dba:2",), ("DBA",), ("dba ",)])
def test_one_that_does_not_suffice_is_as_none(groups: tuple[str, ...]) -> None:
    """It is asked about as before, with who could release it."""
    decision = decide(given_by(*groups), facts(WRITE, where=WhereClause.PRESENT))
    assert (decision.verdict, decision.approvers) == (Verdict.ASK, (("dba",),))


def test_two_persons_where_two_are_asked_for() -> None:
    """`dba` alone lifts the one rule, and not the other."""
    every_row = facts(WRITE, where=WhereClause.ABSENT)
    assert decide(given_by("dba"), every_row).verdict is Verdict.ASK
    assert decide(given_by("dba", "dba:2"), every_row).verdict is Verdict.ALLOW


def test_what_is_forbidden_outright_stays_so() -> None:
    """By whatever approval, of whatever kind."""
    for kind in ("vote", "grant", "access", "break_glass"):
        decision = decide(given_by("dba", "dba:2", "security", kind=kind, mfa=True), facts(SqlClass.DDL))
        assert (decision.verdict, decision.rule) == (Verdict.DENY, "never")


def test_what_is_not_known_for_sure_stays_forbidden() -> None:
    """An approval completes no set of tables."""
    decision = decide(given_by("dba", "dba:2"), facts(WRITE, where=WhereClause.PRESENT, tables_complete=False))
    assert (decision.verdict, decision.rule) == (Verdict.DENY, "pay")


@pytest.mark.parametrize(
    ("approval", "verdict"),
    [
        (given_by("dba", mfa=True, age_s=299), Verdict.ALLOW),
        (given_by("dba", mfa=True, age_s=300), Verdict.ASK),
        (given_by("dba", mfa=False), Verdict.ASK),
        (given_by("dba", mfa=True, kind="grant"), Verdict.ASK),
        (given_by("dba", mfa=True, kind="break_glass"), Verdict.ASK),
    ],
)
def test_a_rule_may_read_factor_age_and_kind(approval: Approval, verdict: Verdict) -> None:
    """One that was given long ago, by leave, or without a second factor is not that approval."""
    assert decide(approval, facts(SqlClass.COPY)).verdict is verdict


def test_all_statements_must_be_released() -> None:
    """The strictest of them decides; where nothing is asked nothing is allowed."""
    plain, every_row = facts(WRITE, where=WhereClause.PRESENT), facts(WRITE, where=WhereClause.ABSENT)
    assert decide(given_by("dba"), facts(), plain).verdict is Verdict.ALLOW
    assert decide(given_by("dba"), plain, every_row).verdict is Verdict.ASK
    assert decide(given_by("dba", "dba:2"), plain, facts(SqlClass.DDL)).verdict is Verdict.DENY
    assert decide(given_by("dba")).verdict is Verdict.DENY


def test_whatever_goes_wrong_is_a_deny() -> None:
    """And the decision says that it was an error."""
    broken = OVER.standing(ALICE, PROD)
    broken.handle = None  # type: ignore[assignment]  # as broken as can be
    question = sql_question(Place(ALICE, PROD, "app_rw", "shop", ""), facts(WRITE), "simple", None)
    decision = OVER.decide_approved(broken, [question], given_by("dba"))
    assert decision.verdict is Verdict.DENY
    assert decision.errors


GROUPS = st.frozensets(st.sampled_from(["dba", "dba:2", "security", "solo"]))
KNOWN = st.builds(
    lambda sql_class, where, complete: facts(sql_class, where=where, tables_complete=complete),
    st.sampled_from(list(SqlClass)), st.sampled_from(WhereClause), st.booleans(),
)  # fmt: skip


@given(st.lists(KNOWN, min_size=1, max_size=2), GROUPS, GROUPS, st.booleans())
def test_more_approval_never_allows_less(
    known: list[SqlFacts], groups: frozenset[str], more: frozenset[str], mfa: bool
) -> None:
    """Approval may only ever help, and none at all allows nothing that was not allowed before."""
    place = Place(ALICE, PROD, "app_rw", "shop", "")
    plain = OVER.decide(
        OVER.standing(ALICE, PROD), [sql_question(place, one, "simple", None) for one in known]
    )
    less = decide(given_by(*groups), *known)
    assert decide(given_by(), *known).verdict is plain.verdict
    if plain.verdict is Verdict.ALLOW:
        assert less.verdict is Verdict.ALLOW
    if less.verdict is Verdict.ALLOW:
        assert decide(given_by(*(groups | more), mfa=mfa), *known).verdict is Verdict.ALLOW


@given(KNOWN)
def test_what_asks_is_released_by_what_it_asks_for(known: SqlFacts) -> None:
    """Each of the sets that it names suffices, with its second factor, right away."""
    place = Place(ALICE, PROD, "app_rw", "shop", "")
    asked = OVER.decide(OVER.standing(ALICE, PROD), [sql_question(place, known, "simple", None)])
    for one in asked.approvers:
        implied = {name for group in one for name in (group, group.partition(":")[0])}
        assert decide(given_by(*implied, mfa=True), known).verdict is Verdict.ALLOW


def test_the_evidence_says_whose_approval_it_was() -> None:
    """Request and grant stand beside what policy read; and nothing of it is kept for the next."""
    desk = PolicyDeskOver(load({"a.cedar": RULES}), MEMBERS, MovedClock())
    asked, one = action("DELETE", facts(WRITE, "DELETE", where=WhereClause.PRESENT)), session()
    approval = Approval("grant", frozenset({"dba"}), True, 7, "K3F9", "G-1")  # noqa: FBT003 - its shape
    judged = desk.judge_approved(one, asked, approval)
    assert judged.decision.verdict is Verdict.ALLOW
    assert json.loads(judged.request_json)["approval"] == {
        "kind": "grant", "groups": ["dba"], "mfa": True, "age_s": 7, "request": "K3F9", "grant": "G-1",
    }  # fmt: skip
    assert desk.judge(one, asked).decision.verdict is Verdict.ASK
