"""Stories of leave by adopted rules: never more than the people that would be asked could give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import action, facts, principal, session, target
from support.clock import MovedClock
from support.policies import MEMBERS

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, WhereClause
from gatekeep.domain.approvals import Approval
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import SlotBound, SlotScope, SourceRule, SuggestionScope
from gatekeep.domain.targets import TargetKind
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.ports import Leave
from gatekeep.policy.loading import load
from gatekeep.policy.standing import write_standing

ASKS = """
@id("reads") permit (principal in Group::"engineers", action == Action::"sql.read", resource);
@id("writes") permit (principal in Group::"engineers", action == Action::"sql.write", resource)
when { context has approval && context.approval.groups.containsAny(["dba", "security"]) };
"""
TWO = """
@id("two") forbid (principal, action == Action::"sql.write", resource)
unless { context has approval && context.approval.groups.contains("dba:2") };
"""
MFA = """
@id("mfa") forbid (principal, action == Action::"sql.write", resource)
unless { context has approval && context.approval.groups.contains("dba") && context.approval.mfa };
"""
VOTE = """
@id("vote") forbid (principal, action == Action::"sql.write", resource)
unless { context has approval && context.approval.groups.contains("dba") && context.approval.kind == "vote" };
"""
NEVER = '@id("never") forbid (principal, action == Action::"sql.write", resource);'
SHELL = """
@id("runs") permit (principal in Group::"engineers", action == Action::"ssh.exec", resource)
when { context has approval && context.approval.groups.contains("dba") };
"""
SCOPE = SuggestionScope(
    group="engineers", action="sql.write", environment="prod", targets=("orders",), account="app_rw",
    database="shop", templates=("update t set a = $1:int",), slots=(SlotScope(SlotBound.ANY),),
    verb="UPDATE", tables_written=("public.t",),
)  # fmt: skip
RUNS = SuggestionScope(
    group="engineers", action="ssh.exec", environment="prod", targets=("web-1",), account="deploy",
    templates=("systemctl restart nginx",), verb="systemctl",
)  # fmt: skip
LIKE = Likeness("update t set a = $1:int", (LikeSlot("int", "1"),))
WRITE = facts(
    SqlClass.WRITE, "UPDATE", where=WhereClause.PRESENT, tables_written=frozenset({"public.t"})
)
DAY_US = 86_400_000_000


def adopted(text: str, *sources: str, scope: SuggestionScope = SCOPE, day: int = 30_000) -> str:
    """A standing rule that answers these rules of a text."""
    marks = [SourceRule(rule.id, rule.digest) for rule in load({"a": text}).rules if rule.id in sources]
    return write_standing("adopted-1", "t", "w", day, scope, marks)


def desk(text: str, *sources: str, clock: MovedClock | None = None, **changes: Any) -> PolicyDeskOver:
    """A desk over the text and a standing rule for what these of its rules ask."""
    version = load({"a": text, "adopted.cedar": adopted(text, *sources, **changes)})
    return PolicyDeskOver(version, MEMBERS, clock or MovedClock())


def test_leave_is_what_the_smallest_set_could_give() -> None:
    """One group of those that would do; the rule stands in the place of a grant."""
    leave = desk(ASKS, "writes").leave_for(session(), action("…", WRITE), LIKE)
    approval = Approval("adopted", frozenset({"dba"}), mfa=False, age_s=0, grant="adopted-1")
    assert leave == Leave(("adopted-1",), approval)


def test_what_it_releases_is_recorded_with_the_rule() -> None:
    """The event of the action names kind and rule."""
    over, one, did = desk(ASKS, "writes"), session(), action("…", WRITE)
    leave = over.leave_for(one, did, LIKE)
    assert leave is not None
    judged = over.judge_approved(one, did, leave.approval)
    assert judged.decision.verdict is Verdict.ALLOW
    recorded = orjson.loads(judged.request_json)["approval"]
    assert recorded == {"age_s": 0, "grant": "adopted-1", "groups": ["dba"], "kind": "adopted", "mfa": False}


def test_it_is_asked_all_the_same_for_whoever_judges_it() -> None:
    """No verdict changes, before or after leave was given."""
    over, one, did = desk(ASKS, "writes"), session(), action("…", WRITE)
    for _ in range(2):
        assert over.judge(one, did).decision.verdict is Verdict.ASK
        over.leave_for(one, did, LIKE)


@pytest.mark.parametrize("more", [MFA, VOTE, NEVER])
def test_it_gives_nothing_that_those_people_could_not(more: str) -> None:
    """A second factor, a person's own vote, what is forbidden outright."""
    ids = [rule.id for rule in load({"a": ASKS + more}).rules]
    assert desk(ASKS + more, *ids).leave_for(session(), action("…", WRITE), LIKE) is None


def test_two_persons_are_two_where_a_rule_wants_two() -> None:
    """The set that is asked is the one that counts, with its numbers."""
    leave = desk(ASKS + TWO, "writes", "two").leave_for(session(), action("…", WRITE), LIKE)
    assert leave is not None
    assert leave.approval.groups == {"dba", "dba:2"}


def test_another_rule_that_asks_is_not_answered() -> None:
    """It was learnt from one rule; a second one came."""
    assert desk(ASKS + TWO, "writes").leave_for(session(), action("…", WRITE), LIKE) is None


def test_only_who_where_and_what_was_meant() -> None:
    """Another group, target, account, database, table, text; and nothing without a likeness."""
    over, did = desk(ASKS, "writes"), action("…", WRITE)
    for other in (
        session(principal=principal("alice", "interns")),
        session(target=target("billing")),
        session(target=target(environment="staging")),
        session(account="app_ro"),
        session(database="other"),
    ):
        assert over.leave_for(other, did, LIKE) is None
    one = session()
    assert over.leave_for(one, did, None) is None
    assert over.leave_for(one, did, replace(LIKE, template="delete from t")) is None
    other_table = replace(WRITE, tables_written=frozenset({"public.u"}))
    assert over.leave_for(one, action("…", other_table), LIKE) is None
    assert over.leave_for(one, action("…", WRITE, other_table), LIKE) is None
    assert over.leave_for(one, action("…"), LIKE) is None


def test_it_ends_on_its_day() -> None:
    """At midnight UTC, by the clock of the desk; an open session or a clock set back changes nothing."""
    clock = MovedClock()
    today = clock.wall_us() // DAY_US
    over, one = desk(ASKS, "writes", clock=clock, day=today + 1), session()
    assert over.leave_for(one, action("…", WRITE), LIKE) is not None
    clock.pass_s(86_400)
    assert over.leave_for(one, action("…", WRITE), LIKE) is None
    clock.step_s(-86_400)
    assert over.leave_for(one, action("…", WRITE), LIKE) is None


def test_another_version_is_another_answer_at_once() -> None:
    """Nothing of it is kept."""
    over, one, did = desk(ASKS, "writes"), session(), action("…", WRITE)
    assert over.leave_for(one, did, LIKE) is not None
    over.activate(load({"a": ASKS}))
    assert over.leave_for(one, did, LIKE) is None


def test_commands_have_it_too() -> None:
    """A command whose words are all known; not one that hides some."""
    version = load({"a": SHELL, "b": adopted(SHELL, "runs", scope=RUNS)})
    over = PolicyDeskOver(version, MEMBERS, MovedClock())
    one = session(
        target=target("web-1", kind=TargetKind.SSH), account="deploy", protocol="ssh", database=""
    )
    like = Likeness("systemctl restart nginx")
    known = CommandFacts("ssh.exec", "systemctl", ("systemctl", "restart", "nginx"))
    assert over.leave_for(one, SshAction("exec", "…", (known,)), like) is not None
    for did in (
        SshAction("exec", "…", (replace(known, complete=False),)),
        SshAction("exec", "…", (known,), resolved=False),
        SshAction("exec", "…", (known, CommandFacts("ssh.opaque"))),
    ):
        assert over.leave_for(one, did, like) is None


def test_what_breaks_leaves_it_to_people() -> None:
    """Facts that are none; never an error."""
    broken = SqlAction("simple", "", (None,))  # type: ignore[arg-type]  # what no reader makes
    assert desk(ASKS, "writes").leave_for(session(), broken, LIKE) is None


STATEMENTS = st.builds(
    SqlFacts,
    st.sampled_from(SqlClass),
    st.sampled_from(["UPDATE", "DROP"]),
    st.just(""),
    st.just(""),
    tables_written=st.frozensets(st.sampled_from(["public.t", "public.u"])),
    tables_complete=st.booleans(),
    functions_complete=st.booleans(),
    where=st.sampled_from(WhereClause),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=3), st.sets(st.sampled_from([TWO, MFA, VOTE, NEVER])))
@settings(max_examples=150, deadline=None)
def test_leave_never_passes_what_an_approval_could_not(known: list[SqlFacts], more: set[str]) -> None:
    """Whatever rules stand beside: what has leave, the same groups' vote without a factor releases."""
    text = ASKS + "".join(sorted(more))
    over = desk(text, *(rule.id for rule in load({"a": text}).rules if rule.id != "reads"))
    one, did = session(), action("…", *known)
    leave = over.leave_for(one, did, LIKE)
    if leave is not None:
        assert over.judge(one, did).decision.verdict is Verdict.ASK
        vote = replace(leave.approval, kind="vote", grant="")
        assert over.judge_approved(one, did, vote).decision.verdict is Verdict.ALLOW
