"""The chain from candidates to proof, attacked: evidence that looks good and must not pass."""

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
    example,
    free_slot,
    on_orders,
    sql_deed,
    suggestion,
    version,
    where,
)
from support.proof_world import evidence as plain_evidence

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import DAY_US, SlotBound, Suggestion, SuggestionKind
from gatekeep.feedback.backtest import act_of
from gatekeep.feedback.candidates import candidates, proposable
from gatekeep.feedback.deeds import Answer, Deed, Evidence, RuleUse
from gatekeep.feedback.forbidden import HARMLESS_TAGS
from gatekeep.feedback.judging import Judge
from gatekeep.feedback.probes import around
from gatekeep.feedback.proof import prove

APPROVERS = ("lea", "leo", "lin", "lou")


def evidence(deeds: list[Deed]) -> Evidence:
    """As the loop knows it; the rules have been in force all the time."""
    found = plain_evidence(deeds)
    since = {rule.id: RuleUse(100, NOW_US, START_US - 100 * DAY_US) for rule in version().rules}
    return Evidence(
        found.deeds, found.passed, since, (), found.first_us, found.until_us, found.next_n, verified=True
    )


def proposals(deeds: list[Deed]) -> list[Suggestion]:
    """What would be shown to people: candidates that safety and proof let through."""
    known, over = evidence(deeds), version()
    made = [one for one in candidates(known, over, NOW_US) if one.kind is SuggestionKind.RELAX]
    proven = [prove(one, known, over, MEMBERS, NOW_US) for one in made if proposable(one)]
    return [one for one in proven if one.safe]


def often(texts: list[str], count: int = 60) -> list[Deed]:
    """Approved by four, for six, on many days."""
    return [
        command_deed(
            n, START_US + (n * 89 // count) * DAY_US, texts[n % len(texts)],
            where(PEOPLE[(n + n // len(texts)) % 6], f"web-{1 + n % 2}"), approvers=(APPROVERS[n // 3 % 4],),
        )
        for n in range(1, count)
    ]  # fmt: skip


def test_the_worked_example_comes_out_of_the_whole_chain() -> None:
    """Mined, checked, written, proven: restarting nginx, and nothing else."""
    found = proposals(example())
    assert [one.scope.templates for one in found] == [(NGINX,)]
    assert found[0].backtest is not None
    assert found[0].backtest.holdout["ask>allow"] == 14


@pytest.mark.parametrize(
    "text",
    [
        "systemctl restart sshd",
        "rm -rf /var/cache/app",
        "sudo systemctl restart nginx",
        "cat /etc/shadow",
        "curl http://example.org/x",
        "bash ./deploy.sh",
        "kubectl scale deploy web --replicas 3",
        "kill -9 1",
        "tee /etc/motd",
        "systemctl restart nginx; rm x",
        "ssh web-2 uptime",
    ],
)
def test_what_is_on_the_never_list_is_not_proposed_however_often_it_was_approved(text: str) -> None:
    """Approvals cannot buy it."""
    found = proposals(often([text]))
    assert found == [], [(one.title, one.rule) for one in found]


def test_a_folder_of_logs_does_not_open_the_secrets_in_it() -> None:
    """Sixty logs that six read do not let pass a key that lies beside them."""
    found = proposals(often([f"cat /var/log/app/{name}.log" for name in range(60)]))
    secret = command_deed(1, NOW_US - DAY_US, "cat /var/log/app/server.key")
    for one in found:
        judge = Judge(version(adopted=one.rule), MEMBERS)
        assert judge.judge(act_of(secret)).verdict == "ask"


def test_a_folder_of_logs_may_be_proposed() -> None:
    """A prefix within bounds is proposed once its rule keeps out what its values may bring in."""
    found = proposals(often([f"cat /var/log/app/{name}.log" for name in range(60)]))
    assert [one.scope.slots[0].bound for one in found] == ["prefix"]


@pytest.mark.parametrize(
    "form", ["/usr/local/bin/refund {} 100", "/usr/local/bin/refund 4711 {}", "app-admin scale web {}"]
)
def test_what_a_command_is_told_does_not_become_any(form: str) -> None:
    """Sixty refunds of sixty amounts are no leave for any amount."""
    for one in proposals(often([form.format(10 + n) for n in range(60)])):
        assert {slot.bound for slot in one.scope.slots} <= {"exact", "any_of"}, one.title


def test_what_a_statement_writes_does_not_become_any() -> None:
    """`SET credit = $1` is no comparison: sixty credits are no leave for any credit."""
    template = "UPDATE public . orders SET credit = $1:int WHERE id = $2:int"
    deeds = [
        sql_deed(
            n, START_US + n * DAY_US, (str(n), "7"), on_orders(PEOPLE[n % 6]), approvers=(APPROVERS[n // 3 % 4],),
            likeness=Likeness(template, (LikeSlot("int", str(n)), LikeSlot("int", "7"))),
        )
        for n in range(1, 88)
    ]  # fmt: skip
    for one in proposals(deeds):
        assert one.scope.slots[0].bound in {"exact", "any_of"}, one.title
    scope = replace(suggestion("").scope, slots=(free_slot(SlotBound.ANY), free_slot(SlotBound.ANY)))
    near = [one for one in around(deeds[0], scope, 1) if one.never == "a value that is written"]
    assert near


@pytest.mark.parametrize("when", [1, 45, 89])
@pytest.mark.parametrize("target", ["web-1", "web-2"])
def test_one_denial_anywhere_in_time_stops_it(when: int, target: str) -> None:
    """One no outweighs all yes."""
    no = command_deed(9000, START_US + when * DAY_US, NGINX, where("ann", target), answer=Answer.DENIED)
    assert proposals([*example(), no]) == []


def test_one_person_with_many_names_is_one_person() -> None:
    """Principals that share a person do not fill the floors."""
    deeds = [
        command_deed(n, START_US + n * DAY_US, NGINX, where("ann", principal=f"bot{n % 6}"), approvers=(APPROVERS[n % 4],))
        for n in range(1, 88)
    ]  # fmt: skip
    assert proposals(deeds) == []


def test_a_crowd_on_one_day_is_no_evidence() -> None:
    """Flooding within days is counted once a person, template and day."""
    deeds = [
        command_deed(n, NOW_US - DAY_US + n * 1000, NGINX, where(PEOPLE[n % 6]), approvers=(APPROVERS[n % 4],))
        for n in range(1, 88)
    ]  # fmt: skip
    assert proposals(deeds) == []


def test_padding_flags_reach_no_approved_template() -> None:
    """Approvals of one form are none of another."""
    deeds = often([f"{NGINX} {flag}".strip() for flag in ("", "--no-block", "--quiet", "--force", "-q")])
    for one in proposals(deeds):
        assert len(one.scope.templates) == 1


READERS = (
    "cat /var/log/app/{}", "tail -n {} /var/log/app/today", "head -n 5 /srv/shop/logs/{}", "ls -l /var/log/app/{}",
    "stat /var/log/app/{}", "grep -n error /var/log/app/{}", "journalctl -n {}", "du -sh /var/log/app/{}",
    "find /var/log/app/{} -name x", "sort /var/log/app/{}", "less /var/log/app/{}", "sed -n 1p /var/log/app/{}",
    "tee /var/log/app/{}", "touch /var/log/app/{}", "kill {}", "sleep {}", "base64 /var/log/app/{}",
    "docker logs --tail {} web", "kubectl logs --tail {} web", "openssl x509 -in /etc/ssl/certs/{}",
)  # fmt: skip
STRANGE = (
    "server.key", "id_rsa", ".env", "../../../etc/shadow", "a/../../x", "shadow", "x.pem", "credentials", "*", "?",
    "$HOME", "`id`", "$(id)", "a b", "-delete", "a; id", "a | sh", "a > /etc/passwd", "a & id", "0", "999999999", "-1",
    "~/.ssh/id_rsa", "token.json", "db.sql", "{a,b}", "a\nid", "", ".", "/", "//", "a\u202eb", "9" * 19, "0x10", "1e9",
)  # fmt: skip


@pytest.mark.parametrize("form", READERS)
def test_what_strange_values_bring_never_passes_by_a_proposed_rule(form: str) -> None:
    """Whatever stands in the place of a value: no tag that wants a person, no `..`, nothing unread."""
    numbers = form.startswith(("tail", "journalctl", "kill", "sleep", "docker", "kubectl"))
    found = proposals(often([form.format(n if numbers else f"{n}.log") for n in range(60)]))
    for one in found:
        judge = Judge(version(adopted=one.rule), MEMBERS)
        for value in STRANGE:
            deed = command_deed(1, NOW_US - DAY_US, form.format(value))
            if judge.judge(act_of(deed)).verdict == "allow":
                assert deed.tags <= HARMLESS_TAGS, (deed.text, deed.tags)
                assert deed.surely
                assert ".." not in deed.text
                assert "reads_only" in deed.tags, deed.text
