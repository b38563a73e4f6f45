"""The other kinds of suggestions: gates, questions, and advice; each from the smallest story."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from support.deeds import (
    PERSONS,
    R7,
    READS,
    WRITES,
    History,
    ago,
    at,
    command,
    denied,
    failed,
    often,
    on_sql,
    refused,
    statement,
    unasked,
)

from gatekeep.domain.suggestions import Suggestion, SuggestionKind
from gatekeep.feedback.deeds import RuleUse
from gatekeep.feedback.safety import proposable
from gatekeep.policy.loading import load

OPS = """
@id("ops-writes") @title("Operators change rows")
permit (principal in Group::"ops", action == Action::"sql.write", resource);
"""
EVERY_ROW = statement("update orders set state = $1:text", ["'x'"], clause="absent")


def the_one(found: Iterable[Suggestion]) -> Suggestion:
    """The only suggestion there is."""
    (one,) = found
    return one


# --- gate ----------------------------------------------------------------------------------------


def gated(passes: int = 11, no: int = 3) -> History:
    """20 reviews of UPDATEs without WHERE, some denied; others of ops that nobody looked at."""
    reviews = often(EVERY_ROW, 20)
    reviews[:no] = [denied(one) for one in reviews[:no]]
    history = History(rules=R7 + WRITES + READS + OPS).add(reviews)
    return history.let_pass(
        *(
            unasked("ops-writes", EVERY_ROW, name, frozenset({"ops"}), count)
            for name, count in (("oli", passes - 4), ("pia", 4))
        )
    )


def test_what_people_deny_and_others_do_unasked_is_to_be_asked() -> None:
    """3 denials in 20 reviews, 11 unasked by ops: propose to ask, and say who would have waited."""
    gate = the_one(gated().suggest(SuggestionKind.GATE))
    assert gate.title == "Ask dba before ops runs UPDATE of every row on production"
    assert "denied 3 of 20" in gate.advice
    assert "11 of the same class passed unasked" in gate.advice
    assert "oli 7 and pia 4" in gate.advice
    assert (gate.vector.asked, gate.vector.denied) == (20, 3)


def test_a_gate_is_a_forbid_that_an_approval_lifts() -> None:
    """Its rule loads beside the others, and asks for nothing but this class."""
    history = gated()
    gate = the_one(history.suggest(SuggestionKind.GATE))
    version = load({"rules.cedar": history.rules, "adopted.cedar": gate.rule})
    rule = version.rule(gate.rule_id)
    assert rule is not None
    assert (rule.effect, rule.approvers) == ("forbid", {"dba"})
    assert {"where", "verb"} <= rule.reads


@pytest.mark.parametrize(("passes", "no"), [(4, 3), (11, 2)])
def test_too_little_makes_no_gate(passes: int, no: int) -> None:
    """Fewer than five unasked ones, or fewer than three denials, are no reason."""
    assert gated(passes, no).suggest(SuggestionKind.GATE) == []


def test_a_gate_over_ssh_is_about_one_template() -> None:
    """`systemctl stop x` was denied thrice to sre, and ops do it unasked."""
    rules = R7 + '@id("ops") permit (principal in Group::"ops", action == Action::"ssh.exec", resource);'
    stop = command("systemctl stop x")
    history = History(rules=rules).add([denied(one) for one in often(stop, 4)])
    history.let_pass(unasked("ops", stop, "oli", frozenset({"ops"}), 9))
    history.let_pass(unasked("ops", command("uptime"), "oli", frozenset({"ops"}), 99))
    gate = the_one(history.suggest(SuggestionKind.GATE))
    assert "`systemctl stop x`" in gate.title
    assert 'context.program == "systemctl"' in gate.rule


# --- ask instead of denying ----------------------------------------------------------------------

NEEDED = command("df -h", rules=(), approvers=())


def test_what_no_rule_permits_and_several_need_is_to_be_asked() -> None:
    """Fifteen denials to three persons on fifteen days: propose a rule that asks."""
    ask = the_one(
        History().add(refused(often(NEEDED, 15, days=15, persons=PERSONS[:3], since=20)))
        .suggest(SuggestionKind.ASK_INSTEAD)
    )  # fmt: skip
    assert ask.title.startswith("Ask leads when sre runs `df -h`")
    assert ask.kind.loosens
    version = load({"rules.cedar": R7, "adopted.cedar": ask.rule})
    rule = version.rule(ask.rule_id)
    assert rule is not None
    assert (rule.effect, rule.approvers) == ("permit", {"leads"})


@pytest.mark.parametrize(
    ("count", "days", "persons"), [(14, 14, 3), (18, 6, 3), (15, 15, 2)], ids=["few", "days", "persons"]
)
def test_asking_instead_has_its_floors(count: int, days: int, persons: int) -> None:
    """It loosens: the floors of letting pass, 15 denials, three persons, ten days, hold for it."""
    few = often(NEEDED, count, days=days, persons=PERSONS[:persons], since=20)
    assert History().add(refused(few)).suggest(SuggestionKind.ASK_INSTEAD) == []


def test_what_a_rule_forbids_is_not_asked_about_instead() -> None:
    """A forbid was written on purpose; only what no rule speaks of is a gap."""
    few = refused(often(replace(NEEDED, rules=("r7",)), 20))
    assert History().add(few).suggest(SuggestionKind.ASK_INSTEAD) == []


def test_what_is_on_the_never_list_is_not_asked_about_instead() -> None:
    """To ask where it was denied is loosening too."""
    risky = replace(NEEDED, tags=frozenset({"reads_secret"}))
    history = History().add(refused(often(risky, 20)))
    assert "never: tags" in failed(the_one(history.all(SuggestionKind.ASK_INSTEAD)))


# --- advice on rules -----------------------------------------------------------------------------


def test_a_right_that_nobody_used_for_90_days_is_to_be_removed() -> None:
    """Neither used nor young: remove. Forbids, and rules about gatekeep itself, are left alone."""
    spare = (
        '@id("spare") permit (principal in Group::"x", action == Action::"sql.read", resource);'
        '@id("never") forbid (principal in Group::"x", action == Action::"sql.ddl", resource);'
        '@id("glass") permit (principal in Group::"x", action == Action::"breakglass", resource);'
    )
    remove = the_one(History(rules=spare).suggest(SuggestionKind.REMOVE))
    assert [one.id for one in remove.sources] == ["spare"]
    assert 'Group::"x"' in remove.before
    assert remove.rule == ""


@pytest.mark.parametrize(("since", "last"), [(60.0, 0.0), (200.0, 40.0)], ids=["young", "used"])
def test_young_and_used_rules_stay(since: float, last: float) -> None:
    """In force for 60 days, or used 40 days ago: no."""
    rules = '@id("spare") permit (principal in Group::"x", action == Action::"sql.read", resource);'
    use = RuleUse(1 if last else 0, ago(last) if last else 0, ago(since))
    history = History(rules=rules, uses={"spare": use})
    assert history.suggest(SuggestionKind.REMOVE) == []


def test_a_rule_that_is_used_in_one_environment_is_to_be_narrowed() -> None:
    """30 uses, all in staging, while others use production: name the environment."""
    reads = '@id("all") permit (principal in Group::"eng", action == Action::"sql.read", resource);'
    seen = statement("select a from t where id = $1:int", ["1"])
    history = History(rules=reads + R7).add(often(command("uptime"), 6))
    staging = replace(seen, where=on_sql(environment="staging"))
    history.let_pass(unasked("all", staging, "ann", frozenset({"eng"}), 30))
    narrow = the_one(history.suggest(SuggestionKind.NARROW))
    assert narrow.title.startswith("Narrow rule all to environment staging")


def test_actions_that_nobody_needed_are_to_be_taken_out() -> None:
    """A rule for reads and writes of which only reads are used."""
    both = (
        '@id("both") permit (principal in Group::"eng", '
        'action in [Action::"sql.read", Action::"sql.write"], resource in Environment::"prod");'
    )
    seen = statement("select a from t where id = $1:int", ["1"])
    history = History(rules=both).let_pass(unasked("both", seen, "ann", frozenset({"eng"}), 30))
    assert "sql.write" in the_one(history.suggest(SuggestionKind.NARROW)).title


def test_a_rule_that_repeats_another_is_to_be_merged() -> None:
    """What lint knows is shown where people look for work to do."""
    twice = R7 + R7.replace('@id("r7")', '@id("r8")')
    merge = the_one(History(rules=twice).suggest(SuggestionKind.MERGE))
    assert merge.title == "Merge rule r8 into r7: it repeats rule r7"
    assert merge.rule == ""


# --- telling less ---------------------------------------------------------------------------------

RISKY = R7.replace('@title("systemctl', '@risk("high") @title("systemctl')


def test_who_hears_of_what_is_risky_and_always_approved_is_its_owners_to_decide() -> None:
    """50 of 50 at high risk: it stays asked, and accepting the advice changes nothing by itself."""
    history = History(rules=RISKY).add(often(command("certbot renew"), 50))
    mute = the_one(history.suggest(SuggestionKind.MUTE))
    assert mute.rule == ""
    assert "certbot renew" in mute.title
    assert "asked as before" in mute.advice
    assert "changes nothing by itself" in mute.advice
    assert not mute.mutes


@pytest.mark.parametrize("tag", ["destructive", "privilege", "reads_secret", "hidden_input"])
def test_what_is_dangerous_is_never_muted(tag: str) -> None:
    """Muting is loosening: the never-list holds."""
    deeds = often(command("certbot renew", tags=frozenset({tag})), 50)
    assert History(rules=RISKY).add(deeds).suggest(SuggestionKind.MUTE) == []


def test_a_restart_that_may_pass_is_still_never_muted() -> None:
    """Its tags say destructive: it may pass one day, but it never goes untold."""
    restart = command("systemctl restart nginx", tags=frozenset({"destructive", "privilege"}))
    history = History(rules=RISKY).add(often(restart, 50))
    assert failed(the_one(history.all(SuggestionKind.MUTE))) == {"never: tags"}


def test_newcomers_are_not_muted() -> None:
    """A principal's first 30 days are told as ever."""
    deeds = [*often(command("certbot renew"), 50), command("certbot renew", at("zoe"))]
    history = History(rules=RISKY).add(deeds)
    assert failed(the_one(history.all(SuggestionKind.MUTE))) == {"nobody new"}


def test_a_rule_that_tells_all_the_time_is_told_of_once_a_week() -> None:
    """1,000 notices in 90 days are read by nobody."""
    noisy = (
        '@id("noisy") @notify("dba") permit (principal in Group::"eng", '
        'action == Action::"sql.read", resource in Environment::"prod");'
    )
    seen = statement("select a from t where id = $1:int", ["1"])
    history = History(rules=noisy).let_pass(
        *(unasked("noisy", seen, name, frozenset({"eng"}), 350) for name in PERSONS[:3])
    )
    mute = the_one(history.suggest(SuggestionKind.MUTE))
    assert mute.title == "Tell of rule noisy once a week instead of each time"
    assert mute.mutes


def noise(first_days: float = 80, last_days: float = 1) -> History:
    """1,050 notices of a rule, by three persons."""
    rule = (
        '@id("noisy") @notify("dba") permit (principal in Group::"eng", '
        'action == Action::"sql.read", resource in Environment::"prod");'
    )
    seen = statement("select a from t where id = $1:int", ["1"])
    passed = [unasked("noisy", seen, name, frozenset({"eng"}), 350) for name in PERSONS[:3]]
    for _, one in passed:
        one.first_us, one.last_us = ago(first_days), ago(last_days)
    return History(rules=rule).let_pass(*passed)


def test_telling_less_of_a_rule_has_the_floors_of_loosening() -> None:
    """A burst of five days is no habit, and who came within 30 days is told of as ever."""
    assert len(noise().suggest(SuggestionKind.MUTE)) == 1
    assert failed(the_one(noise(45, 40).all(SuggestionKind.MUTE))) == {"days"}
    assert failed(the_one(noise(29).all(SuggestionKind.MUTE))) == {"nobody new"}


def test_a_new_name_of_an_old_person_is_new() -> None:
    """A principal's first 30 days: his other names do not make him known."""
    bot = command("certbot renew", at("ann", principal="ann-bot"), at_us=ago(3))
    history = History(rules=RISKY).add([*often(command("certbot renew"), 50), bot])
    assert "nobody new" in failed(the_one(history.all(SuggestionKind.MUTE)))


# --- words and alerts ----------------------------------------------------------------------------


def test_the_same_mistake_of_several_wants_better_words() -> None:
    """Five persons ran into the same refusal: its message does not say what to do instead."""
    wrong = refused(often(replace(EVERY_ROW, approvers=()), 10, persons=PERSONS[:5]))
    words = the_one(History().add(wrong).suggest(SuggestionKind.WORDS))
    assert words.title == "Say better what to do instead where sql.write is denied by prod-writes"
    assert "5 persons ran into it 10 times" in words.advice


def test_one_persons_mistake_is_not_the_messages_fault() -> None:
    """Ten times the same person: no better words, but a look at what he tries."""
    wrong = refused(often(command("cat /etc/shadow", rules=("r7",)), 10, persons=("mal",)))
    history = History().add(wrong)
    assert history.suggest(SuggestionKind.WORDS) == []
    alert = the_one(history.suggest(SuggestionKind.ALERT))
    assert alert.title.startswith("Look at what mal tried 10 times on web-1: `cat /etc/shadow`")


def test_denials_by_people_alert_as_well() -> None:
    """Asked and denied five times: the sixth try deserves more than another no."""
    tries = [denied(one) for one in often(command("systemctl restart sshd"), 5, persons=("mal",))]
    alert = the_one(History().add(tries).suggest(SuggestionKind.ALERT))
    assert alert.vector.denied == 5
    assert History().add(tries[:4]).suggest(SuggestionKind.ALERT) == []


def test_every_suggestion_says_what_it_stands_on() -> None:
    """A title, a root over its events, checks with reasons: whatever its kind."""
    for one in gated().all():
        assert one.title
        assert len(one.evidence_root) == 64
        assert all(check.why for check in one.checks)
        assert proposable(one) == (one.safe and bool(one.checks))
