"""Stories of written rules: whatever stands in a suggestion, the rule means that and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import facts, principal, target
from support.policies import MEMBERS

from gatekeep.domain.actions import SqlClass, WhereClause
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import SlotBound, SlotScope, SourceRule, SuggestionScope
from gatekeep.domain.targets import TargetKind
from gatekeep.errors import SettingsError
from gatekeep.policy.command_request import command_questions
from gatekeep.policy.engine import Engine
from gatekeep.policy.loading import load
from gatekeep.policy.request import Place, sql_questions
from gatekeep.policy.standing import write_asking, write_gate, write_standing

SOURCE = SourceRule("prod-systemctl", "0a1b2c3d4e5f")
RESTART = SuggestionScope(
    group="sre", action="ssh.exec", environment="prod", targets=("web-1", "web-2"),
    account="deploy", labels=("role=web",), templates=("systemctl restart nginx",), verb="systemctl",
)  # fmt: skip
UPDATE = SuggestionScope(
    group="engineers", action="sql.write", environment="prod", targets=("orders",),
    account="app_rw", database="shop", templates=("update t set a = $1:text where b = $2:int",),
    slots=(SlotScope(SlotBound.ANY_OF, ("'open'", "'paid'")), SlotScope(SlotBound.EXACT, ("5",))),
    verb="UPDATE", tables_written=("public.t",),
)  # fmt: skip
SLOTS = SlotScope(SlotBound.EXACT, ("5",))
HOSTILE = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from('"\\\n\r\t\0*\'/;(){}@&|$\u2028\u0085\u00a0\u202e'),
    ),
    max_size=30,
)
WORD = HOSTILE.filter(bool)


def standing(scope: SuggestionScope, **changes: Any) -> str:
    """A standing rule for this scope."""
    said = {"rule_id": "adopted-1", "title": "t", "why": "w", "expires_day": 20876, **changes}
    return write_standing(scope=scope, sources=said.pop("sources", (SOURCE,)), **said)


def test_a_rule_reads_as_a_person_would_write_it() -> None:
    """One condition a line, and the last day on which it counts in front."""
    assert standing(RESTART, title="Let sre restart nginx", why='41 of 41 "approved"') == (
        '@id("adopted-1")\n'
        '@title("Let sre restart nginx")\n'
        '@why("41 of 41 \\"approved\\"")\n'
        '@expires("2027-02-26")\n'
        'permit (principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"prod")\n'
        "when {\n"
        "  context has asked_by &&\n"
        '  context.asked_by == ["prod-systemctl:0a1b2c3d4e5f"] &&\n'
        "  context has day &&\n"
        "  context.day < 20876 &&\n"
        '  resource in Label::"role=web" &&\n'
        '  [Target::"web-1", Target::"web-2"].contains(resource) &&\n'
        '  context.account == Account::"deploy" &&\n'
        "  context.complete &&\n"
        "  context.resolved &&\n"
        '  context.assurance == "exact" &&\n'
        "  context has template &&\n"
        '  context.template == "systemctl restart nginx" &&\n'
        "  !(context has slot1)\n"
        "};\n"
    )


@given(st.lists(WORD, min_size=1, max_size=4), WORD, WORD, st.lists(WORD, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_whatever_it_names_it_loads_as_a_standing_rule(
    values: list[str], template: str, why: str, names: list[str]
) -> None:
    """Quotes, backslashes, line ends, stars and worse stay inside their strings."""
    slots = (
        SlotScope(SlotBound.ANY_OF, tuple(values)), SlotScope(SlotBound.PREFIX, (names[0],)), SlotScope(SlotBound.ANY),
    )  # fmt: skip
    scope = replace(
        UPDATE, targets=tuple(names), labels=tuple(values), account=names[0], database=why,
        group=why, environment=template, templates=(template,), slots=slots, verb=values[0],
    )  # fmt: skip
    version = load({"adopted.cedar": standing(scope, title=template, why=why)})
    assert (version.rules, version.warnings) == ((), ())
    (rule,) = version.standing
    assert (rule.id, rule.title, rule.why) == ("adopted-1", template, why)


def questions(
    slots: tuple[str, ...],
    verdict: Verdict = Verdict.ASK,
    clause: WhereClause = WhereClause.PRESENT,
    tags: tuple[str, ...] = ("writes",),
    bounds: tuple[SlotScope, ...] = (SlotScope(SlotBound.PREFIX, ("/var/*/",)), SlotScope(SlotBound.ANY)),
) -> tuple[Engine, Any]:
    """What answers an update whose values are these."""
    asking = (
        '@id("writes") permit (principal in Group::"engineers", action == Action::"sql.write", resource)'
        ' when { context has approval && context.approval.groups.contains("dba") };'
    )
    (mark,) = [SourceRule(rule.id, rule.digest) for rule in load({"a": asking}).rules]
    text = standing(replace(UPDATE, slots=bounds), sources=(mark,))
    engine = Engine(load({"a": asking, "b": text}), MEMBERS)
    alice, orders = principal(), target()
    known = facts(
        SqlClass.WRITE, "UPDATE", tables_written=frozenset({"public.t"}), where=clause,
        tags=frozenset(tags),
    )  # fmt: skip
    asked = sql_questions(Place(alice, orders, "app_rw", "shop"), [known], "simple", None)
    at = engine.standing(alice, orders)
    decision = engine.decide(at, asked)
    assert decision.verdict is verdict
    like = Likeness(UPDATE.templates[0], tuple(LikeSlot("text", one) for one in slots))
    return engine, engine.standing_rules_for(at, asked, decision, like, 20875)


@pytest.mark.parametrize(
    ("values", "answered"),
    [
        (("/var/*/a", "x"), True),
        (("/var/log/a", "x"), False),  # the star is a star
        (("/var/*/../a", "x"), False),
        (("/var/*/a",), False),
        (("/var/*/a", "x", "y"), False),
    ],
)
def test_a_prefix_is_no_pattern(values: tuple[str, ...], answered: bool) -> None:
    """A star in it is a star, no way leads up, and the values must all be there, and no more."""
    assert bool(questions(values)[1]) is answered


LISTED = (SlotScope(SlotBound.ANY_OF, ("/var/*/a", "b")), SlotScope(SlotBound.EXACT, ("x",)))


@pytest.mark.parametrize("bounds", [None, LISTED], ids=["free", "listed"])
@pytest.mark.parametrize("clause", list(WhereClause))
def test_a_write_passes_only_with_a_where_that_restricts_it(
    clause: WhereClause, bounds: tuple[SlotScope, ...] | None
) -> None:
    """The same template with a value that makes its WHERE hold always never matches."""
    more: dict[str, Any] = {"bounds": bounds} if bounds else {}
    answered = questions(("/var/*/a", "x"), clause=clause, **more)[1]
    assert bool(answered) is (clause is WhereClause.PRESENT)


@pytest.mark.parametrize("tag", ["reads_secret", "destructive", "network_egress", "large_object", "never-heard-of"])
@pytest.mark.parametrize("bounds", [None, LISTED], ids=["free", "listed"])
def test_no_value_of_a_statement_brings_a_tag_that_people_look_at(
    tag: str, bounds: tuple[SlotScope, ...] | None
) -> None:
    """Whatever stands in its slots: with one of these tags somebody is asked."""
    more: dict[str, Any] = {"bounds": bounds} if bounds else {}
    assert not questions(("/var/*/a", "x"), tags=("writes", tag), **more)[1]


@pytest.mark.parametrize(
    "scope",
    [
        replace(RESTART, group=""),
        replace(RESTART, targets=()),
        replace(RESTART, account=""),
        replace(RESTART, templates=()),
        replace(UPDATE, database=""),
        replace(RESTART, action="ssh.shell"),
        replace(UPDATE, action="sql.ddl"),
        replace(UPDATE, action="session.open"),
        replace(UPDATE, templates=("a", "b")),
        replace(UPDATE, slots=(SLOTS,) * 10),
        replace(UPDATE, slots=(SlotScope(SlotBound.EXACT),)),
        replace(UPDATE, slots=(SlotScope(SlotBound.EXACT, ("a", "b")),)),
        replace(UPDATE, slots=(SlotScope(SlotBound.ANY_OF),)),
        replace(UPDATE, slots=(SlotScope(SlotBound.PREFIX, ("",)),)),
        replace(UPDATE, tables_written=('public."T"',)),
        replace(UPDATE, tables_written=("public.Orders",)),
        replace(UPDATE, tables_read=("orders",)),
        replace(UPDATE, tables_read=("t", "public.orders")),
        replace(UPDATE, account="\ud800"),
        replace(RESTART, templates=("x" * 70_000,)),
    ],
)
def test_what_cannot_be_said_narrowly_is_refused(scope: SuggestionScope) -> None:
    """Rather no rule than a wider one."""
    with pytest.raises(SettingsError):
        standing(scope)


def test_tables_are_all_the_names_that_a_statement_has() -> None:
    """As it was written, and as it is stored: sets hold both."""
    text = standing(replace(UPDATE, tables_written=("t", "public.t")))
    assert 'context.tables_written == ["public.t", "t"]' in text


@pytest.mark.parametrize(
    "changes", [{"rule_id": 'x") permit'}, {"expires_day": 0}, {"sources": ()},
                {"sources": (SourceRule("a", "not a digest"),)}],
)  # fmt: skip
def test_a_rule_without_end_source_or_name_is_refused(changes: dict[str, Any]) -> None:
    """It could outlive what it was learnt from."""
    with pytest.raises(SettingsError):
        standing(RESTART, **changes)


def test_a_gate_asks_where_something_passed() -> None:
    """And touches nothing besides."""
    text = write_gate("adopted-2", "t", "w", replace(UPDATE, group=""), ("dba",), ("absent",))
    free = '@id("all") permit (principal in Group::"engineers", action in Action::"sql", resource);'
    engine = Engine(load({"a": free, "b": text}), MEMBERS)
    alice, orders = principal(), target()
    place = Place(alice, orders, "app_rw", "shop")
    at = engine.standing(alice, orders)
    every_row = facts(SqlClass.WRITE, "UPDATE", tables_written=frozenset({"public.t"}), where=WhereClause.ABSENT)
    for known, verdict in (
        (every_row, Verdict.ASK),
        (replace(every_row, where=WhereClause.PRESENT), Verdict.ALLOW),
        (replace(every_row, tables_written=frozenset({"public.u"})), Verdict.ALLOW),
        (replace(every_row, tables_written=frozenset(), tables_complete=False), Verdict.ASK),
    ):
        assert engine.decide(at, sql_questions(place, [known], "simple", None)).verdict is verdict


def test_what_nothing_permits_can_be_asked_about() -> None:
    """A command, with the words that all of it shares."""
    text = write_asking("adopted-3", "t", "w", 20876, RESTART, ("dba", "security:2"))
    engine = Engine(load({"b": text}), MEMBERS)
    who = principal("alice", "sre")
    web = target("web-1", kind=TargetKind.SSH, labels=frozenset({"role=web"}))
    at = engine.standing(who, web)
    for argv, verdict in (
        (("systemctl", "restart", "nginx"), Verdict.ASK),
        (("systemctl", "restart", "sshd"), Verdict.DENY),
    ):
        known = CommandFacts("ssh.exec", "systemctl", argv)
        asked = command_questions(Place(who, web, "deploy"), SshAction("exec", "", (known,)), None)
        assert engine.decide(at, asked).verdict is verdict


@pytest.mark.parametrize(
    "scope",
    [
        replace(RESTART, group=""),
        replace(RESTART, verb="", templates=()),
        replace(RESTART, verb="", templates=("systemctl restart nginx", "ls -l")),
        replace(RESTART, action="ssh.shell"),
        replace(UPDATE, action="sql.ddl"),
    ],
)
def test_a_question_about_nearly_anything_is_refused(scope: SuggestionScope) -> None:
    """It would ask where today nothing passes: for every command, or for code and rights."""
    with pytest.raises(SettingsError):
        write_asking("adopted-3", "t", "w", 0, scope, ("dba",))


def test_a_question_names_whom_it_asks() -> None:
    """Neither asks nobody, nor a group that is none."""
    for groups in ((), ("No Group",)):
        with pytest.raises(SettingsError):
            write_asking("adopted-3", "t", "w", 0, RESTART, groups)
        with pytest.raises(SettingsError):
            write_gate("adopted-3", "t", "w", RESTART, groups)
