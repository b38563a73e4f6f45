"""What passes unasked is counted within bounds, and rules know their ages."""

from __future__ import annotations

from support.loop_events import DAY_US, T0_US, WEB, InMemory, LoopStory, command, person

from gatekeep.feedback.ages import RuleAges, digest_of
from gatekeep.feedback.passes import Passes
from gatekeep.feedback.reading_deeds import DeedReader

RULE = '@id("one") permit (principal, action, resource);'


def test_ever_new_texts_do_not_fill_the_memory() -> None:
    """What comes beyond the bound is counted without its words; nothing goes uncounted."""
    told, passes, reader = InMemory(), Passes(most=10), DeedReader()
    story = LoopStory(told)
    for number in range(40):
        story.passes(person("alice"), WEB, command(f"look-{number} now"))
    for event in told.events[::2]:
        assert event.payload is not None
        act = reader.act(event, event.payload)
        passes.count(passes.tally(act), act.n, act.at_us)
    counted = passes.passed()
    assert len(counted) == 11
    assert sum(one.count for one in counted.values()) == 40
    (rest,) = (one for key, one in counted.items() if not key.verb)
    assert rest.count == 30


def test_a_rule_keeps_its_age_with_its_words() -> None:
    """Also where it moves to another file; other words, or an absence, begin anew."""
    ages = RuleAges()
    ages.activated({"texts": {"a": RULE}}, T0_US)
    ages.activated({"texts": {"b": "\n// moved\n" + RULE}}, T0_US + DAY_US)
    assert ages.since_us == {"one": T0_US}
    ages.activated({"texts": {"b": RULE.replace("permit", "forbid")}}, T0_US + 2 * DAY_US)
    assert ages.since_us == {"one": T0_US + 2 * DAY_US}
    ages.activated({"texts": {}}, T0_US + 3 * DAY_US)
    assert ages.since_us == {}


def test_what_is_no_policy_is_no_rule() -> None:
    """Texts that cannot be cut, and what is no text."""
    ages = RuleAges()
    ages.activated({"texts": {"a": 'permit ("', "b": 7}}, T0_US)
    assert ages.since_us == {}
    assert len(digest_of(RULE)) == 12
