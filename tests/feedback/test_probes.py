"""Neighbours: what nobody did, and what a rule would make of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.proof_world import (
    MEMBERS,
    NGINX,
    NOW_US,
    PEOPLE,
    START_US,
    command_deed,
    evidence,
    free_slot,
    sql_deed,
    standing_rule,
    suggestion,
    version,
    where,
)

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import DAY_US, SlotBound, SlotScope, Suggestion
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.judging import Judge
from gatekeep.feedback.probes import NEVER_TAGS, Neighbour, around, filled
from gatekeep.feedback.proof import prove

EXPIRED = day_of(NOW_US) + 91


def neighbours(text: str = NGINX) -> list[Neighbour]:
    """All neighbours of one command."""
    return list(around(command_deed(1, START_US, text), suggestion("").scope, EXPIRED))


def tailed(bound: SlotScope, condition: str, texts: list[str] | None = None) -> Suggestion:
    """A rule over `cat <path>`, proven over reads of six logs."""
    over = version()
    paths = texts or [f"/var/log/app/{name}.log" for name in ("a", "b", "c", "d", "e", "f")]
    deeds = [
        command_deed(n, START_US + n * DAY_US, f"cat {paths[n % len(paths)]}", where(PEOPLE[n % 5]))
        for n in range(1, 88)
    ]
    scope = replace(
        suggestion("").scope, targets=("web-1",), templates=("cat $1:path",), slots=(bound,), verb="cat"
    )
    place = (
        'resource in Label::"role=web" && [Target::"web-1"].contains(resource) && '
        'context.account == Account::"deploy" && context.complete && context.resolved && '
        'context.assurance == "exact" && context has template && '
        'context.template == "cat $1:path" && !(context has slot2) && '
    )
    rule = standing_rule(over, place + "context has slot1 && " + condition)
    return prove(suggestion(rule, over, scope=scope), evidence(deeds), over, MEMBERS, NOW_US)


def test_restarting_on_a_database_stays_asked() -> None:
    """The worked example's own probe: the same command on role=db."""
    over = version(adopted=standing_rule(version()))
    judge = Judge(over, MEMBERS)
    found = {one.text: judge.judge(one.act) for one in neighbours()}
    assert found[f"{NGINX} on role=db"].verdict == "ask"
    assert judge.judge(neighbours()[0].act).verdict == "ask"


def test_every_way_out_is_tried() -> None:
    """Who, where, what and how: each of them has a neighbour."""
    reasons = {one.never for one in neighbours()}
    assert {
        "another target", "another environment", "another account", "another group",
        "other labels", "another class", "another template", "not known for sure",
        "incomplete facts", "the rule has ended",
    } <= reasons  # fmt: skip


def test_padding_flags_make_another_template() -> None:
    """`systemctl restart nginx --force` is not what was approved."""
    assert f"{NGINX} --force (--force)" in {one.text for one in neighbours()}


def test_an_enumerated_set_of_paths_passes() -> None:
    """Six logs that were read stay six logs."""
    paths = tuple(f"/var/log/app/{name}.log" for name in ("a", "b", "c", "d", "e", "f"))
    listed = ", ".join(f'"{one}"' for one in paths)
    found = tailed(free_slot(SlotBound.ANY_OF, *paths), f"[{listed}].contains(context.slot1)")
    assert found.safe, [one for one in found.checks if not one.passed]
    assert found.backtest is not None
    assert found.backtest.probes == ()


def test_a_value_that_nobody_approved_is_named() -> None:
    """A list that holds one more than evidence shows is not a list of what was seen."""
    paths = ("/var/log/app/a.log", "/etc/shadow")
    found = tailed(
        free_slot(SlotBound.ANY_OF, *paths),
        '["/var/log/app/a.log", "/etc/shadow"].contains(context.slot1)',
    )
    seen = next(one for one in found.checks if one.name == "only what was seen")
    assert not seen.passed
    assert "/etc/shadow" in seen.why


@pytest.mark.parametrize(
    "condition", ['context.slot1 like "/var/log/app/*"', "context.slot1 == context.slot1"]
)
def test_a_path_that_leads_out_is_found(condition: str) -> None:
    """A prefix without a word on `..` reaches /etc/shadow, and so does any value at all."""
    found = tailed(free_slot(SlotBound.PREFIX, "/var/log/app/"), condition)
    near = next(one for one in found.checks if one.name == "neighbours")
    assert not near.passed
    assert "a path that leads out" in near.why


def test_a_freed_value_that_may_be_a_secret_is_found() -> None:
    """What a command is follows from its words: a free one may make it read a secret."""
    found = tailed(
        free_slot(SlotBound.PREFIX, "/var/log/app/"),
        'context.slot1 like "/var/log/app/*" && !(context.slot1 like "*..*")',
    )
    near = next(one for one in found.checks if one.name == "neighbours")
    assert not near.passed
    assert "it is reads_secret" in near.why


def test_a_freed_value_within_bounds_is_shown_and_passes() -> None:
    """A prefix that keeps out what the never-list names: what it would also permit is listed."""
    tags = ", ".join(f'"{one}"' for one in NEVER_TAGS)
    found = tailed(
        free_slot(SlotBound.PREFIX, "/var/log/app/"),
        'context.slot1 like "/var/log/app/*" && !(context.slot1 like "*..*") && '
        f"!(context.tags.containsAny([{tags}]))",
    )
    assert found.safe, [one for one in found.checks if not one.passed]
    assert found.backtest is not None
    assert [one.text for one in found.backtest.probes] == [
        text for text in (one.text for one in found.backtest.probes) if "never-seen" in text
    ]
    assert {(one.before, one.after) for one in found.backtest.probes} == {("ask", "allow")}


def test_a_sensitive_value_is_never_free() -> None:
    """A tenant or a price may not be any, whatever the scope says."""
    deed = replace(
        command_deed(1, START_US, "scale app 3"),
        likeness=Likeness("scale app $1:number", (LikeSlot("number", "3", sensitive=True),)),
    )
    scope = replace(suggestion("").scope, slots=(free_slot(SlotBound.ANY),))
    assert "a sensitive value" in {one.never for one in around(deed, scope, EXPIRED)}


def test_templates_are_shown_filled() -> None:
    """People read values in their places."""
    slots = (LikeSlot("text", "'a\\1b'"), LikeSlot("int", "7"))
    assert filled(Likeness("SELECT $1 WHERE id = $2:int", slots)) == "SELECT 'a\\1b' WHERE id = 7"


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("UPDATE t SET credit = $1:int WHERE id = $2:int", {0}),
        ("UPDATE t SET a = ( SELECT 1 WHERE 1 = $1:int ) , credit = $2:int WHERE id = $3:int", {0, 1}),
        ('UPDATE t AS " where " SET credit = $1:int WHERE id = $2:int', {0}),
        ("INSERT INTO t VALUES ( $1:int , $2:int )", {0, 1}),
        ("WITH x AS ( DELETE FROM u WHERE id = $1:int ) UPDATE t SET a = $2:int WHERE id = $3:int", {0, 1}),
        ("DELETE FROM t WHERE id = $1:int", set()),
    ],
)
def test_a_value_that_is_written_is_told_from_one_that_is_looked_for(
    template: str, written: set[int]
) -> None:
    """Only what stands behind the statement's own WHERE says where, and not what."""
    count = template.count("$")
    like = Likeness(template, tuple(LikeSlot("int", "7") for _ in range(count)))
    deed = sql_deed(1, START_US, likeness=like)
    for at in range(count):
        slots = tuple(free_slot(SlotBound.ANY if at == one else SlotBound.EXACT, "7") for one in range(count))
        scope = replace(suggestion("").scope, slots=slots, templates=(template,))
        wrong = {one.never for one in around(deed, scope, EXPIRED)}
        assert ("a value that is written" in wrong) is (at in written)
