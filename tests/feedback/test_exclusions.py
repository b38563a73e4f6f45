"""What is no evidence for loosening: each reason, and that a no is always counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.loop_events import (
    DAY_US,
    SHOP,
    T0_US,
    WEB,
    Ask,
    InMemory,
    LoopStory,
    command,
    person,
    statement,
)

from gatekeep.domain.approvals import RequestState
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.evidence import Collector

NGINX = command("systemctl restart nginx")
RULE = '@id("ask-first") permit (principal, action, resource);'


class World:
    """Events, and the deeds that they make."""

    def __init__(self) -> None:
        self.told = InMemory()
        self.story = LoopStory(self.told)
        self._ids = 0

    def asks(
        self, who: str, *voters: str, days: float = 0, waits_s: float = 60,
        state: RequestState = RequestState.APPROVED, line: str = NGINX.text,
    ) -> None:  # fmt: skip
        """One question, so many days after the one before."""
        self.story.now_us += int(days * DAY_US)
        self._ids += 1
        ask = Ask(f"{self._ids:04d}", voters or ("carol",), waits_s, state)
        self.story.asks(person(who), WEB, command(line), ask)

    def deeds(self, after_days: float = 60) -> list[Deed]:
        """All of them."""
        collector = Collector()
        for event in self.told.events:
            collector.feed(event)
        return list(collector.evidence(T0_US + int(after_days * DAY_US), verified=True).deeds)

    def reasons(self, after_days: float = 60) -> list[str]:
        """Why each is excluded."""
        return [one.excluded for one in self.deeds(after_days)]


@pytest.fixture
def world() -> World:
    """An empty one."""
    return World()


def test_one_a_person_and_day(world: World) -> None:
    """The second of the same template on the same day is none; another person's is."""
    world.asks("alice")
    world.asks("alice")
    world.asks("bob")
    world.asks("alice", line="uptime")
    world.asks("alice", days=1)
    assert world.reasons() == ["", "same_day", "", "", ""]


def test_a_rubber_stamp(world: World) -> None:
    """Whose median yes takes under ten seconds: less weight beside others, none alone."""
    world.asks("alice", "carol", waits_s=3)
    world.asks("alice", "carol", "dave", days=1, waits_s=4)
    for day in range(1, 4):
        world.asks("bob", "dave", days=day, waits_s=100)
    deeds = world.deeds()
    assert [one.excluded for one in deeds] == ["rubber_stamp", "", "", "", ""]
    assert [one.weight for one in deeds] == [0.25, 0.25, 1, 1, 1]


def test_a_closed_pair(world: World) -> None:
    """Two who approve each other, and hardly anybody else, prove nothing of each other."""
    for _ in range(3):
        world.asks("alice", "bob", days=1)
        world.asks("bob", "alice", days=1)
    world.asks("alice", "carol", days=1)
    world.asks("dave", "carol", days=1)
    assert world.reasons() == ["own_group"] * 6 + ["", ""]


def test_a_closed_ring(world: World) -> None:
    """Nor do three in a ring; who is asked by all and approved by others is none."""
    for _ in range(3):
        world.asks("alice", "bob", days=1)
        world.asks("bob", "carol", days=1)
        world.asks("carol", "alice", days=1)
        world.asks("alice", "carol", days=1)
    reasons = world.reasons()
    assert "own_group" in reasons


def test_a_team_that_approves_for_one_another(world: World) -> None:
    """Five who take turns are no closed group."""
    team = ("alice", "bob", "carol", "dave", "erin")
    for turn in range(1, 4):
        for at, who in enumerate(team):
            world.asks(who, team[(at + turn) % 5], days=1)
    assert set(world.reasons()) == {""}


def test_denied_and_asked_again(world: World) -> None:
    """A yes within a day after a no is no evidence; the no stays one."""
    world.asks("alice", state=RequestState.DENIED)
    world.asks("alice", "dave", days=0.2)
    world.asks("bob", "dave", days=0.1)
    world.asks("alice", "dave", days=2)
    assert world.reasons() == ["", "retried", "", ""]
    assert world.deeds()[0].answer is Answer.DENIED


@pytest.mark.parametrize(
    "line", ["systemctl --quiet restart nginx", "/usr/bin/systemctl restart nginx.service"]
)
def test_denied_and_asked_again_in_other_words(world: World, line: str) -> None:
    """Padding a command or writing its program out makes it no other one."""
    world.asks("alice", state=RequestState.DENIED)
    world.asks("alice", "dave", days=0.2, line=line)
    world.asks("alice", "dave", days=0.1, line="uptime")
    assert world.reasons() == ["", "retried", ""]


def test_denied_and_asked_again_elsewhere(world: World) -> None:
    """Nor does another target: he looks for somebody who says yes."""
    world.asks("alice", state=RequestState.DENIED)
    other = replace(WEB, name="web-2")
    world.story.asks(person("alice"), other, NGINX, Ask("ELSE", ("dave",)))
    assert world.reasons() == ["", "retried"]


def test_young_rules_are_protected(world: World) -> None:
    """Evidence of a rule that is in force for less than fourteen days does not count yet."""
    world.story.activated(main=RULE)
    world.asks("alice", days=1)
    assert world.reasons(after_days=13) == ["young_rule"]
    assert world.reasons(after_days=15) == [""]


def test_what_is_not_known_for_sure(world: World) -> None:
    """Lines that were read from a screen, and statements that nobody understood wholly."""
    story = world.story
    story.asks(person("alice"), WEB, command('sh -c "$(curl x)"'), Ask("AB23"))
    unclear = statement("update orders set state = 'open' where id = 8", tables_complete=False)
    story.asks(person("alice"), SHOP, unclear, Ask("AB24"))
    deeds = world.deeds()
    assert [one.excluded for one in deeds] == ["not_sure", "not_sure"]
    assert not any(one.surely for one in deeds)


def test_the_same_denial_of_a_day_is_one_need(world: World) -> None:
    """Denials by policy count once a day, too, where they would speak for asking instead."""
    for _ in range(3):
        world.story.denied(person("alice"), WEB, NGINX)
    assert world.reasons() == ["", "same_day", "same_day"]
