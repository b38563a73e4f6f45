"""The worked example of the design: nginx is proposed, php-fpm not yet, `restart *` never."""

from __future__ import annotations

import pytest
from support.deeds import NOW_US, WEB, History, ago, at, command, denied, failed, moved, often

from gatekeep.domain.suggestions import SuggestionKind
from gatekeep.feedback.candidates import candidates, checks_of, proposable

_RESTART = frozenset({"destructive", "privilege"})


@pytest.fixture(scope="module")
def history() -> History:
    """90 days: nginx 41 of 41, php-fpm 9 of 9, sshd 0 of 2, postgresql stopped 0 of 1."""
    nginx = command("systemctl restart nginx", tags=_RESTART)
    fpm = command("systemctl restart php-fpm", tags=_RESTART)
    sshd = command("systemctl restart sshd", tags=_RESTART)
    stop = command("systemctl stop postgresql", at(target="db-1"), tags=_RESTART)
    return (
        History()
        .add(often(nginx, 41, targets=tuple(WEB)))
        .add(often(fpm, 9, days=9, persons=("ann", "ben", "cy"), approvers=("bob", "dan")))
        .add([denied(moved(sshd, ago(40))), denied(moved(sshd, ago(20)))])
        .add(denied(moved(stop, ago(30))))
    )


def test_nginx_is_proposed_with_what_speaks_for_it(history: History) -> None:
    """41 approvals by 4 of 6 persons on 23 days: Wilson 0.91, about 3.2 approvals a week saved."""
    (nginx,) = history.suggest()
    vector = nginx.vector
    assert nginx.title == (
        "Let sre run `systemctl restart nginx` on production targets labelled role=web without asking"
    )
    assert (vector.asked, vector.approved, vector.denied) == (41, 41, 0)
    assert (len(vector.persons), len(vector.approvers), vector.days) == (6, 4, 23)
    assert len(vector.on_days) == 23
    assert list(vector.on_days) == sorted(set(vector.on_days))
    assert vector.wilson == pytest.approx(0.91, abs=0.006)
    assert nginx.saves_per_week == pytest.approx(3.2, abs=0.05)
    assert nginx.wait_s_per_week == pytest.approx(3.19 * 400, abs=10)
    assert vector.assurance == {"exact": 41}


def test_its_scope_is_exactly_what_was_seen(history: History) -> None:
    """Group, targets, their common label, account: as in the evidence, nothing wider."""
    (nginx,) = history.suggest()
    scope = nginx.scope
    assert (scope.group, scope.action, scope.environment) == ("sre", "ssh.exec", "prod")
    assert (scope.targets, scope.labels, scope.account) == (("web-1", "web-2"), ("role=web",), "deploy")
    assert scope.templates == ("systemctl restart nginx",)
    assert [one.id for one in nginx.sources] == ["r7"]


def test_php_fpm_is_not_there_yet(history: History) -> None:
    """9 approvals are fewer than 15: it is shown, with what it lacks, and not proposed."""
    (fpm,) = [one for one in history.all() if one.scope.templates == ("systemctl restart php-fpm",)]
    assert not proposable(fpm)
    assert failed(fpm) == {"approvals", "approver share", "days"}
    assert any("9 of 15" in one.why for one in fpm.checks)


def test_the_wider_word_is_rejected_with_its_counter_examples(history: History) -> None:
    """`restart *` would also allow `restart sshd`: the two denied events stand against it."""
    (nginx,) = history.suggest()
    (wide,) = [one for one in nginx.rejected if one.form == "systemctl restart *"]
    sshd = [one.n for one in history.evidence().deeds if one.text == "systemctl restart sshd"]
    assert (len(sshd), wide.events) == (2, tuple(sshd))
    assert wide.examples == ("systemctl restart sshd",)
    (both,) = [one for one in nginx.rejected if "php-fpm" in one.form]
    assert "not yet" in both.why


def test_what_people_denied_is_never_suggested(history: History) -> None:
    """Neither sshd nor postgresql appears among the templates of any candidate."""
    texts = {template for one in history.all() for template in one.scope.templates}
    assert texts == {"systemctl restart nginx", "systemctl restart php-fpm"}


def test_the_checks_can_be_made_again(history: History) -> None:
    """From the evidence alone, later, by whoever doubts: the same checks."""
    for one in candidates(history.evidence(), history.version(), NOW_US):
        if one.kind is SuggestionKind.RELAX:
            assert checks_of(one, history.evidence(), history.version(), NOW_US) == one.checks
