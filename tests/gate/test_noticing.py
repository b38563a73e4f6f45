"""Who hears of what: once the event is durable, by the rules that decided it, and never in the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support import builders
from support.gate_story import ScriptedPolicy, Story

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.domain.decisions import NoticeRule, Verdict
from gatekeep.gate.notice_ports import Notice
from gatekeep.gate.noticing import Noticing, told_as_asked, what_of
from gatekeep.gate.permit import EarlyPermit, Permit, Refusal
from gatekeep.gate.ports import Judgement

RULE = NoticeRule("r", "r:0a1b2c3d4e5f", "Reads", "dba")
OTHER = NoticeRule("o", "o:0a1b2c3d4e5f")


def noticed(verdict: Verdict = Verdict.ALLOW, *rules: NoticeRule) -> Judgement:
    """A judgement that these rules want told."""
    made = builders.judgement(verdict)
    return replace(made, decision=replace(made.decision, notify=rules))


def story(**verdicts: Verdict) -> tuple[Story, list[Notice]]:
    """A gate whose rules all want to be told, but of TRUNCATE; and what was told."""

    def rule(action: SqlAction) -> Judgement:
        word = action.text.split()[0].lower()
        told = () if word == "truncate" else (RULE,)
        return noticed(verdicts.get(word, Verdict.ALLOW), *told)

    made, told = Story(ScriptedPolicy(rule)), list[Notice]()
    made.gate.noticing.listener = told.append
    return made, told


async def test_what_is_released_and_refused_is_told_with_its_event() -> None:
    """Rule, group, principal, target, template; of a rule without @notify nothing."""
    over, told = story(drop=Verdict.DENY)
    await over.clear(builders.action("SELECT 1"), builders.action("TRUNCATE a"), builders.action("DROP t"))
    assert [(one.came_to, one.n) for one in told] == [
        ("released", over.journal.events[0].n), ("refused", over.journal.events[2].n),
    ]  # fmt: skip
    first = told[0]
    assert (first.rule, first.principal, first.target) == (RULE, "alice", "orders")
    assert (first.verb, first.template) == ("SELECT", "SELECT $1:int")


async def test_nothing_is_told_before_it_is_durable() -> None:
    """Whoever reads the notice finds its event."""
    over, told = story()
    over.journal.synced.clear()
    clearing = asyncio.ensure_future(over.clear(builders.action()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert told == []
    over.journal.synced.set()
    await clearing
    assert len(told) == 1


async def test_what_cannot_be_recorded_is_not_told() -> None:
    """It did not happen."""
    over, told = story()
    over.journal.break_append_at = 0
    (answer,) = await over.clear(builders.action())
    assert isinstance(answer, Refusal)
    assert told == []


async def test_what_policy_allows_and_its_pipeline_skips_is_not_the_rules() -> None:
    """Only what the rule itself decided: a denied one behind it is."""
    over, told = story(truncate=Verdict.DENY, drop=Verdict.DENY)
    await over.clear(builders.action("TRUNCATE a"), builders.action("SELECT 1"), builders.action("DROP t"))
    assert [(one.came_to, one.n) for one in told] == [("refused", over.journal.events[2].n)]


async def test_a_listener_that_fails_changes_nothing() -> None:
    """The action has its event, and goes out."""

    def fails(_notice: Notice) -> None:
        raise RuntimeError

    over, _told = story()
    over.gate.noticing.listener = fails
    (answer,) = await over.clear(builders.action())
    assert isinstance(answer, Permit)


class CommandPolicy(ScriptedPolicy):
    """Denies rm, and wants all commands told."""

    def judge_command(self, session: object, action: object) -> Judgement:
        """By the program."""
        assert isinstance(action, SshAction)
        verdict = Verdict.DENY if action.command.startswith("rm") else Verdict.ALLOW
        return noticed(verdict, RULE)


async def test_commands_are_told_too() -> None:
    """By their programs: an argument may be anything, a password too."""
    over, told = Story(CommandPolicy(lambda _action: noticed())), list[Notice]()
    over.gate.noticing.listener = told.append
    for text in ("mysql -psecret", "rm -rf /srv"):
        program = text.partition(" ")[0]
        facts = (CommandFacts("ssh.exec", program=program),)
        await over.gate.clear_command(over.live, b"{}", SshAction("exec", text, facts))
    assert [(one.came_to, one.verb, one.template, one.n) for one in told] == [
        ("released", "mysql", "", 0), ("refused", "rm", "", 1),
    ]  # fmt: skip


async def test_an_early_read_that_is_to_be_told_waits_for_its_event() -> None:
    """A read that overlaps with its fsync goes out before anything could be told."""
    over, told = story()
    over.only_reads()
    (answer,) = await over.clear(builders.action("SELECT 1"), overlap=True)
    assert isinstance(answer, Permit)
    assert len(told) == 1
    (quiet,) = await over.clear(builders.action("TRUNCATE a"), overlap=True)
    assert isinstance(quiet, EarlyPermit)
    assert len(told) == 1


def test_sessions_are_told_when_they_begin_and_questions_when_they_wait() -> None:
    """A session has no template."""
    told: list[Notice] = []
    noticing = Noticing()
    noticing.opened(builders.session(), noticed(Verdict.ALLOW, RULE).decision, 7)
    noticing.listener = told.append
    noticing.opened(builders.session(), noticed(Verdict.ALLOW, RULE, OTHER).decision, 8)
    noticing.asked(builders.session(), builders.action(), noticed(Verdict.ASK, RULE).decision, 9)
    assert [(one.came_to, one.n, one.verb, one.rule) for one in told] == [
        ("opened", 8, "session", RULE), ("opened", 8, "session", OTHER), ("asked", 9, "SELECT", RULE),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        (builders.action("x", builders.facts(template="exact:9c41")), ("SELECT", "")),
        (builders.action("x", builders.facts(), builders.facts(template="exact:9c41")), ("SELECT", "")),
        (builders.action("x", builders.facts(), builders.facts()), ("SELECT", "SELECT $1:int; SELECT $1:int")),
        (SshAction("exec", "mysql -psecret", (CommandFacts("ssh.exec", program="mysql"),)), ("mysql", "")),
    ],
)  # fmt: skip
def test_values_are_in_no_notice(action: SqlAction | SshAction, shown: tuple[str, str]) -> None:
    """A template where there is one; of a command its programs, and no argument."""
    assert what_of(action) == shown


def test_what_leave_lets_out_is_told_as_the_rule_that_asked_wants_it() -> None:
    """Approved, the forbid that asked no longer matches; it decided all the same."""
    asked = noticed(Verdict.ASK, RULE).decision
    approved = noticed(Verdict.ALLOW, OTHER, RULE)
    assert told_as_asked(approved, asked).decision.notify == (RULE, OTHER)
    assert told_as_asked(approved, noticed(Verdict.ASK).decision) is approved
