"""What an attacker could do to be let pass: none of it makes a suggestion that may be proposed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.deeds import (
    APPROVERS,
    PERSONS,
    R7,
    History,
    ago,
    at,
    command,
    denied,
    failed,
    moved,
    often,
    on_sql,
    slot,
    statement,
)

from gatekeep.domain.likeness import Likeness
from gatekeep.domain.suggestions import SuggestionKind
from gatekeep.feedback.deeds import Answer, Deed

CLEAN = command("nginx-cache clean")


def relaxed(history: History) -> set[str]:
    """Templates that may be let pass."""
    return {template for one in history.suggest() for template in one.scope.templates}


def lacking(history: History) -> set[str]:
    """The failed checks of the one candidate to let something pass."""
    (one,) = history.all(SuggestionKind.RELAX)
    return failed(one)


def test_routine_is_suggested() -> None:
    """The control: what everything below spoils in one way does make a suggestion."""
    assert relaxed(History().add(often(CLEAN, 30))) == {"nginx-cache clean"}


def test_one_word_is_never_generalised() -> None:
    """Five approved restarts by three persons look good; sshd was denied: no `restart *` comes."""
    history = History()
    for unit in ("a", "b", "c", "d", "e"):
        history.add(often(command(f"systemctl restart {unit}"), 30))
    history.add([denied(moved(command("systemctl restart sshd"), ago(day))) for day in (9, 5)])
    assert relaxed(history) == {f"systemctl restart {unit}" for unit in "abcde"}
    for one in history.suggest():
        (wide,) = [other for other in one.rejected if other.form == "systemctl restart *"]
        assert len(wide.events) == 2


def test_what_people_denied_once_is_not_suggested() -> None:
    """One no outweighs thirty yeses, whoever said it and however long ago."""
    history = History().add(often(CLEAN, 30)).add(denied(moved(CLEAN, ago(300))))
    assert relaxed(history) == set()
    assert lacking(history) == {"no denials"}


def test_a_denial_on_another_target_counts() -> None:
    """The same command denied on web-9 of the same environment speaks against it everywhere there."""
    elsewhere = denied(command("nginx-cache clean", at("zoe", target="web-9"), at_us=ago(5)))
    assert relaxed(History().add(often(CLEAN, 30)).add(elsewhere)) == set()


def test_an_incident_afterwards_is_a_denial() -> None:
    """What was approved and then reported stands against its like."""
    bad = moved(CLEAN, ago(4), incident="INC-1", excluded="reported")
    assert lacking(History().add(often(CLEAN, 30)).add(bad)) == {"no denials"}


def test_a_rubber_stamp_is_no_approver() -> None:
    """Who approves in under 10 s is left out (or weighs a quarter): his yeses are not enough."""
    stamped = often(replace(CLEAN, weight=0.25), 40, approvers=("rob", "dan"))
    history = History().add(stamped)
    assert relaxed(history) == set()
    assert {"approvals", "approvers"} <= lacking(history)
    excluded = [replace(one, excluded="rubber_stamp") for one in often(CLEAN, 40)]
    assert History().add(excluded).all(SuggestionKind.RELAX) == []


def test_one_approver_is_not_enough_whatever_he_approves() -> None:
    """More than half of the approvals by one person are too many, even beside honest others."""
    history = History().add(often(CLEAN, 40, approvers=("rob", "rob", "rob", "dan")))
    assert lacking(history) == {"approver share"}


def test_a_group_that_approves_itself_is_no_evidence() -> None:
    """What a closed circle approved is left out, and said to be."""
    own = [replace(one, excluded="own_group") for one in often(CLEAN, 30)]
    history = History().add(own).add(often(CLEAN, 6, since=60))
    (one,) = history.all(SuggestionKind.RELAX)
    assert (one.vector.approved, one.not_counted["own_group"]) == (6, 30)
    assert relaxed(history) == set()


def test_nobody_approves_for_himself_under_another_name() -> None:
    """A principal of the requester's own person is no approver."""
    deeds = often(CLEAN, 30, approvers=("ann2",), persons=("ann",))
    alias = command("other", at("ann2", person="ann"))
    history = History().add(deeds).add(alias)
    assert history.all(SuggestionKind.RELAX) == []


def test_flooding_counts_once_a_day() -> None:
    """A hundred times on one day by one person count as one."""
    flood = [moved(CLEAN, ago(5, minutes=number)) for number in range(100)]
    history = History().add(flood).add(often(CLEAN, 6))
    (one,) = history.all(SuggestionKind.RELAX)
    assert (one.vector.approved, one.not_counted["same_day"]) == (7, 99)
    assert relaxed(history) == set()


def test_an_evening_around_midnight_is_one_day() -> None:
    """Five evenings, each on both sides of midnight, are five days and not ten."""
    deeds: list[Deed] = []
    for number, one in enumerate(often(CLEAN, 20, days=20)):
        evening, late = 10 + number // 4 * 7, number % 2
        deeds.append(moved(one, ago(evening, minutes=10 if late else -10)))
    history = History().add(deeds)
    assert lacking(history) == {"days"}
    (one,) = history.all(SuggestionKind.RELAX)
    assert one.vector.days == 5


def test_a_target_that_is_more_than_it_was() -> None:
    """web-1 bears `pci` since last week: what was approved before was about another machine."""
    before = often(CLEAN, 40)
    after = replace(CLEAN, where=at(labels=frozenset({"role=web", "pci"})))
    history = History().add(before).add(moved(after, ago(0.2 + day)) for day in range(6))
    (one,) = history.all(SuggestionKind.RELAX)
    assert one.not_counted["target_changed"] == 40
    assert relaxed(history) == set()


def test_a_target_that_bears_a_label_less_is_what_it_was() -> None:
    """The suggestion is only about the labels that stayed."""
    before = often(replace(CLEAN, where=at(labels=frozenset({"role=web", "old"}))), 40)
    (one,) = History().add(before).add(moved(CLEAN, ago(0.1))).suggest()
    assert one.scope.labels == ("role=web",)


def test_two_principals_and_a_machine_are_one_person() -> None:
    """Floors count natural persons; a machine counts for who answers for it."""
    deeds: list[Deed] = []
    for number, name in enumerate(("ann", "ann-laptop", "ann-bot")):
        where = at(name, person="ann" if number < 2 else name, owner="ann" if number == 2 else "")
        deeds += [moved(one, one.at_us + number, where=where) for one in often(CLEAN, 23)]
    history = History().add(deeds)
    (one,) = history.all(SuggestionKind.RELAX)
    assert one.vector.persons == ("ann",)
    assert "persons" in failed(one)


def test_padding_flags_make_another_template() -> None:
    """What was approved padded is no evidence for the plain form, nor the other way round."""
    padded = [command(f"nginx-cache clean --no-color={n}") for n in "abcdef"]
    history = History().add(often(CLEAN, 10))
    for one in padded:
        history.add(often(one, 6))
    assert relaxed(history) == set()


def test_denied_then_retried_is_no_evidence() -> None:
    """Who asks until somebody says yes has shown nothing but patience."""
    retried = [replace(one, excluded="retried") for one in often(CLEAN, 40)]
    history = History().add(retried).add(denied(moved(CLEAN, ago(50))))
    assert history.all(SuggestionKind.RELAX) == []


@pytest.mark.parametrize("assurance", ["inferred", "opaque"])
def test_lines_that_are_not_surely_known_are_no_evidence(assurance: str) -> None:
    """A line read off a screen may have been another one."""
    unsure = replace(CLEAN, assurance=assurance, surely=False)
    history = History().add(often(unsure, 40)).add(often(CLEAN, 6))
    (one,) = history.all(SuggestionKind.RELAX)
    assert (one.vector.approved, one.not_counted["not_sure"]) == (6, 40)


def test_break_glass_is_no_evidence() -> None:
    """What was done in an emergency says nothing of ordinary days."""
    taken = [replace(one, excluded="break_glass") for one in often(CLEAN, 40)]
    assert History().add(taken).all(SuggestionKind.RELAX) == []


def test_a_rule_for_anybody_is_never_suggested() -> None:
    """Where those who did it share no group, there is nobody to name."""
    deeds = [
        replace(one, where=replace(one.where, groups=frozenset({one.where.person})))
        for one in often(CLEAN, 30)
    ]
    rules = R7.replace('principal in Group::"sre"', "principal")
    history = History(rules=rules).add(deeds)
    assert {"never: any principal", "group seen"} <= lacking(history)


def test_never_wider_than_the_group_at_that_time() -> None:
    """One of them was not in sre when he did it: the rule's group is not theirs."""
    deeds = often(CLEAN, 30)
    deeds[3] = replace(deeds[3], where=replace(deeds[3].where, groups=frozenset({"ops"})))
    assert "group seen" in lacking(History().add(deeds))


@pytest.mark.parametrize(
    ("action", "verb"), [("sql.ddl", "ALTER TABLE"), ("sql.dcl", "GRANT"), ("sql.session", "SET")]
)
def test_structure_rights_and_settings_never(action: str, verb: str) -> None:
    """DDL in production is never let pass, however often it was approved."""
    alter = statement(f"{verb.lower()} x", action=action, clause="n/a", rules=("prod-writes",))
    history = History().add(often(alter, 80))
    assert relaxed(history) == set()
    assert "never: classes" in lacking(history)
    structure = action in {"sql.ddl", "sql.dcl"}
    assert ("never: structure in production" in lacking(history)) is structure


@pytest.mark.parametrize(
    "tag",
    ["opens_opaque", "destructive", "privilege", "reads_secret", "network_egress", "persistence",
     "mutable_code", "hidden_input", "a_tag_of_tomorrow"],
)  # fmt: skip
def test_tags_that_always_want_a_person(tag: str) -> None:
    """A tag on one deed of many is enough, and tags that nobody knows yet count as well."""
    deeds = often(CLEAN, 30)
    deeds[7] = replace(deeds[7], tags=frozenset({tag}))
    assert "never: tags" in lacking(History().add(deeds))


@pytest.mark.parametrize(
    "unit", ["sshd", "ssh.service", "gatekeep", "auditd", "systemd-journald", "docker", "firewalld"]
)
def test_restarts_of_what_guards_or_lets_in_never(unit: str) -> None:
    """A restart is tagged destroying; it is excused for plain services, not for these."""
    restart = command(f"systemctl restart {unit}", tags=frozenset({"destructive", "privilege"}))
    assert "never: tags" in lacking(History().add(often(restart, 60)))


@pytest.mark.parametrize(
    "text", ["vault operator seal", "fail2ban-client unban 1.2.3.4", "pg_dropcluster 15 main", "sv restart sshd",
             "supervisorctl stop all", "nice -n 5 ifconfig eth0 down", "tcpdump -i eth0"]
)  # fmt: skip
def test_programs_that_bear_no_tag_never(text: str) -> None:
    """A program that the reader of commands does not know has no tag: some are known by name."""
    assert lacking(History().add(often(command(text), 60))) == {"never: programs"}


def test_gatekeep_itself_never() -> None:
    """Nothing about gatekeep's own files, tables or services is let pass."""
    assert "never: gatekeep itself" in lacking(
        History().add(often(command("cat gatekeep-notes"), 60))
    )


def test_old_evidence_is_no_evidence() -> None:
    """Not seen for 30 days: what was routine in the past need not be any more."""
    old = [moved(one, one.at_us - 31 * 86_400_000_000) for one in often(CLEAN, 30, since=50)]
    assert lacking(History().add(old)) == {"recent"}
    (one,) = History().add(old).all(SuggestionKind.RELAX)
    assert one.vector.recency < 0.5


def test_approvals_are_mined_for_90_days() -> None:
    """What was approved before that is left out, and said to be."""
    old = [moved(one, one.at_us - 60 * 86_400_000_000) for one in often(CLEAN, 46)]
    (one,) = History().add(old).all(SuggestionKind.RELAX)
    assert one.not_counted["too_old"] > 0
    assert one.vector.first_us >= ago(90)


def test_young_rules_are_protected() -> None:
    """A rule that is in force for less than 14 days is not loosened yet."""
    history = History(since_days=13).add(often(CLEAN, 60, since=12.5, days=12))
    assert "source rule" in lacking(history)


def test_evidence_from_before_a_change_of_the_rule_is_none() -> None:
    """What an earlier text of the rule asked about says nothing of the present one."""
    history = History(since_days=20).add(often(CLEAN, 41))
    (one,) = history.all(SuggestionKind.RELAX)
    assert one.not_counted["rule_changed"] > 25
    assert relaxed(history) == set()


def test_withdrawing_when_watched_speaks_against() -> None:
    """Half a denial is not nothing: who steps back when a sample waits is not let pass."""
    stepped = replace(
        moved(CLEAN, ago(3)), answer=Answer.WITHDRAWN, approvers=(), adopted="adopted-1",
        excluded="withdrawn_sample",
    )  # fmt: skip
    history = History().add(often(CLEAN, 30)).add(stepped)
    assert lacking(history) == {"no denials"}
    (one,) = history.all(SuggestionKind.RELAX)
    assert (one.vector.denied, one.vector.overrides) == (0, 1)


def test_high_risk_is_never_suggested() -> None:
    """Nor is critical, nor a word that nobody knows."""
    for risk in ("high", "critical", "tremendous"):
        rules = R7.replace('@title("systemctl', f'@risk("{risk}") @title("systemctl')
        assert "approvals" in lacking(History(rules=rules).add(often(CLEAN, 80)))


def test_moderate_risk_needs_40() -> None:
    """39 are not enough, 40 are."""
    rules = R7.replace('@title("systemctl', '@risk("moderate") @title("systemctl')
    assert relaxed(History(rules=rules).add(often(CLEAN, 39))) == set()
    assert relaxed(History(rules=rules).add(often(CLEAN, 40))) == {"nginx-cache clean"}


def test_two_accounts_or_databases_are_two_nodes() -> None:
    """Ten as deploy and ten as root are not twenty of anything; nor are two databases one."""
    as_root = replace(CLEAN, where=at(account="root"))
    assert relaxed(History().add(often(CLEAN, 10)).add(often(as_root, 10))) == set()
    update = statement("update orders set note = $1:text where id = $2:int", ["'x'", "1"])
    other = replace(update, where=on_sql(database="billing"))
    assert relaxed(History().add(often(update, 10)).add(often(other, 10))) == set()
    both = History().add(often(update, 30)).add(often(other, 10))
    (one,) = both.suggest()
    assert (one.scope.database, one.vector.approved) == ("shop", 30)


def test_two_environments_are_two_nodes() -> None:
    """Evidence of staging never opens production."""
    staging = often(replace(CLEAN, where=at(environment="staging")), 30)
    for one in History().add(staging).add(often(CLEAN, 10)).suggest():
        assert one.scope.environment == "staging"


def test_a_dismissed_suggestion_keeps_its_id() -> None:
    """More evidence, one more target, one more value: the same id, so it stays dismissed."""
    (before,) = History().add(often(CLEAN, 30, targets=("web-1",))).suggest()
    (after,) = History().add(often(CLEAN, 45, targets=("web-1", "web-2"))).suggest()
    assert (before.id, before.rule_id) == (after.id, after.rule_id)
    assert before.scope.targets != after.scope.targets


def test_a_broken_journal_suggests_nothing() -> None:
    """Evidence that did not verify is none."""
    history = History(verified=False).add(often(CLEAN, 30))
    assert history.all() == []


def test_sets_across_two_slots_never_pair_what_nobody_saw() -> None:
    """`a` with 1 and `b` with 2 were approved: `a` with 2 is covered by nothing."""
    template = "update orders set note = $1:text where id = $2:int"
    history = History()
    for values in (["'a'", "1"], ["'b'", "2"]):
        history.add(often(statement(template, [slot(one, sensitive=True) for one in values]), 20))
    for one in history.suggest():
        assert all(len(scope.values) == 1 for scope in one.scope.slots)


def test_more_than_one_statement_has_no_likeness() -> None:
    """What has none is never suggested."""
    several = replace(CLEAN, likeness=None)
    assert History().add(often(several, 60)).all(SuggestionKind.RELAX) == []
    exact = replace(CLEAN, likeness=Likeness("exact:00"))
    assert "never: opaque" in lacking(History().add(often(exact, 60)))


def test_who_is_in_the_evidence_is_enough_to_count() -> None:
    """Three persons, two approvers, ten days, fifteen approvals: just enough; one less is not."""
    enough = {"persons": PERSONS[:3], "approvers": APPROVERS[:2], "days": 10}
    assert relaxed(History().add(often(CLEAN, 16, **enough))) == {"nginx-cache clean"}
    assert relaxed(History().add(often(CLEAN, 16, **{**enough, "persons": PERSONS[:2]}))) == set()
    assert relaxed(History().add(often(CLEAN, 16, **{**enough, "approvers": ("bob",)}))) == set()
    assert relaxed(History().add(often(CLEAN, 16, **{**enough, "days": 9}))) == set()
    assert relaxed(History().add(often(CLEAN, 14, **enough))) == set()


@pytest.mark.parametrize("place", [{"labels": frozenset({"role=\udcff"})}, {"account": "\udcff"}])
def test_what_cannot_be_written_as_a_rule_is_not_proposed(place: dict[str, object]) -> None:
    """The check that says so stays with it, whatever is added afterwards."""
    assert lacking(History().add(often(command("uptime", at(**place)), 41))) == {"rule"}
