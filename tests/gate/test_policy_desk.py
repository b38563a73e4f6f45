"""Stories of the policy desk: cached answers are the answers, and evidence is whole."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import action, facts, principal, session, target
from support.clock import MovedClock
from support.policies import MEMBERS, READS

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, WhereClause
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.targets import TargetKind
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.policy.loading import load

BALANCED = Path(__file__).parents[2] / "config" / "policy" / "presets" / "balanced.cedar"
PAY = (
    READS + '@id("pay") forbid (principal, action in Action::"sql", resource) '
    'when { context.tables_read.contains("public.pay") || context.mode == "extended" };'
    '@id("open") permit (principal in Group::"engineers", action == Action::"session.open", resource);'
    '@id("audit") permit (principal in Group::"security", action == Action::"audit.read", resource);'
)


def _desk(text: str = PAY, clock: MovedClock | None = None) -> PolicyDeskOver:
    return PolicyDeskOver(load({"a.cedar": text}), MEMBERS, clock or MovedClock())


def test_a_repeated_statement_gets_the_same_judgement() -> None:
    """Decision and evidence are made once for each shape in a place."""
    desk, one = _desk(), session()
    asked = action("SELECT 1")
    first = desk.judge(one, asked)
    again = desk.judge(one, SqlAction("simple", "SELECT 2", asked.facts, "SELECT 2"))
    assert first.decision.verdict is Verdict.ALLOW
    assert again is first


def test_evidence_is_of_this_request_though_the_decision_is_shared() -> None:
    """Two statements that the rules cannot tell apart keep a request each."""
    desk, one = _desk(), session()
    left = desk.judge(one, action("a", facts(tables_read=frozenset({"public.a"}))))
    right = desk.judge(one, action("b", facts(tables_read=frozenset({"public.b"}), verb="TABLE")))
    assert left.decision == right.decision
    assert json.loads(left.request_json)["statements"][0]["tables_read"] == ["public.a"]
    assert json.loads(right.request_json)["statements"][0]["tables_read"] == ["public.b"]


def test_the_envelope_and_the_decision_are_json_of_the_architecture_page() -> None:
    """`g` holds decision, policy and rule; the payload's decision the rest."""
    judged = _desk().judge(session(), action())
    assert json.loads(judged.envelope_json) == {
        "decision": "allow", "policy": judged.decision.policy, "rule": "reads",
    }  # fmt: skip
    assert set(json.loads(judged.decision_json)) == {
        "verdict", "rule", "reason", "policy", "approvers", "rules",
    }  # fmt: skip


def test_the_mode_is_part_of_the_key() -> None:
    """The same facts in another mode may be decided otherwise."""
    desk, one, shared = _desk(), session(), (facts(),)
    assert desk.judge(one, SqlAction("simple", "", shared)).decision.verdict is Verdict.ALLOW
    assert desk.judge(one, SqlAction("extended", "", shared)).decision.verdict is Verdict.DENY
    assert desk.judge(one, SqlAction("simple", "", shared)).decision.verdict is Verdict.ALLOW


def test_tags_of_an_action_are_judged_and_never_cached_away() -> None:
    """Facts are shared by shape, tags of one execution are not."""
    text = READS + (
        '@id("t") forbid (principal, action in Action::"sql", resource) '
        'when { context.tags.contains("late") };'
    )
    desk, one, shared = _desk(text), session(), (facts(),)
    late = SqlAction("simple", "", shared, tags=frozenset({"late"}))
    plain = SqlAction("simple", "", shared)
    verdicts = [desk.judge(one, asked).decision.verdict for asked in (plain, late, plain, late)]
    assert verdicts == [Verdict.ALLOW, Verdict.DENY] * 2


def test_who_and_where_are_part_of_the_key() -> None:
    """The same facts for other groups, another target or another account are asked anew."""
    text = (
        '@id("r") permit (principal in Group::"engineers", action in Action::"sql", '
        'resource in Environment::"prod") when { context.account == Account::"app_rw" };'
    )
    desk, shared = _desk(text), action()
    assert desk.judge(session(), shared).decision.verdict is Verdict.ALLOW
    for other in (
        {"principal": principal("alice", "guests")},
        {"target": target(environment="test")},
        {"account": "app_ro"},
    ):
        assert desk.judge(session(**other), shared).decision.verdict is Verdict.DENY


def test_an_empty_query_string_is_a_read() -> None:
    """It has no facts and touches nothing."""
    assert _desk().judge(session(), SqlAction("simple", "", ())).decision.rule == "reads"


def test_asks_are_not_kept() -> None:
    """Each is evaluated when it is asked."""
    text = (
        '@id("w") permit (principal in Group::"engineers", action == Action::"sql.write", '
        'resource) when { context has approval && context.approval.groups.contains("dba") };'
    )
    desk, one, asked = _desk(text), session(), action("w", facts(SqlClass.WRITE))
    first, again = desk.judge(one, asked), desk.judge(one, asked)
    assert first.decision.verdict is Verdict.ASK
    assert again == first
    assert again is not first


def test_a_new_version_or_directory_is_in_force_at_once() -> None:
    """For live sessions, too: nothing cached survives."""
    desk, one, asked = _desk(), session(), action()
    old = desk.version
    assert desk.judge(one, asked).decision.verdict is Verdict.ALLOW
    desk.activate(load({"a": '@id("no") forbid (principal, action, resource);'}))
    assert desk.version != old
    assert desk.judge(one, asked).decision.rule == "no"
    asks = '@id("w") permit (principal, action in Action::"sql", resource) when { context has approval && context.approval.groups.contains("dba") };'
    desk.activate(load({"a": asks}))
    assert desk.judge(one, asked).decision.verdict is Verdict.ASK
    desk.activate(desk.active, {"dba": frozenset({"alice"})})
    assert desk.judge(one, asked).decision.verdict is Verdict.DENY


def test_rules_on_the_time_hold_to_the_minute() -> None:
    """Nothing is kept beyond the minute it was decided in, and the minute is in the evidence."""
    clock = MovedClock(wall=0)
    text = READS + (
        '@id("night") forbid (principal, action, resource) '
        "when { context has time && context.time.hour < 1 };"
    )
    desk, one, asked = _desk(text, clock), session(), action()
    assert desk.judge(one, asked).decision.rule == "night"
    clock.pass_s(3599)
    assert desk.judge(one, asked).decision.rule == "night"
    clock.pass_s(1)
    judged = desk.judge(one, asked)
    assert judged.decision.rule == "reads"
    assert json.loads(judged.request_json)["time"] == {"hour": 1, "minute": 0, "weekday": 4}


def test_a_desk_that_cannot_answer_denies() -> None:
    """Whatever goes wrong on the way is a deny, with the error told and nothing kept."""
    desk, one = _desk(), session()
    broken: Any = SqlAction("simple", "x", ("no facts at all",))  # type: ignore[arg-type]  # a fault on purpose
    judged = desk.judge(one, broken)
    assert judged.decision.verdict is Verdict.DENY
    assert judged.decision.errors
    assert desk.judge(one, action()).decision.verdict is Verdict.ALLOW


def test_sessions_and_the_gateway_itself_are_judged() -> None:
    """`session.open` by target and account, gateway actions by group."""
    desk = _desk()
    assert desk.may_open(session()).decision.rule == "open"
    assert desk.may_open(session()) is desk.may_open(session())
    assert desk.may_open(session(principal=principal("eve", "guests"))).decision.rule == ""
    assert desk.judge_gateway(principal("carol", "security"), "audit.read").decision.rule == "audit"
    assert desk.judge_gateway(principal(), "audit.read").decision.verdict is Verdict.DENY
    unheard = desk.judge_gateway(principal("carol", "security"), "no.such").decision
    assert unheard.verdict is Verdict.DENY


def test_read_only_sessions_are_those_that_no_rule_lets_do_more() -> None:
    """Then the target is opened read-only (12-threats C1, second wall)."""
    only = '@id("r") permit (principal, action in [Action::"sql.read", Action::"sql.session"], resource);'
    assert _desk(only).only_reads(session()) is True
    assert _desk(PAY).only_reads(session()) is False


# --- the cache against the engine, over random facts ------------------------------------------

_NAMES = st.frozensets(st.sampled_from(["public.pay", "public.a", "pg_catalog.pg_authid"]), max_size=2)
_WORDS = st.frozensets(st.sampled_from(["reads_secret", "privilege", "destructive"]), max_size=2)
_FACTS = st.builds(
    SqlFacts,
    sql_class=st.sampled_from(SqlClass),
    verb=st.sampled_from(["SELECT", "UPDATE", "DELETE", "DROP TABLE", "TRUNCATE"]),
    redacted=st.just(""),
    template=st.just(""),
    tables_read=_NAMES,
    tables_written=_NAMES,
    tables_complete=st.booleans(),
    functions_complete=st.booleans(),
    columns_complete=st.booleans(),
    where=st.sampled_from(WhereClause),
    tags=_WORDS,
    settings=st.frozensets(st.sampled_from(["role", "work_mem", "datestyle"]), max_size=2),
    roles=st.frozensets(st.sampled_from(["admin"]), max_size=1),
)
_SHARED = PolicyDeskOver(
    load(
        {
            "balanced.cedar": BALANCED.read_text(),
            "pay.cedar": '@id("pay") forbid (principal, action in Action::"sql", resource) '
            'when { context.tables_read.contains("public.pay") && context.mode == "simple" };',
        }
    ),
    MEMBERS,
    MovedClock(),
)


@settings(max_examples=120, deadline=None)
@given(
    known=st.lists(_FACTS, min_size=1, max_size=2),
    groups=st.sampled_from([("engineers",), ("dba",), ("engineers", "dba"), ("guests",)]),
    environment=st.sampled_from(["prod", "test", ""]),
    mode=st.sampled_from(["simple", "extended"]),
)
def test_cached_answers_equal_uncached_ones(
    known: list[SqlFacts], groups: tuple[str, ...], environment: str, mode: str
) -> None:
    """One desk that has seen everything before answers as one that has seen nothing."""
    one = session(principal=principal("alice", *groups), target=target(environment=environment))
    fresh = PolicyDeskOver(_SHARED.active, MEMBERS, MovedClock())
    expected = fresh.judge(one, SqlAction(mode, "", tuple(known)))
    for _ in range(2):
        copied = tuple(dataclasses.replace(fact) for fact in known)
        assert _SHARED.judge(one, SqlAction(mode, "", copied)) == expected
    shared = SqlAction(mode, "", tuple(known))
    assert _SHARED.judge(one, shared) == _SHARED.judge(one, shared) == expected


@pytest.mark.uncompiled
def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many shapes pass, memory is not lost to them."""
    monkeypatch.setattr("gatekeep.gate.policy_desk.MAX_JUDGEMENTS", 16)
    monkeypatch.setattr("gatekeep.gate.policy_memory.MAX_DECISIONS", 16)
    desk, one = _desk(), session()
    for number in range(100):
        names = frozenset({f"public.t{number}"})
        desk.judge(one, action("x", facts(tables_read=names)))
    (around,) = desk._active.arounds.values()
    assert len(around.memos["simple"]) <= 16
    assert len(around.decisions) <= 16


def test_judgements_over_long_texts_are_not_kept() -> None:
    """Whoever sends many long statements fills no memory."""
    desk, one = _desk(), session()
    long, short = (facts(redacted="x" * 20_000),), (facts(),)
    judged = [desk.judge(one, SqlAction("simple", "", shared)) for shared in (long, short) * 2]
    assert judged[1] is judged[3]
    assert judged[0] is not judged[2]
    assert judged[0].decision is judged[2].decision


def test_speed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not asserted: microseconds a decision with 300 rules, cached and not."""
    rules = READS + "".join(
        f'@id("r{number}") forbid (principal in Group::"g{number % 30}", action in Action::"sql", '
        f'resource) when {{ context.tables_read.contains("public.t{number}") }};\n'
        for number in range(299)
    )
    desk, one, asked = _desk(rules), session(), action()
    desk.judge(one, asked)
    begun = time.perf_counter()
    for _ in range(2000):
        desk.judge(one, asked)
    cached = (time.perf_counter() - begun) / 2000
    shapes = [action("x", facts(tables_read=frozenset({f"public.x{n}"}))) for n in range(50)]
    begun = time.perf_counter()
    for shape in shapes:
        desk.judge(one, shape)
    uncached = (time.perf_counter() - begun) / len(shapes)
    told = f"policy: {cached * 1e6:.2f} µs cached, {uncached * 1e6:.0f} µs uncached, 300 rules"
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")


def test_lines_that_are_to_be_told_are_judged_one_by_one() -> None:
    """Free lines have no events of their own, so nobody could be told of them."""
    line = '@id("l") %s permit (principal, action in [Action::"ssh.line", Action::"ssh.opaque"], resource) %s;'
    one = session(target=target(kind=TargetKind.SSH), protocol="ssh")
    assert _desk(line % ("", "")).lines_are_free(one)
    assert not _desk(line % ("@notify", "")).lines_are_free(one)
    quiet = line % ("", "") + (
        '@id("rm") @notify permit (principal, action == Action::"ssh.line", resource) '
        'when { context.program == "rm" };'
    )
    assert not _desk(quiet).lines_are_free(one)
