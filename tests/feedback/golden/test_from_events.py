"""From the events that the gate writes to a suggestion, through the collector: nothing made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.deeds import R7
from support.loop_events import (
    DAY_US,
    T0_US,
    WEB,
    Ask,
    InMemory,
    LoopStory,
    command,
    machine,
    person,
)

from gatekeep.domain.approvals import RequestState
from gatekeep.domain.events import StoredEvent
from gatekeep.domain.identity import Principal
from gatekeep.domain.suggestions import Suggestion, SuggestionKind
from gatekeep.feedback.candidates import candidates, proposable
from gatekeep.feedback.evidence import Collector
from gatekeep.policy.loading import load

_DAYS = 90
_NGINX = "systemctl restart nginx"
_PEOPLE = tuple(person(name) for name in ("ann", "ben", "cy", "dee", "eve", "fay"))
_VOTERS = ("bob", "dan", "gus", "hal")
WEB_2 = replace(WEB, name="web-2")


class Quarter:
    """Ninety days under the rule r7; `suggested` asks what comes of them."""

    def __init__(self) -> None:
        self._told = InMemory()
        self.story = LoopStory(self._told)
        self.story.activated(rules=R7)
        self._asked = 0

    def asks(
        self, day: float, who: Principal, text: str = _NGINX, *, voters: tuple[str, ...] = ("bob",),
        waits_s: float = 400, state: RequestState = RequestState.APPROVED, sample: str = "",
        rule: str = "r7",
    ) -> None:
        """Somebody asks on that day, and somebody answers."""
        self._asked += 1
        self.story.now_us = max(self.story.now_us, T0_US + int(day * DAY_US))
        target = WEB if self._asked % 2 else WEB_2
        ask = Ask(f"Q{self._asked:05d}", voters, waits_s, state, sample=sample)
        self.story.asks(who, target, command(text), ask, rule=rule)

    @property
    def story_events(self) -> list[StoredEvent]:
        """All that was told so far."""
        return self._told.events

    def routine(self, text: str = _NGINX, count: int = 41, waits_s: float = 400) -> None:
        """So many approvals, by six persons and four approvers in turn, over the quarter."""
        for number in range(count):
            day = 1 + number * (_DAYS - 2) / count
            voter = _VOTERS[number % len(_VOTERS)]
            self.asks(day, _PEOPLE[number % len(_PEOPLE)], text, voters=(voter,), waits_s=waits_s)

    def all(self) -> list[Suggestion]:
        """Every candidate to let something pass, on the last day."""
        collector = Collector()
        for event in self._told.events:
            collector.feed(event)
        now_us = T0_US + _DAYS * DAY_US
        found = candidates(
            collector.evidence(now_us, verified=True), load({"rules.cedar": R7}), now_us
        )
        return [one for one in found if one.kind is SuggestionKind.RELAX]

    def suggested(self) -> list[Suggestion]:
        """What may be proposed of it."""
        return [one for one in self.all() if proposable(one)]


@pytest.fixture
def quarter() -> Quarter:
    """Ninety days without events but for the rule's."""
    return Quarter()


def test_the_worked_example(quarter: Quarter) -> None:
    """Nginx 41 of 41 is proposed; sshd was denied twice, and `restart *` is rejected for it."""
    for number in range(41):
        quarter.asks(
            1 + number * 2.1, _PEOPLE[number % 6], voters=(_VOTERS[number % 4],)
        )  # fmt: skip
        if number in {10, 30}:
            quarter.asks(
                1.5 + number * 2.1, _PEOPLE[0], "systemctl restart sshd", state=RequestState.DENIED
            )
    (nginx,) = quarter.suggested()
    assert nginx.title == (
        "Let sre run `systemctl restart nginx` on production targets labelled role=web without asking"
    )
    assert (nginx.vector.asked, nginx.vector.denied) == (41, 0)
    assert (len(nginx.vector.persons), len(nginx.vector.approvers)) == (6, 4)
    assert nginx.vector.wilson == pytest.approx(0.91, abs=0.006)
    assert nginx.saves_per_week == pytest.approx(3.2, abs=0.05)
    (wide,) = [one for one in nginx.rejected if one.form == "systemctl restart *"]
    assert (len(wide.events), wide.examples) == (2, ("systemctl restart sshd",))


def test_who_approves_within_seconds_is_no_approver(quarter: Quarter) -> None:
    """Four rubber stamps make no evidence, however many they give."""
    quarter.routine(count=60, waits_s=3)
    assert quarter.all() == []


def test_a_circle_of_two_is_no_evidence(quarter: Quarter) -> None:
    """Ann and ben approve each other all day; it counts for nothing."""
    ann, ben = _PEOPLE[:2]
    for day in range(1, 85):
        who, voter = (ann, "ben") if day % 2 else (ben, "ann")
        quarter.asks(day, who, voters=(voter,))
    assert quarter.suggested() == []


def test_three_circles_are_no_evidence(quarter: Quarter) -> None:
    """Six persons and six approvers, nobody above a sixth: but each approves only who approves him."""
    pairs = {"ann": "ben", "ben": "ann", "cy": "dee", "dee": "cy", "eve": "fay", "fay": "eve"}
    for number in range(60):
        who = _PEOPLE[number % 6]
        quarter.asks(1 + number * 1.45, who, voters=(pairs[who.person],))
    assert quarter.all() == []


def test_many_principals_of_one_person_are_one(quarter: Quarter) -> None:
    """Two principals of a person, and a machine of his: one requester."""
    mal = [
        person("mal"),
        replace(person("mal2"), person="mal"),
        machine("mal-bot", "mal"),
        machine("mal-ci", "mal"),
    ]
    for day in range(1, 85):
        quarter.asks(day, mal[day % 4], voters=(_VOTERS[day % 3],))
    (one,) = quarter.all()
    assert one.vector.persons == ("mal",)
    assert not proposable(one)


def test_asking_again_after_a_no_is_no_evidence(quarter: Quarter) -> None:
    """Denied, asked again within a day and approved: neither evidence nor forgotten."""
    for day in range(1, 85, 2):
        who = _PEOPLE[day % 6]
        target_voter = _VOTERS[day % 4]
        quarter.asks(day, who, state=RequestState.DENIED, voters=(target_voter,))
        quarter.asks(day + 0.1, who, voters=(target_voter,))
    assert quarter.suggested() == []


def test_asking_for_less_until_somebody_says_yes_is_no_evidence(quarter: Quarter) -> None:
    """Refused with an option, asked without it, each time: patience, though the plain form was never refused."""
    for number in range(42):
        who, voter = _PEOPLE[number % 6], _VOTERS[number % 4]
        quarter.asks(1 + number * 2.1, who, "uptime -s", state=RequestState.DENIED, voters=(voter,))
        quarter.asks(1.1 + number * 2.1, who, "uptime", voters=(voter,))
    assert [one for one in quarter.suggested() if one.scope.templates == ("uptime",)] == []


def test_flooding_by_one_person_counts_once_a_day(quarter: Quarter) -> None:
    """Fifty times on one day are one."""
    quarter.routine(count=8)
    for minute in range(50):
        quarter.asks(88 + minute / 2000, _PEOPLE[0])
    (one,) = quarter.all()
    assert one.vector.approved == 9
    assert one.not_counted["same_day"] == 49


def test_stepping_back_from_a_sample_speaks_against(quarter: Quarter) -> None:
    """A sample that was withdrawn stops what would else be proposed."""
    quarter.routine()
    assert len(quarter.suggested()) == 1
    quarter.asks(89, _PEOPLE[0], state=RequestState.WITHDRAWN, sample="adopted-00000000")
    assert quarter.suggested() == []


def seal(quarter: Quarter, since: int) -> None:
    """A person is erased: nothing that was told after this many events can be read any more."""
    told = quarter.story_events
    told[since:] = [replace(one, payload=None, state="SEALED") for one in told[since:]]


def test_an_erased_no_stops_what_it_spoke_against(quarter: Quarter) -> None:
    """Fay denied it, and was erased: her rule asked about something that nobody can read."""
    quarter.routine()
    before = len(quarter.story_events)
    quarter.asks(89, _PEOPLE[5], state=RequestState.DENIED)
    assert quarter.suggested() == []
    seal(quarter, before)
    assert quarter.suggested() == []
    (said,) = [
        check for one in quarter.all() for check in one.checks
        if check.name == "everything could be read"
    ]  # fmt: skip
    assert not said.passed
    assert said.why.startswith("2 events of r7 stayed sealed, and may hide what people denied")


@pytest.mark.parametrize("kept", ["approval.decided", "approval.voted"])
def test_the_answer_alone_was_erased(quarter: Quarter, kept: str) -> None:
    """Who said no was erased: that it was asked and did not go out is there, and nobody knows why."""
    quarter.routine()
    before = len(quarter.story_events)
    quarter.asks(89, _PEOPLE[5], state=RequestState.DENIED)
    told = quarter.story_events
    told[before:] = [
        replace(one, payload=None, state="SEALED")
        if str(one.envelope["k"]).startswith(("approval.decided", kept)) else one
        for one in told[before:]
    ]  # fmt: skip
    assert quarter.suggested() == []


def test_who_looks_at_others_but_waves_one_person_through(quarter: Quarter) -> None:
    """Bob reads what five ask, for minutes; what ann asks he lets pass in two seconds."""
    for number in range(60):
        who, waits_s = _PEOPLE[number % 6], 400
        if who is _PEOPLE[0]:
            waits_s = 2
        quarter.asks(1 + number * 1.45, who, voters=(_VOTERS[number % 4],), waits_s=waits_s)
    (one,) = quarter.all()
    assert one.vector.persons == ("ben", "cy", "dee", "eve", "fay")
    assert one.not_counted["rubber_stamp"] == 10


def test_who_has_stopped_looking(quarter: Quarter) -> None:
    """Two years of care do not cover the last month, in which he pressed yes at once."""
    for number in range(120):
        quarter.asks(1 + number / 4, _PEOPLE[number % 6], "uptime", voters=("bob",), waits_s=300)
        quarter.asks(1 + number / 4, _PEOPLE[number % 6], "uptime", voters=("dan",), waits_s=300)
    for number in range(60):
        quarter.asks(32 + number * 0.9, _PEOPLE[number % 6], voters=(("bob", "dan")[number % 2],), waits_s=3)
    assert [one for one in quarter.suggested() if one.scope.templates == (_NGINX,)] == []


def test_what_stayed_sealed_of_another_rule_or_long_ago_stops_nothing(quarter: Quarter) -> None:
    """Only what the source rule asked within the window."""
    quarter.asks(0, _PEOPLE[5])
    quarter.asks(0, _PEOPLE[5], "uptime", rule="r8")
    seal(quarter, 1)
    for one in quarter.story_events[1:]:
        if one.envelope.get("g", {}).get("rule") == "r7":
            one.envelope["t"] -= 30 * DAY_US
    quarter.routine()
    assert len(quarter.suggested()) == 1


@pytest.mark.parametrize(
    "text",
    ["systemctl restart sshd", "rm -r /srv/cache", "sudo systemctl restart nginx",
     "curl -o /tmp/x http://x.example/", "cat /etc/shadow", "bash /tmp/x.sh", "vim /etc/hosts",
     "systemctl stop nginx", "systemctl restart nginx; id", "echo $HOME",
     "systemctl daemon-reload", "kill -9 1"],
)  # fmt: skip
def test_what_is_never_let_pass(quarter: Quarter, text: str) -> None:
    """As the reader of commands tags it: destroying, rights, secrets, the network, code, not one."""
    quarter.routine(text, count=60)
    assert quarter.suggested() == []


@pytest.mark.parametrize("text", ["uptime", "systemctl reload haproxy", "df -h", "certbot certificates"])
def test_what_may_be_let_pass(quarter: Quarter, text: str) -> None:
    """Looking around, and restarts of plain services."""
    quarter.routine(text, count=41)
    assert [one.scope.templates for one in quarter.suggested()] == [(text,)]
