"""Stricter is said only where it is so: by example, and against the engine over random rules."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import facts
from support.policies import decide, engine

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.policy.difference import difference
from gatekeep.policy.loading import load
from gatekeep.policy.rules import Rule
from gatekeep.policy.strictness import Bearing, asks_without_groups, bearing

ORDER = (Verdict.DENY, Verdict.ASK, Verdict.ALLOW)
ALICE = Principal("alice", "alice", frozenset({"engineers"}))
ORDERS = Target("orders", TargetKind.POSTGRES, "", 0, environment="prod")
HEAD = '(principal in Group::"engineers", action in Action::"sql", resource)'
DBA = 'context has approval && context.approval.groups.contains("dba")'


def rule(text: str) -> Rule:
    """One rule, loaded as a policy is."""
    return load({"a.cedar": text}).rules[0]


def permit(rest: str = ";", notes: str = "", head: str = HEAD) -> Rule:
    """A permit called r."""
    return rule(f'@id("r") {notes} permit {head} {rest}')


def forbid(rest: str = ";", notes: str = "", head: str = HEAD) -> Rule:
    """A forbid called r."""
    return rule(f'@id("r") {notes} forbid {head} {rest}')


WHEN = 'when { context.verb == "DROP" };'
AND = 'when { context.verb == "DROP" && context.mode == "simple" };'
READ = '(principal in Group::"engineers", action == Action::"sql.read", resource)'
TWO = '(principal, action in [Action::"sql.read", Action::"sql.write"], resource)'
ONE = '(principal, action == Action::"sql.read", resource)'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (None, permit(), Bearing.LOOSER),
        (None, forbid(), Bearing.STRICTER),
        (permit(), None, Bearing.STRICTER),
        (forbid(), None, Bearing.LOOSER),
        (permit(notes="@notify"), None, Bearing.UNPROVEN),
        (permit(), permit(notes='@why("w") @owner("o")'), Bearing.SAME),
        (permit(), permit(notes="@record"), Bearing.STRICTER),
        (permit(notes="@record"), permit(), Bearing.LOOSER),
        (permit(notes="@notify"), permit(notes='@notify("dba")'), Bearing.LOOSER),
        (forbid(notes="@notify"), forbid(), Bearing.LOOSER),
        (permit(), permit(WHEN), Bearing.STRICTER),
        (permit(WHEN), permit(), Bearing.LOOSER),
        (permit(WHEN), permit(AND), Bearing.STRICTER),
        (permit(notes="@notify"), permit(WHEN, notes="@notify"), Bearing.UNPROVEN),
        (forbid(WHEN), forbid(), Bearing.STRICTER),
        (forbid(AND), forbid(WHEN), Bearing.STRICTER),
        (forbid(), forbid("unless { " + DBA + " };"), Bearing.LOOSER),
        (permit(), permit("when { " + DBA + " };"), Bearing.STRICTER),
        (permit(WHEN), permit(WHEN.replace("DROP", "SELECT")), Bearing.UNPROVEN),
        (permit(), forbid(), Bearing.STRICTER),
        (forbid(), permit(), Bearing.UNPROVEN),
        (permit(head="(principal, action, resource)"), permit(), Bearing.STRICTER),
        (permit(head=TWO), permit(head=ONE), Bearing.STRICTER),
        (permit(head=ONE), permit(head=TWO), Bearing.LOOSER),
        (permit(head=READ), permit(), Bearing.UNPROVEN),
    ],
)
def test_what_is_said_of_a_change(old: Rule | None, new: Rule | None, said: Bearing) -> None:
    """A proof where there is one; where there is none, it counts as loosening."""
    assert bearing(old, new) is said
    assert said.may_loosen == (said in (Bearing.LOOSER, Bearing.UNPROVEN))


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_rule_that_takes_any_approval_is_noticed(effect: str) -> None:
    """A rule that asks new people could supply the approval that such a rule waits for."""
    mfa = ('{ context has approval && (context.approval.mfa || '
           'context.approval.groups.contains("nobody")) };')  # fmt: skip
    any_approval = permit("when " + mfa) if effect == "permit" else forbid("unless " + mfa)
    assert asks_without_groups([any_approval])
    assert not asks_without_groups([permit("when { " + DBA + " };"), permit(), forbid()])
    asks = '\n@id("f") forbid (principal, action, resource) unless { ' + DBA + " };"
    old = load({"a.cedar": any_approval.text})
    (change,) = difference(old, load({"a.cedar": any_approval.text + asks})).changes
    assert change.bearing is Bearing.UNPROVEN


PARTS = (
    'context.verb == "DROP"',
    'context.tags.contains("privilege")',
    'context.tables_written.contains("public.orders")',
    '!(context.tables_written.contains("public.orders"))',
    DBA,
    'context has approval && context.approval.groups.contains("security")',
    'context has approval && (context.approval.mfa || context.approval.groups.contains("nobody"))',
)
HEADS = (
    HEAD,
    '(principal, action in Action::"sql", resource)',
    READ,
    '(principal in Group::"engineers", action in [Action::"sql.read", Action::"sql.write"], resource)',
)


Spec = tuple[str, str, frozenset[tuple[str, str]]]
"""A rule to be: effect, head, and its clauses as (kind, part)."""


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A rule that loads: approval only where it may stand."""
    effect = draw(st.sampled_from(("permit", "forbid")))
    return effect, draw(st.sampled_from(HEADS)), draw(st.frozensets(clauses(effect), max_size=3))


def clauses(effect: str) -> st.SearchStrategy[tuple[str, str]]:
    """One clause of a rule with this effect."""
    helping = "when" if effect == "permit" else "unless"
    return st.sampled_from(
        [
            (kind, part)
            for part in PARTS
            for kind in ("when", "unless")
            if kind == helping or "approval" not in part
        ]
    )


@st.composite
def changed(draw: st.DrawFn, old: dict[str, Spec]) -> dict[str, Spec]:
    """A policy after a few edits, most of them meant to make it stricter."""
    new = dict(old)
    for name, (effect, head, parts) in old.items():
        edit = draw(st.sampled_from(("keep", "more", "less", "drop", "other")))
        if edit == "drop":
            del new[name]
        elif edit == "other":
            new[name] = draw(specs())
        elif edit == "more":
            new[name] = (effect, head, parts | {draw(clauses(effect))})
        elif edit == "less" and parts:
            new[name] = (effect, head, parts - {draw(st.sampled_from(sorted(parts)))})
    if draw(st.booleans()) or not new:
        new["added"] = draw(specs())
    return new


def text_of(rules: dict[str, Spec]) -> str:
    """The policy's text."""
    return "".join(
        f'@id("{name}") {effect} {head}'
        + "".join(f" {kind} {{ {part} }}" for kind, part in sorted(parts))
        + ";\n"
        for name, (effect, head, parts) in sorted(rules.items())
    )


POLICIES = st.dictionaries(st.sampled_from("abcd"), specs(), min_size=1, max_size=4)


STATEMENTS = [
    facts(sql_class, verb, tables_written=frozenset(tables), tables_complete=complete)
    for verb, sql_class in (
        ("DROP", SqlClass.DDL),
        ("UPDATE", SqlClass.WRITE),
        ("SELECT", SqlClass.READ),
    )
    for tables, complete in itertools.product(((), ("public.orders",)), (True, False))
]


@settings(max_examples=100, deadline=None)
@given(POLICIES.flatmap(lambda old: st.tuples(st.just(old), changed(old))))
def test_what_is_called_stricter_lets_nothing_more_pass(
    pair: tuple[dict[str, Spec], dict[str, Spec]],
) -> None:
    """Whatever the rules: the stricter changes alone decide no statement more mildly."""
    old, new = pair
    before = engine(text_of(old))
    changes = difference(before.version, load({"rules.cedar": text_of(new)})).changes
    kept = dict(old)
    for one in changes:
        if one.bearing.may_loosen:
            continue
        kept.pop(one.id, None)
        if one.id in new:
            kept[one.id] = new[one.id]
    if not kept:
        return
    after = engine(text_of(kept))
    for statement in STATEMENTS:
        was = decide(before, ALICE, ORDERS, statement).verdict
        now = decide(after, ALICE, ORDERS, statement).verdict
        assert ORDER.index(now) <= ORDER.index(was), (text_of(old), text_of(kept))


@settings(max_examples=40, deadline=None)
@given(POLICIES.flatmap(lambda old: st.tuples(st.just(old), changed(old))))
def test_a_difference_names_exactly_the_rules_that_differ(
    pair: tuple[dict[str, Spec], dict[str, Spec]],
) -> None:
    """Nothing differs from itself; else every id that was added, removed or rewritten, no other."""
    old, new = pair
    before, after = (load({"rules.cedar": text_of(one)}) for one in pair)
    for version in (before, after):
        own = difference(version, version)
        assert (own.changes, own.files, own.kept) == ((), (), len(version.rules))
    found = difference(before, after)
    assert found.ids("added") == sorted(new.keys() - old.keys())
    assert found.ids("removed") == sorted(old.keys() - new.keys())
    common = old.keys() & new.keys()
    assert found.ids("changed") == sorted(
        name for name in common if text_of({"x": old[name]}) != text_of({"x": new[name]})
    )
    assert found.kept == len(common) - len(found.ids("changed"))
