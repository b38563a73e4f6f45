"""Stories of decisions: the traps of Cedar, facts that are not complete, and asking."""

from __future__ import annotations

import pytest
from support.builders import facts, principal, target
from support.policies import READS, decide, engine

from gatekeep.domain.actions import SqlClass, SqlFacts, WhereClause
from gatekeep.domain.decisions import Verdict
from gatekeep.policy.engine import NOT_CERTAIN, NOTHING_PERMITS
from gatekeep.policy.request import Place, Question, place_question, sql_question

ALICE = principal()
PROD = target()
PAY = (
    READS
    + """
@id("pay") @why("pay is private") @owner("hr")
forbid (principal, action in Action::"sql", resource)
when { context.tables_read.contains("public.salaries") };
"""
)
WRITE = SqlClass.WRITE


def _tables(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_nothing_is_permitted_by_nothing() -> None:
    """Default deny, and the decision says that no rule permits it."""
    decision = decide(engine(PAY), principal("mallory", "guests"), PROD, facts())
    assert (decision.verdict, decision.rule, decision.reason) == (
        Verdict.DENY,
        "",
        NOTHING_PERMITS,
    )


def test_a_decision_explains_itself() -> None:
    """Rule, reason, owner and policy version are in it."""
    over = engine(PAY)
    decision = decide(over, ALICE, PROD, facts(tables_read=_tables("public.salaries")))
    assert decision.verdict is Verdict.DENY
    assert (decision.rule, decision.reason, decision.owner) == ("pay", "pay is private", "hr")
    assert decision.policy == over.version.digest[:12]


@pytest.mark.parametrize(
    "one",
    [
        facts(tables_read=_tables("public.salaries")),
        facts(tables_read=_tables("public.team_cost", "public.salaries")),
        facts(tables_complete=False),
        facts(tables_read=_tables("public.orders"), tables_complete=False),
        facts(SqlClass.OPAQUE, "DO"),
        facts(SqlClass.PROCEDURAL),
    ],
    ids=["itself", "a view", "an empty set", "more than is known", "opaque", "procedural"],
)
def test_a_forbidden_table_has_no_back_door(one: SqlFacts) -> None:
    """What may read the table counts as reading it (12-threats C6)."""
    assert decide(engine(PAY), ALICE, PROD, one).verdict is Verdict.DENY


def test_a_complete_set_without_the_table_passes() -> None:
    """The forbid bites where it must and nowhere else; incomplete columns are another matter."""
    over = engine(PAY)
    assert decide(over, ALICE, PROD, facts(columns_complete=False)).verdict is Verdict.ALLOW
    decision = decide(over, ALICE, PROD, facts(tables_complete=False))
    assert decision.reason == "pay is private" + NOT_CERTAIN


def test_a_permit_that_reads_an_incomplete_set_does_not_permit() -> None:
    """Facts are lower bounds for permits: `only these tables` must be known, not hoped."""
    over = engine(
        """@id("only") permit (principal in Group::"engineers", action == Action::"sql.read", resource)
        when { ["public.orders"].containsAll(context.tables_read) };
        @id("not-pay") permit (principal in Group::"engineers", action == Action::"sql.write", resource)
        unless { context.tables_read.contains("public.salaries") };"""
    )
    known = {"tables_read": _tables("public.orders")}
    assert decide(over, ALICE, PROD, facts(**known)).verdict is Verdict.ALLOW
    assert decide(over, ALICE, PROD, facts(**known, tables_complete=False)).verdict is Verdict.DENY
    assert decide(over, ALICE, PROD, facts(WRITE, **known)).verdict is Verdict.ALLOW
    assert (
        decide(over, ALICE, PROD, facts(WRITE, **known, tables_complete=False)).verdict
        is Verdict.DENY
    )


def test_only_forbids_whose_head_fits_are_taken_as_matching() -> None:
    """A forbid for somebody else, somewhere else or something else does not spread."""
    over = engine(
        READS
        + """
        @id("a") forbid (principal in Group::"guests", action in Action::"sql", resource)
        when { context.tables_read.contains("public.x") };
        @id("b") forbid (principal, action in Action::"sql", resource in Environment::"test")
        when { context.tables_read.contains("public.x") };
        @id("c") forbid (principal, action == Action::"sql.write", resource)
        when { context.tables_read.contains("public.x") };
        @id("d") forbid (principal, action in Action::"sql", resource)
        when { context.tables_read.contains("public.x") && context.database == "other" };
        """
    )
    assert decide(over, ALICE, PROD, facts(tables_complete=False)).verdict is Verdict.ALLOW


def test_an_error_while_evaluating_is_a_deny_and_is_told() -> None:
    """Cedar ignores a policy that errs (here: overflow), and what it would forbid would pass."""
    over = engine(
        '@id("open") permit (principal in Group::"engineers", action == Action::"tunnel.open", '
        "resource);"
        '@id("errs") @why("never") forbid (principal, action == Action::"tunnel.open", resource)'
        " when { context.port * 9223372036854775807 > 5 };"
    )
    standing = over.standing(ALICE, PROD)
    context = dict(place_question("tunnel.open", Place(ALICE, PROD, "a", "d"), None).context)
    context |= {"destination": "x", "port": 22, "resolved_by": "gateway", "tags": [],
                    "known_tags": []}
    decision = over.decide(standing, [Question("tunnel.open", context, frozenset())])
    assert decision.verdict is Verdict.DENY
    assert decision.rule == "errs"
    assert "overflow" in decision.errors[0]


def test_a_request_outside_the_schema_is_a_deny_and_is_told() -> None:
    """Cedar answers NoDecision; that is never an allow."""
    over = engine(READS)
    standing = over.standing(ALICE, PROD)
    for question in (
        Question("sql.read", {}, frozenset()),
        Question("sql.unheard", {}, frozenset()),
        Question("sql.read", {"verb": 3}, frozenset()),
    ):
        decision = over.decide(standing, [question])
        assert decision.verdict is Verdict.DENY
        assert decision.errors or decision.reason == NOTHING_PERMITS


def test_an_unknown_source_address_counts_as_forbidden() -> None:
    """A forbid on addresses is not passed by having none that can be read."""
    over = engine(
        READS
        + '@id("far") forbid (principal, action in Action::"sql", resource) when '
        '{ context has source && !context.source.isInRange(ip("10.0.0.0/8")) };'
    )
    assert decide(over, ALICE, PROD, facts(), source="10.2.3.4:99").verdict is Verdict.ALLOW
    assert decide(over, ALICE, PROD, facts(), source="192.0.2.1").verdict is Verdict.DENY
    assert decide(over, ALICE, PROD, facts(), source="").verdict is Verdict.DENY


# --- asking ----------------------------------------------------------------------------------

ASKS_BY_PERMIT = """
@id("prod-writes-need-dba") @why("a DBA looks at it")
permit (principal in Group::"engineers", action == Action::"sql.write", resource)
when { context has approval && context.approval.groups.contains("%s") };
"""
ASKS_BY_FORBID = """
@id("all") permit (principal in Group::"engineers", action in Action::"sql", resource);
@id("no-where") @why("every row") forbid (principal, action == Action::"sql.write", resource)
when { context.where == "absent" }
unless { context has approval && context.approval.groups.containsAny(["dba:2", "security"]) };
"""


def test_a_permit_with_approval_asks() -> None:
    """It names the rule that would release, and the smallest set of approvers."""
    decision = decide(engine(ASKS_BY_PERMIT % "dba"), ALICE, PROD, facts(WRITE))
    assert decision.verdict is Verdict.ASK
    assert (decision.rule, decision.approvers) == ("prod-writes-need-dba", (("dba",),))


def test_a_forbid_unless_approval_asks() -> None:
    """It names the rule that stands in the way, and each set that may release it."""
    decision = decide(engine(ASKS_BY_FORBID), ALICE, PROD, facts(WRITE, where=WhereClause.ABSENT))
    assert decision.verdict is Verdict.ASK
    assert (decision.rule, decision.reason) == ("no-where", "every row")
    assert decision.approvers == (("dba:2",), ("security",))


def test_an_absolute_forbid_is_not_asked_about() -> None:
    """Approval may release a rule that says so, and no other."""
    text = ASKS_BY_PERMIT % "dba" + (
        '@id("never") @why("not here") forbid (principal, action in Action::"sql", resource);'
    )
    decision = decide(engine(text), ALICE, PROD, facts(WRITE))
    assert (decision.verdict, decision.rule) == (Verdict.DENY, "never")


@pytest.mark.parametrize("group", ["solo", "nobody", "security:2", "dba:3"])
def test_nobody_but_the_requester_could_approve(group: str) -> None:
    """An approver set that is empty or is the requester is a deny, and is told."""
    decision = decide(engine(ASKS_BY_PERMIT % group), ALICE, PROD, facts(WRITE))
    assert decision.verdict is Verdict.DENY
    assert decision.rule == "prod-writes-need-dba"
    assert "could approve" in decision.errors[0]


def test_the_owner_of_a_machine_does_not_approve_for_it() -> None:
    """A machine principal's owner is on its side of the question."""
    machine = type(ALICE)("nightly", "nightly", frozenset({"engineers"}), owner="carol")
    over = engine(ASKS_BY_PERMIT % "security")
    assert decide(over, ALICE, PROD, facts(WRITE)).verdict is Verdict.ASK
    assert decide(over, machine, PROD, facts(WRITE)).verdict is Verdict.DENY


def test_several_statements_are_as_strict_as_the_strictest() -> None:
    """Deny before ask before allow, and what is asked covers all of them."""
    text = (
        READS.replace('action in Action::"sql"', 'action == Action::"sql.read"')
        + ASKS_BY_PERMIT % "dba"
        + ASKS_BY_PERMIT.replace("prod-writes", "ddl").replace("sql.write", "sql.ddl") % "security"
    )
    over = engine(text)
    read, write, ddl = facts(), facts(WRITE), facts(SqlClass.DDL)
    assert decide(over, ALICE, PROD, read, read).verdict is Verdict.ALLOW
    assert decide(over, ALICE, PROD, read, write).approvers == (("dba",),)
    assert decide(over, ALICE, PROD, write, ddl, read).approvers == (("dba", "security"),)
    assert decide(over, ALICE, PROD, read, facts(SqlClass.DCL), write).verdict is Verdict.DENY
    assert over.decide(over.standing(ALICE, PROD), []).verdict is Verdict.DENY


def test_incomplete_facts_ask_where_the_forbid_offers_it() -> None:
    """A forbid that is taken as matching still honours its `unless approval`."""
    over = engine(
        READS
        + '@id("pay") forbid (principal, action in Action::"sql", resource) '
        'when { context.tables_read.contains("public.pay") } '
        'unless { context has approval && context.approval.groups.contains("dba") };'
    )
    assert decide(over, ALICE, PROD, facts()).verdict is Verdict.ALLOW
    assert decide(over, ALICE, PROD, facts(tables_complete=False)).verdict is Verdict.ASK


def test_obligations_come_with_the_rules_that_decide() -> None:
    """Of an allow: those of the permits that matched; of a deny, those of the forbids."""
    over = engine(
        '@id("r") @title("Reads") @notify("dba") @record permit (principal in Group::"engineers", '
        'action == Action::"sql.read", resource);'
        '@id("w") @notify permit (principal in Group::"engineers", '
        'action == Action::"sql.write", resource);'
        '@id("f") @notify("sec") forbid (principal, action == Action::"sql.ddl", resource);'
    )
    read = decide(over, ALICE, PROD, facts())
    assert read.obligations == {"notify:dba", "record"}
    (told,) = read.notify
    assert (told.rule, told.title, told.group) == ("r", "Reads", "dba")
    assert told.mark == over.version.rules[0].mark
    assert decide(over, ALICE, PROD, facts(WRITE)).obligations == {"notify"}
    denied = decide(over, ALICE, PROD, facts(SqlClass.DDL))
    assert (denied.verdict, denied.obligations) == (Verdict.DENY, {"notify:sec"})
    assert [one.group for one in denied.notify] == ["sec"]


def test_a_question_is_told_as_the_rule_that_asks_and_the_rule_that_releases_want_it() -> None:
    """Both decide it; a rule without @notify adds nothing."""
    over = engine(
        '@id("p") permit (principal in Group::"engineers", action in Action::"sql", resource);'
        '@id("f") @notify forbid (principal, action == Action::"sql.write", resource) '
        'unless { context has approval && context.approval.groups.contains("dba") };'
    )
    asked = decide(over, ALICE, PROD, facts(WRITE))
    assert (asked.verdict, [one.rule for one in asked.notify]) == (Verdict.ASK, ["f"])
    assert decide(over, ALICE, PROD, facts()).notify == ()


# --- sessions that only read -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "more"),
    [
        ("", False),
        ('@id("w") permit (principal in Group::"dba", action in Action::"sql", resource);', False),
        (('@id("w") permit (principal, action == Action::"sql.write", resource) '
         'when { context.tables_written.contains("public.scratch") };'), True),
        (('@id("w") permit (principal, action == Action::"sql.ddl", resource) '
         'when { context has approval && context.approval.groups.contains("dba") };'), True),
        (('@id("w") permit (principal, action == Action::"sql.write", resource) '
         "when { context has time && context.time.hour == 3 };"), True),
        (('@id("w") permit (principal, action == Action::"sql.write", resource) '
         'when { context.account == Account::"app_ro" };'), False),
        (('@id("w") permit (principal, action == Action::"sql.write", resource) '
         'when { context.account == Account::"app_rw" };'), True),
        (('@id("w") permit (principal, action in Action::"sql", resource); '
         '@id("f") forbid (principal, action, resource in Environment::"prod") '
         'unless { resource in Label::"scratch" };'), False),
        (('@id("w") permit (principal, action in Action::"sql", resource); '
         '@id("f") forbid (principal, action in Action::"sql", resource) '
         'when { context.tables_written.contains("public.pay") };'), True),
    ],
    ids=["reads", "others", "some table", "asking", "at night", "other account", "this account",
         "forbidden here", "forbidden in part"],
)  # fmt: skip
def test_whether_a_session_could_do_more_than_read(extra: str, more: bool) -> None:
    """Every fact, time and approval is taken as whatever permits the most."""
    over = engine(READS.replace('action in Action::"sql"', 'action == Action::"sql.read"') + extra)
    standing = over.standing(ALICE, PROD)
    question = sql_question(Place(ALICE, PROD, "app_rw", "shop"), facts(), "simple", None)
    assert over.could_do_more_than_read(standing, question) is more


def test_what_is_known_can_be_told_from_what_may_be() -> None:
    """A forbid on known tags bites where they surely are, one on tags where they may be."""
    over = engine(
        READS
        + '@id("known") forbid (principal, action in Action::"sql", resource) '
        'when { context.known_tags.contains("reads_secret") };'
    )
    secret = frozenset({"reads_secret"})
    assert decide(over, ALICE, PROD, facts(tables_complete=False)).verdict is Verdict.ALLOW
    assert decide(over, ALICE, PROD, facts(tables_complete=False, tags=secret)).rule == "known"
    assert decide(over, ALICE, PROD, facts(SqlClass.OPAQUE, tags=secret)).rule == "known"
