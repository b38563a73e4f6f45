"""Proof of suggestions: the worked example passes, and what should not pass says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.proof_world import (
    MEMBERS,
    NGINX,
    NOW_US,
    START_US,
    command_deed,
    evidence,
    example,
    standing_rule,
    suggestion,
    version,
    where,
)

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import DAY_US, Suggestion, SuggestionKind
from gatekeep.feedback.deeds import Answer, Deed, Passed, PassedKey
from gatekeep.feedback.proof import prove

SAME = f'context has template && context.template == "{NGINX}"'
DEPLOY = 'context.account == Account::"deploy"'


def proven(rule: str = "", deeds: list[Deed] | None = None, **changes: object) -> Suggestion:
    """The example's suggestion, with another rule, evidence or scope."""
    over = version()
    one = suggestion(rule or standing_rule(over), over, **changes)
    return prove(one, evidence(deeds), over, MEMBERS, NOW_US)


def why(found: Suggestion, name: str) -> str:
    """The reason of a check that failed."""
    check = next(one for one in found.checks if one.name == name)
    assert not check.passed, check.why
    return check.why


def test_the_worked_example_passes_its_hold_out() -> None:
    """Fourteen of the last third would pass, none was denied, none is unknown."""
    found = proven()
    assert [one for one in found.checks if not one.passed] == []
    assert found.backtest is not None
    assert found.backtest.passed
    assert found.backtest.holdout["ask>allow"] == 14
    assert found.backtest.matrix["ask>allow"] == 41
    assert found.backtest.denied_now_passing == ()
    assert (found.backtest.unknown, found.backtest.errors) == (0, 0)
    held = next(one for one in found.checks if one.name == "hold-out")
    assert held.why == "14 of the last third would pass; none was denied"
    assert found.saves_per_week == pytest.approx(3.27, abs=0.1)
    assert {one.person: one.count for one in found.backtest.per_person}["ann"] == 7


def test_checks_that_were_made_before_are_kept() -> None:
    """Proof adds to what safety found; it does not forgive."""
    found = proven()
    again = prove(found, evidence(), version(), MEMBERS, NOW_US)
    assert again.checks[: len(found.checks)] == found.checks


def test_a_denial_in_the_last_third_fails_it() -> None:
    """What people refused once inside the rule is not let pass by it."""
    denied = command_deed(900, NOW_US - DAY_US, NGINX, answer=Answer.DENIED)
    found = proven(deeds=[*example(), denied])
    assert "1 was denied" in why(found, "hold-out")
    assert found.backtest is not None
    assert found.backtest.denied_now_passing == (900,)
    assert not found.backtest.passed


def test_an_incident_in_the_first_part_fails_it_too() -> None:
    """History is one: an approved deed that turned out wrong counts wherever it lies."""
    wrong = command_deed(900, START_US + DAY_US, NGINX, incident="INC-1")
    assert "events 900" in why(proven(deeds=[*example(), wrong]), "history")


def test_what_cannot_be_decided_again_fails_it() -> None:
    """An unknown in history is not taken for a yes."""
    broken = replace(command_deed(900, NOW_US - DAY_US), request={"commands": [{}]})
    found = proven(deeds=[*example(), broken])
    assert "could not be" in why(found, "history")
    assert "could not be decided again" in why(found, "hold-out")


def test_what_the_first_part_does_not_show_was_not_learnt_there() -> None:
    """A rule whose evidence lies in the held-out part alone was tried on nothing."""
    late = [command_deed(n, NOW_US - (30 - n) * DAY_US, at=where(f"p{n % 4}")) for n in range(20)]
    found = prove(
        suggestion(standing_rule(version())), evidence(late), version(), MEMBERS, NOW_US,
        mined_until_us=NOW_US - 30 * DAY_US,
    )  # fmt: skip
    assert "first two thirds show none of it" in why(found, "hold-out")


def test_a_denied_template_beside_it_fails_it() -> None:
    """`restart sshd` was refused: a rule that names it too lets refused deeds pass."""
    over = version()
    rule = standing_rule(over, templates=(NGINX, "systemctl restart sshd"))
    scope = replace(suggestion("").scope, templates=(NGINX, "systemctl restart sshd"))
    found = proven(rule, scope=scope)
    assert "refused would pass" in why(found, "history")


@pytest.mark.parametrize(
    ("condition", "reached"),
    [
        ('context has template && context.template like "systemctl restart *"', "another template"),
        (SAME, "another target"),
        (f'resource in Label::"role=web" && {DEPLOY} && {SAME}', "another target"),
        (f'[Target::"web-1", Target::"web-2"].contains(resource) && {SAME}', "other labels"),
        (f'[Target::"web-1", Target::"web-2"].contains(resource) && {SAME}', "another account"),
        (f'[Target::"web-1", Target::"web-2"].contains(resource) && {SAME}', "not known for sure"),
    ],
)
def test_a_rule_wider_than_what_was_seen_reaches_its_neighbours(
    condition: str, reached: str
) -> None:
    """What a hand-written rule leaves open is found by neighbours that nobody asked for."""
    deeds = [one for one in example() if one.answer is not Answer.DENIED]
    found = proven(standing_rule(version(), condition), deeds=deeds)
    assert reached in why(found, "neighbours")
    assert found.backtest is not None
    assert not found.backtest.passed


def test_a_rule_for_another_group_than_was_seen_is_found() -> None:
    """The scope says sre, the rule says everybody: neighbours outside the group would pass."""
    head = 'principal in Group::"staff", action == Action::"ssh.exec", resource in Environment::"prod"'
    found = proven(standing_rule(version(), head=head))
    assert not found.safe


def test_a_rule_without_an_end_is_found() -> None:
    """On a day on which no adopted rule may count any more, it would still let pass."""
    found = proven(standing_rule(version(), days=400))
    assert "the rule has ended" in why(found, "neighbours")


def test_a_rule_that_may_err_fails() -> None:
    """Numbers that overflow and entities that are not there: Cedar's errors would be silent."""
    over = version()
    base = f'context has template && context.template == "{NGINX}"'
    for fault, word in (
        (f"context.day * 9223372036854775807 > 0 && {base}", "calculates"),
        (f'(Principal::"ghost".owner == "x" || {base}) && {base}', "may not be there"),
    ):
        assert word in why(proven(standing_rule(over, fault)), "never errs")


def test_a_rule_that_does_not_load_fails_with_its_words() -> None:
    """Nothing raises: the check says what is wrong."""
    found = proven('@id("adopted-3f9a12bc") permit (principal, action, resource) when { nonsense };')
    assert "does not load" in why(found, "composition")
    assert found.backtest is not None
    assert not found.backtest.passed


def test_a_second_rule_beside_the_one_is_found() -> None:
    """Exactly one rule is added, whatever else a text brings along."""
    over = version()
    two = standing_rule(over) + '@id("also") permit (principal in Group::"sre", action, resource);'
    assert "more or less than one rule" in why(proven(two), "composition")


def test_a_text_that_replaces_a_rule_is_found() -> None:
    """An @id that is there already does not make a change of that rule."""
    over = version()
    rule = standing_rule(over).replace("adopted-3f9a12bc", "looks")
    assert not proven(rule, rule_id="looks").safe


def test_an_ordinary_permit_is_no_relaxation() -> None:
    """It would take part in every decision, and is shown as what it is."""
    rule = (
        '@id("adopted-3f9a12bc") permit (principal in Group::"sre", action == Action::"ssh.exec", '
        'resource in Environment::"prod") when { context.program == "systemctl" };'
    )
    assert "no standing rule" in why(proven(rule), "composition")


def test_it_falls_silent_when_its_source_changes() -> None:
    """Bound to the text of the rule that asked: other words, another rule."""
    found = proven()
    bound = next(one for one in found.checks if one.name == "bound to its source")
    assert bound.passed
    other = version().rule("prod-systemctl")
    assert other is not None
    stale = replace(suggestion("").sources[0], digest="0" * 12)
    assert "reads otherwise now" in why(proven(sources=(stale,)), "bound to its source")


# --- rules that ask --------------------------------------------------------------------------

GATE = (
    '@id("adopted-3f9a12bc") @title("Ask before reading configuration") '
    'forbid (principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"prod") '
    'when { context.program == "cat" } '
    'unless { context has approval && context.approval.groups.containsAny(["leads"]) };'
)


def passed_unasked(count: int = 11) -> dict[PassedKey, Passed]:
    """Reads of a file that passed without anybody being asked, by two persons."""
    found: dict[PassedKey, Passed] = {}
    for number, person in enumerate(("ann", "ben")):
        deed = command_deed(1, START_US, "cat /etc/motd", where(person))
        key = PassedKey(
            "looks", "ssh.exec", "cat", "cat $1:path", "web-1", "prod", person, frozenset({"sre"})
        )
        found[key] = Passed(
            count - 4 * number, START_US + DAY_US, NOW_US - DAY_US, events=[7 + number],
            text="cat /etc/motd", request=deed.request,
        )  # fmt: skip
    return found


def gated(rule: str = GATE, count: int = 11) -> Suggestion:
    """A suggestion to ask about what passes, proven."""
    over = version()
    one = suggestion(rule, over, kind=SuggestionKind.GATE)
    return prove(one, evidence(passed=passed_unasked(count)), over, MEMBERS, NOW_US)


def test_a_gate_lists_who_would_have_waited() -> None:
    """It turns allow to ask and nothing else, and says for whom and how often."""
    found = gated()
    assert [one for one in found.checks if not one.passed] == []
    assert found.backtest is not None
    assert found.backtest.matrix["allow>ask"] == 18
    assert [(one.person, one.count) for one in found.backtest.per_person] == [("ann", 11), ("ben", 7)]
    assert found.backtest.per_person[0].examples == ("cat /etc/motd",)
    waits = next(one for one in found.checks if one.name == "who waits")
    assert waits.why == "18 would have waited: ann 11, ben 7"


def test_a_gate_that_makes_people_wait_all_day_fails() -> None:
    """Breakage is foreseen, not measured afterwards."""
    assert "more than 10 times a week" in why(gated(count=4000), "who waits")


def test_a_gate_that_forbids_outright_fails() -> None:
    """Allow may become ask, never deny."""
    outright = GATE.partition(" unless")[0] + ";"
    assert "no forbid that an approval lifts" in why(gated(outright), "composition")
    assert "allow>deny" in why(gated(outright), "one way")


def test_a_gate_that_nobody_can_lift_fails() -> None:
    """To ask a group that nobody is in is to forbid."""
    assert not gated(GATE.replace('"leads"', '"nobody"')).safe


def test_asking_instead_of_denying_lets_nothing_pass() -> None:
    """Deny becomes ask for what was seen, and a rule that lets it pass outright fails."""
    over = version()
    deeds = [
        command_deed(n, START_US + n * DAY_US, "journalctl -u app", where(f"p{n % 4}", environment="staging"),
                     answer=Answer.NONE, verdict=Verdict.DENY)
        for n in range(1, 60)
    ]  # fmt: skip
    head = 'permit (principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"staging")'
    place = (
        '[Target::"web-1"].contains(resource) && context.account == Account::"deploy" && '
        'resource in Label::"role=web" && context.program == "journalctl" && '
        'context.complete && context.resolved && context.assurance == "exact"'
    )
    asks = f'{head} when {{ {place} && context has approval && context.approval.groups.contains("leads") }};'
    scope = replace(
        suggestion("").scope, environment="staging", targets=("web-1",), templates=("journalctl -u app",)
    )
    for text, fine in ((asks, True), (f"{head} when {{ {place} }};", False)):
        one = suggestion(
            f'@id("adopted-3f9a12bc") {text}', over, kind=SuggestionKind.ASK_INSTEAD, scope=scope
        )
        found = prove(one, evidence(deeds), over, MEMBERS, NOW_US)
        assert found.safe is fine, [c for c in found.checks if not c.passed]


def test_advice_writes_no_rule_and_needs_no_proof() -> None:
    """It is handed back as it was."""
    one = suggestion("", kind=SuggestionKind.WORDS)
    assert prove(one, evidence(), version(), MEMBERS, NOW_US) is one


def test_a_rule_in_force_is_proven_against_the_version_without_it() -> None:
    """A backtest of what is adopted already says what it changes, not that it changes nothing."""
    rule = standing_rule(version())
    over = version(adopted=f"{rule}\n")
    found = prove(suggestion(rule, over), evidence(), over, MEMBERS, NOW_US)
    assert found.safe, [one for one in found.checks if not one.passed]
    assert found.backtest is not None
    assert found.backtest.matrix["ask>allow"] == 41


def test_a_journal_that_did_not_verify_proves_nothing() -> None:
    """Evidence that may have been changed speaks for nothing, however good it looks."""
    over = version()
    known = replace(evidence(), verified=False)
    found = prove(suggestion(standing_rule(over), over), known, over, MEMBERS, NOW_US)
    assert "did not verify" in why(found, "journal")


def test_the_narrower_form_must_lie_within_the_one_that_is_proven() -> None:
    """What people may accept instead is looked at as well, and left out where it is not narrower."""
    over = version()
    rule = standing_rule(over)
    one = suggestion(rule, over, narrower=standing_rule(over, targets=("web-1",)))
    assert prove(one, evidence(), over, MEMBERS, NOW_US).narrower == one.narrower
    wider = replace(one, narrower=standing_rule(over, targets=("web-1", "web-2", "web-1-2")))
    found = prove(wider, evidence(), over, MEMBERS, NOW_US)
    assert found.narrower == ""
    assert "decides otherwise" in next(x.why for x in found.checks if x.name == "narrower form")


def test_what_passes_unasked_cannot_be_changed_by_a_relaxation() -> None:
    """It is counted as it was, also where its request was not kept; a gate says that it is unknown."""
    over = version()
    kept = {key: replace(one, request={}) for key, one in passed_unasked().items()}
    known = evidence(passed=kept)
    found = prove(suggestion(standing_rule(over), over), known, over, MEMBERS, NOW_US)
    assert found.safe, [one for one in found.checks if not one.passed]
    assert found.backtest is not None
    assert found.backtest.matrix["allow>allow"] == 18
    gate = prove(suggestion(GATE, over, kind=SuggestionKind.GATE), known, over, MEMBERS, NOW_US)
    assert gate.backtest is not None
    assert gate.backtest.unknown == 2


def test_sealed_payloads_are_said() -> None:
    """An erased person's denials cannot be read: whoever decides is told so."""
    over = version()
    known = replace(evidence(), unknown=3)
    found = prove(suggestion(standing_rule(over), over), known, over, MEMBERS, NOW_US)
    assert any("3 payloads stayed sealed" in one.why for one in found.checks)
