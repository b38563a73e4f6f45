"""What holds of every rule that can be written, whatever scope it is drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.proof_world import (
    MEMBERS,
    NGINX,
    START_US,
    command_deed,
    sql_deed,
    version,
    where,
)

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import SlotBound, SlotScope, SourceRule, SuggestionScope
from gatekeep.errors import SettingsError
from gatekeep.feedback.backtest import act_of
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.heads import head_of
from gatekeep.feedback.judging import Judge
from gatekeep.feedback.lattice import Form, covers
from gatekeep.feedback.relaxing import narrower
from gatekeep.policy.loading import load
from gatekeep.policy.standing import write_standing

WORDS = st.sampled_from(
    ["systemctl", "restart", "nginx", "sudo", "cat", "rm", "*", '"', "\\", "${x}", "'", ";", "/../"]
)
TEMPLATES = st.one_of(
    st.sampled_from([NGINX, "cat $1:path", "sudo rm", '" || true || "', "*"]),
    st.lists(WORDS, min_size=1, max_size=3).map(" ".join),
)
VALUES = st.sampled_from(["/var/log/app/a", "/etc/shadow", "/var/log/app/../x", "*", '"', "7"])
BOUNDS = st.builds(
    SlotScope, st.sampled_from(SlotBound), st.lists(VALUES, min_size=1, max_size=2).map(tuple)
)
GROUPS = st.sampled_from(["sre", "staff", 'a" || true'])
TARGETS = st.sampled_from(["web-1", "web-2", "orders", 'x"]'])
SCOPES = st.builds(
    SuggestionScope,
    group=GROUPS,
    action=st.sampled_from(["ssh.exec", "ssh.line", "sql.write", "sql.read", "ssh.shell"]),
    environment=st.sampled_from(["prod", "", "staging"]),
    targets=st.lists(TARGETS, min_size=1, max_size=2, unique=True).map(tuple),
    account=st.sampled_from(["deploy", "root", "app_rw"]),
    database=st.sampled_from(["", "shop"]),
    labels=st.lists(st.sampled_from(["role=web", 'q"']), max_size=1).map(tuple),
    templates=st.lists(TEMPLATES, min_size=1, max_size=2, unique=True).map(tuple),
    slots=st.lists(BOUNDS, max_size=2).map(tuple),
    verb=st.sampled_from(["", "systemctl", "UPDATE"]),
    tables_read=st.sampled_from([(), ("public.orders",)]),
    tables_written=st.sampled_from([(), ("public.orders",)]),
)


@st.composite
def deeds(draw: st.DrawFn) -> Deed:
    """Something that somebody did, of any of these words; much of it forbidden."""
    at = where(
        draw(st.sampled_from(["ann", "ben"])),
        draw(st.sampled_from(["web-1", "web-2", "orders"])),
        groups=frozenset(draw(st.lists(st.sampled_from(["sre", "staff"]), max_size=2))),
        environment=draw(st.sampled_from(["prod", "staging"])),
        account=draw(st.sampled_from(["deploy", "root"])),
    )
    if draw(st.booleans()):
        made = command_deed(1, START_US, draw(TEMPLATES.filter(lambda one: one.strip() != "")), at)
    else:
        place = replace(at, kind="postgres", account="app_rw", database="shop")
        made = sql_deed(1, START_US, (draw(VALUES),), place)
    slots = tuple(LikeSlot("path", one) for one in draw(st.lists(VALUES, max_size=2)))
    return replace(made, likeness=Likeness(draw(TEMPLATES), slots))


SOURCES = st.lists(
    st.sampled_from(["prod-systemctl", "prod-writes", "no-sudo", "looks"]), min_size=1, max_size=2, unique=True
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCOPES, SOURCES, st.lists(deeds(), min_size=1, max_size=4))
def test_no_written_rule_turns_a_deny_into_anything(
    scope: SuggestionScope, names: list[str], known: list[Deed]
) -> None:
    """Whatever a scope says, a standing rule only ever turns ask to allow, and errs nowhere."""
    over = version()
    rules = [rule for rule in over.rules if rule.id in names]
    sources = [SourceRule(rule.id, rule.digest) for rule in rules]
    try:
        text = write_standing("adopted-1", "t", "w", day_of(START_US) + 90, scope, sources)
        composed = load({**over.texts, "adopted.cedar": text})
    except SettingsError:
        return
    assert len(composed.standing) == 1
    before, after = Judge(over, MEMBERS), Judge(composed, MEMBERS)
    head = head_of(composed.standing[0])
    for deed in known:
        old, new = before.judge(act_of(deed)), after.judge(act_of(deed))
        assert new.broken == old.broken
        if old.verdict is not new.verdict:
            assert (old.verdict, new.verdict) == (Verdict.ASK, Verdict.ALLOW)
            assert head.could_match(deed)
            assert deed.likeness is not None
            assert deed.likeness.template in scope.templates
            assert scope.group in deed.where.groups
            assert deed.where.target in scope.targets
            assert len(deed.likeness.slots) == len(scope.slots)


def scope_of(deed: Deed) -> SuggestionScope:
    """The narrowest scope that holds a deed."""
    assert deed.likeness is not None
    at = deed.where
    return SuggestionScope(
        group="sre", action=deed.action, environment=at.environment, targets=(at.target,),
        account=at.account, database=at.database, labels=tuple(sorted(at.labels)),
        templates=(deed.likeness.template,), verb=deed.verb, tables_read=deed.tables_read,
        tables_written=deed.tables_written,
        slots=tuple(SlotScope(SlotBound.EXACT, (one,)) for one in deed.likeness.values),
    )  # fmt: skip


OTHERS = st.sampled_from(
    [
        {"group": "staff"}, {"environment": "staging"}, {"targets": ("web-9",)}, {"account": "other"},
        {"labels": ("role=db",)}, {"templates": ("systemctl restart sshd",)}, {"action": "ssh.line"},
        {"slots": (SlotScope(SlotBound.EXACT, ("another",)),)},
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["web-1", "web-2"]), VALUES, st.none() | OTHERS)
def test_a_written_rule_holds_its_deed_and_nothing_beside_it(
    target: str, value: str, other: dict[str, Any] | None
) -> None:
    """The exact scope of a deed lets it pass; the same with one thing otherwise does not."""
    over = version()
    rule = over.rule("prod-systemctl")
    assert rule is not None
    made = command_deed(1, START_US, "tail app", where("ann", target))
    deed = replace(made, likeness=Likeness("tail $1:path", (LikeSlot("path", value),)))
    scope = replace(scope_of(deed), **(other or {}))
    text = write_standing(
        "adopted-1", "t", "w", day_of(START_US) + 90, scope, [SourceRule(rule.id, rule.digest)]
    )
    judge = Judge(load({**over.texts, "adopted.cedar": text}), MEMBERS)
    wanted = Verdict.ASK if other else Verdict.ALLOW
    assert judge.judge(act_of(deed)).verdict is wanted


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCOPES, st.lists(deeds(), min_size=1, max_size=6), st.data())
def test_the_narrower_form_covers_nothing_that_the_wide_one_does_not(
    scope: SuggestionScope, known: list[Deed], data: st.DataObject
) -> None:
    """Whatever passes by the narrower rule passes by the wide one: other labels, tags, values, targets."""
    first = known[0]
    slots = tuple(
        SlotScope(*data.draw(st.sampled_from([(SlotBound.ANY,), (SlotBound.PREFIX, ("/var/log/",)), (SlotBound.EXACT, (one,))])))
        for one in first.likeness.values
    )  # fmt: skip
    wide = replace(
        scope_of(first), targets=tuple(sorted({first.where.target, *scope.targets})),
        labels=data.draw(st.sampled_from([(), ("role=web",)])), slots=slots,
    )  # fmt: skip
    covered = [one for one in known if one.likeness is not None and covers(slots, one.likeness.values)]
    narrow = narrower(wide, Form(slots, tuple(covered))) if covered else None
    if narrow is None:
        return
    over = version()
    sources = [SourceRule(one.id, one.digest) for one in over.rules if one.id in first.rules]
    try:
        judges = [
            Judge(load({**over.texts, "adopted.cedar": write_standing("a", "t", "w", 99_999, one, sources)}), MEMBERS)
            for one in (wide, narrow)
        ]  # fmt: skip
    except SettingsError:
        return
    for deed in [*known, *(near for one in known for near in beside(one, first))]:
        wide_says, narrow_says = (one.judge(act_of(deed)) for one in judges)
        assert not narrow_says.adopted or wide_says.adopted


def beside(deed: Deed, like: Deed) -> Iterator[Deed]:
    """The same deed as another template's, without its labels, with a tag, and on another target."""
    request = deed.request
    parts = "commands" if "commands" in request else "statements"
    yield replace(deed, likeness=like.likeness)
    yield replace(like, likeness=deed.likeness)
    target = request["target"]
    yield replace(deed, request={**request, "target": {**target, "labels": []}})
    yield replace(deed, request={**request, "target": {**target, "name": "web-2"}})
    first, *rest = request[parts]
    tagged = {**first, "tags": ["reads_secret"], "known_tags": ["reads_secret"]}
    yield replace(deed, request={**request, parts: [tagged, *rest]})


def test_the_narrower_form_keeps_its_labels() -> None:
    """On one target only, and still only as long as that is what it was."""
    deed = command_deed(1, START_US)
    wide = replace(scope_of(deed), targets=("web-1", "web-2"))
    narrow = narrower(wide, Form((), (deed,)))
    assert narrow == replace(wide, targets=("web-1",))
    assert narrow.labels == ("role=web",)
