"""The table of a suggestion's states: no sequence of events leads out of it, or into force alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import (
    DAY_US,
    Acceptance,
    Check,
    Effect,
    EvidenceVector,
    SourceRule,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionScope,
    SuggestionState,
)
from gatekeep.feedback import life as lives
from gatekeep.feedback.ending import text_ends_us
from gatekeep.feedback.life import TABLE, Change, Limits, NoSuchChange, Observation, advance

NOW = 20_500 * DAY_US
PERSONS = ("lea", "leo", "lin", "ann")
_S = SuggestionState


def suggestion(
    kind: SuggestionKind = SuggestionKind.RELAX, *, safe: bool = True, asked: int = 41, **more: object
) -> Suggestion:
    """One of sre in production; ann has the most deeds."""
    scope = SuggestionScope("sre", "ssh.exec", "prod", ("web-1",), "deploy")
    values: dict[str, object] = {
        "rule": '@id("adopted-1") permit (principal, action, resource);', "rule_id": "adopted-1",
        "checks": (Check("all", safe, "because"),),
    }  # fmt: skip
    return Suggestion(
        "S-1", kind, "t", (SourceRule("r7", "0a"),), scope,
        EvidenceVector(asked=asked, approved=asked, persons=("ann",)), 0.9, 3.0, 60.0, "", (),
        **{**values, **more},  # type: ignore[arg-type]  # values by name
    )  # fmt: skip


def yes(person: str = "lea", at: int = NOW, *, mfa: bool = True, reason: str = "seen") -> Acceptance:
    """A yes of this person."""
    return Acceptance(person, person, at, reason, "web", mfa)


def proposed(kind: SuggestionKind = SuggestionKind.RELAX, **more: object) -> SuggestionLife:
    """A new one."""
    return lives.proposed(suggestion(kind, **more), NOW).life  # type: ignore[arg-type]  # values by name


def made(change: Change | str | None) -> SuggestionLife:
    """The life after a change that was made."""
    assert isinstance(change, Change), change
    return replace(change.life, settled=True)


def accepted(kind: SuggestionKind = SuggestionKind.RELAX) -> SuggestionLife:
    """One to which two persons said yes."""
    life = made(lives.accept(proposed(kind), yes("lea"), Limits()))
    return made(lives.accept(life, yes("leo"), Limits())) if life.state is _S.PROPOSED else life


EVENTS = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from(PERSONS), st.booleans()),
    st.tuples(st.just("take back"), st.sampled_from(PERSONS), st.booleans()),
    st.tuples(st.just("dismiss"), st.sampled_from(PERSONS), st.booleans()),
    st.tuples(st.just("snooze"), st.sampled_from(PERSONS), st.integers(1, 120)),
    st.tuples(st.just("wait"), st.integers(0, 40), st.just(0)),
    st.tuples(
        st.just("run"),
        st.builds(
            Observation,
            found=st.one_of(
                st.none(),
                st.builds(suggestion, safe=st.booleans(), asked=st.sampled_from((41, 60, 90, 400))),
            ),
            tried=st.sampled_from((0, 5, 25)),
            refused=st.sampled_from(((), (7,))),
            effect=st.one_of(st.none(), st.just(Effect(hits=3))),
            for_it=st.booleans(),
            against=st.sampled_from(("", "", "", "an incident")),
        ),
        st.just(0),
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SuggestionKind), st.lists(EVENTS, max_size=40), st.booleans())
def test_no_sequence_of_events_breaks_the_table(
    kind: SuggestionKind, events: list[tuple[object, ...]], single: bool
) -> None:
    """Each change is in the table; in force only with enough persons; over only by new evidence."""
    limits, now = Limits(single_person=single), NOW
    life = lives.proposed(suggestion(kind), now).life
    said_yes: set[str] = set()
    for what, one, two in events:
        if what == "wait":
            now += int(one) * DAY_US  # type: ignore[call-overload]  # drawn as numbers
            continue
        found = _step(life, str(what), one, two, now, limits)
        if not isinstance(found, Change):
            continue
        after = found.life
        assert found.before is life.state
        assert after.state in TABLE[life.state]
        if what == "accept":
            if life.suggestion.rule != after.suggestion.rule:
                said_yes.clear()
            said_yes.add(str(one))
        if after.state is _S.PROPOSED and not found.missing:
            if life.state.over:
                assert what == "run"
                assert isinstance(one, Observation)
                assert one.found is not None
                if not life.in_force_us:  # its time over, what was right goes on by the same evidence
                    assert one.found.vector.asked > life.weight
                if life.state is not _S.EXPIRED:
                    assert one.found.vector.asked >= 2 * life.weight
            said_yes.clear()
        if after.state is _S.SNOOZED:
            said_yes.clear()
        if lives.in_force(after):
            need = lives.needed(after.suggestion, limits)
            assert len(said_yes) >= need
            assert {yes.person for yes in after.accepted_by} <= said_yes
            if after.suggestion.kind.loosens:
                assert "ann" not in said_yes
                assert all(yes.mfa for yes in after.accepted_by)
        if life.state is _S.REVERTED:
            assert after.state is _S.PROPOSED
        life = replace(after, settled=True)


def _step(
    life: SuggestionLife, what: str, one: object, two: object, now: int, limits: Limits
) -> Change | str | None:
    if what == "run":
        assert isinstance(one, Observation)
        seen = one
        if seen.found is not None:
            kind = life.suggestion.kind
            seen = replace(seen, found=replace(seen.found, kind=kind))
        return advance(life, seen, now, limits)
    person = str(one)
    if what == "accept":
        return lives.accept(life, yes(person, now, mfa=bool(two)), limits)
    if what == "take back":
        return lives.take_back(life, yes(person, now, mfa=bool(two)), limits)
    if what == "dismiss":
        return lives.dismiss(life, person, "no" if two else "", now)
    return lives.snooze(life, person, "later", now + int(two) * DAY_US, now)  # type: ignore[call-overload]  # drawn as numbers


def test_the_document_has_the_same_table() -> None:
    """docs/loop.md shows each change that can be made, and no other."""
    text = (Path(__file__).parents[2] / "docs" / "loop.md").read_text()
    rows = re.findall(r"^\| (.+?) \| .+? \| .*? \| \**([a-z]+)\** \| ", text, re.MULTILINE)
    shown = {
        (SuggestionState(before.strip()), SuggestionState(after))
        for befores, after in rows
        for before in befores.split(",")
        if after in set(_S) and befores[0].isalpha() and befores != "from"
    }
    again = (_S.CANARY, _S.ACTIVE, _S.VERIFIED)  # a look back is no change
    unseen = {(one, one) for one in again} | {(_S.CANDIDATE, _S.PROPOSED)}
    assert shown == {(one, two) for one, after in TABLE.items() for two in after} - unseen


def test_what_is_not_in_the_table_cannot_be_made() -> None:
    """Also not from inside."""
    with pytest.raises(NoSuchChange):
        lives._moved(proposed(), _S.CANARY, NOW)


def test_too_few_persons_bring_nothing_into_force() -> None:
    """Even where a state says that it was accepted."""
    forged = replace(accepted(), accepted_by=(yes("lea"),), state=_S.SHADOW)
    with pytest.raises(NoSuchChange):
        advance(forged, Observation(tried=20), NOW + 8 * DAY_US, Limits())


@pytest.mark.parametrize(
    ("kind", "environment", "persons"),
    [
        (SuggestionKind.RELAX, "dev", 2),
        (SuggestionKind.ASK_INSTEAD, "dev", 2),
        (SuggestionKind.MUTE, "dev", 2),
        (SuggestionKind.GATE, "dev", 1),
        (SuggestionKind.GATE, "prod", 2),
        (SuggestionKind.WORDS, "production", 2),
    ],
)
def test_two_persons_in_production_and_where_it_loosens(
    kind: SuggestionKind, environment: str, persons: int
) -> None:
    """One where a single person may decide."""
    one = suggestion(kind)
    one = replace(one, scope=replace(one.scope, environment=environment))
    assert lives.needed(one, Limits()) == persons
    assert lives.needed(one, Limits(single_person=True)) == 1


def test_a_relaxation_is_tried_and_what_asks_more_is_not() -> None:
    """Accepted leads to shadow, or right into force; advice changes nothing."""
    seen = Observation(found=suggestion())
    assert made(advance(accepted(), seen, NOW, Limits())).state is _S.SHADOW
    gate = made(advance(accepted(SuggestionKind.GATE), seen, NOW, Limits()))
    assert (gate.state, gate.in_force_us, gate.expires_us) == (_S.CANARY, NOW, 0)
    asks = made(advance(accepted(SuggestionKind.ASK_INSTEAD), seen, NOW, Limits()))
    assert (asks.state, asks.expires_us) == (_S.CANARY, NOW + 90 * DAY_US)
    advice = accepted(SuggestionKind.WORDS)
    assert advance(advice, seen, NOW, Limits()) is None
    assert made(advance(advice, Observation(), NOW, Limits())).state is _S.VERIFIED


NOISE = SuggestionScope("", "", "", (), "", verb="noisy")


def muted(at: int = NOW) -> SuggestionLife:
    """A noisy rule, whose mute two persons accepted."""
    life = proposed(SuggestionKind.MUTE, rule="", rule_id="")
    life = replace(life, suggestion=replace(life.suggestion, scope=NOISE))
    for who in ("lea", "leo"):
        life = made(lives.accept(life, yes(who, at), Limits()))
    return made(advance(life, Observation(found=life.suggestion), at, Limits()))


def test_an_accepted_mute_holds_for_thirty_days_and_ends_by_itself() -> None:
    """No trial, because nothing passes by it; until its day nothing changes, not even for good."""
    life = muted()
    assert (life.state, life.in_force_us, life.expires_us) == (_S.ACTIVE, NOW, NOW + 30 * DAY_US)
    assert life.mutes_now("r7:0a", NOW + 30 * DAY_US - 1)
    assert not life.mutes_now("r7:0b", NOW)
    assert not life.mutes_now("r7:0a", NOW + 30 * DAY_US)
    assert not lives.in_force(life)
    seen = Observation(found=life.suggestion, for_it=True)
    assert advance(life, seen, NOW + 30 * DAY_US - 1, Limits()) is None
    assert made(advance(life, seen, NOW + 30 * DAY_US, Limits())).state is _S.EXPIRED


def test_a_mute_is_taken_back_by_one_word_or_by_a_change_of_its_rule() -> None:
    """To be told again takes nobody's second factor."""
    assert made(lives.take_back(muted(), yes("ann", mfa=False), Limits())).state is _S.REVERTED
    back = advance(muted(), Observation(against="it reads otherwise"), NOW, Limits())
    assert made(back).state is _S.REVERTED


def test_who_needs_to_hear_of_a_question_is_advice() -> None:
    """A MUTE about templates mutes nothing: accepted it waits for its owner."""
    life = accepted(SuggestionKind.MUTE)
    life = replace(
        life, suggestion=replace(life.suggestion, scope=replace(life.suggestion.scope, templates=("t",)))
    )
    assert advance(life, Observation(found=life.suggestion), NOW, Limits()) is None
    assert not life.mutes_now("r7:0a", NOW)


def test_what_asks_more_is_taken_back_by_two() -> None:
    """To take it back lets more pass; a relaxation goes by one word of anybody."""
    gate = made(advance(accepted(SuggestionKind.GATE), Observation(found=suggestion()), NOW, Limits()))
    assert lives.take_back(gate, yes("lea", mfa=False), Limits()) == "mfa"
    assert lives.take_back(gate, yes("ann"), Limits()) == "self"
    first = lives.take_back(gate, yes("lea"), Limits())
    assert isinstance(first, Change)
    assert (first.kind, first.missing, first.life.state) == (
        EventKind.SUGGESTION_REVERTED, 1, _S.CANARY,
    )  # fmt: skip
    assert lives.take_back(first.life, yes("lea"), Limits()) == "twice"
    assert made(lives.take_back(first.life, yes("leo"), Limits())).state is _S.REVERTED
    shadow = made(advance(accepted(), Observation(found=suggestion()), NOW, Limits()))
    assert made(lives.take_back(shadow, yes("ann", mfa=False), Limits())).state is _S.REVERTED


def test_nothing_lasts_longer_than_its_own_text() -> None:
    """90 days from coming into force, or the last day in the text, whichever is first."""
    text = '@id("adopted-1") @expires("2026-03-01") permit (principal, action, resource);'
    ends = text_ends_us(text)
    assert ends == 20_514 * DAY_US
    life = replace(accepted(), suggestion=suggestion(rule=text))
    shadow = made(advance(life, Observation(found=life.suggestion), NOW, Limits()))
    canary = made(advance(shadow, Observation(tried=20), NOW + DAY_US, Limits()))
    assert canary.expires_us == ends
    over = advance(canary, Observation(), ends, Limits())
    assert made(over).state is _S.EXPIRED


def test_who_said_yes_said_it_to_one_text() -> None:
    """More evidence for the same keeps the yes, and the text; another scope, or a denial, does not."""
    one = made(lives.accept(proposed(), yes("lea"), Limits()))
    more = suggestion(asked=50, rule='@id("adopted-1") @expires("2027-01-01") permit (principal, action, resource);')
    same = lives.refreshed(one, more)
    assert same is not None
    assert (len(same.accepted_by), same.suggestion.rule) == (1, one.suggestion.rule)
    assert same.suggestion.vector.asked == 50
    wider = lives.refreshed(one, replace(more, scope=replace(more.scope, targets=("web-1", "web-2"))))
    assert wider is not None
    assert wider.accepted_by == ()
    denied = lives.refreshed(one, replace(more, vector=replace(more.vector, denied=1)))
    assert denied is not None
    assert denied.accepted_by == ()


def test_the_narrower_form_is_accepted_by_all_or_none() -> None:
    """A yes to the wide form is none to the narrow one."""
    wide = replace(proposed(), suggestion=suggestion(narrower="narrow text"))
    first = made(lives.accept(wide, yes("lea"), Limits()))
    second = lives.accept(first, yes("leo"), Limits(), narrower=True)
    assert isinstance(second, Change)
    assert (second.missing, second.life.suggestion.rule) == (1, "narrow text")
    assert lives.refreshed(second.life, wide.suggestion) is None
    assert made(lives.accept(second.life, yes("lea"), Limits())).state is _S.ACCEPTED


def test_a_clock_that_is_set_forward_shortens_no_trial() -> None:
    """By the time that it does not hurry: shadow, canary and the days until it is called right."""
    seen = Observation(found=suggestion(), for_it=True)
    shadow = made(advance(accepted(), seen, NOW, Limits()))
    later = NOW + 40 * DAY_US
    assert advance(shadow, seen, later, Limits(), NOW + DAY_US) is None
    canary = made(advance(shadow, seen, later, Limits(), NOW + 7 * DAY_US))
    assert canary.in_force_us == NOW + 7 * DAY_US
    assert advance(canary, seen, later, Limits(), NOW + 8 * DAY_US) is None
    ended = made(advance(canary, seen, NOW + 100 * DAY_US, Limits(), NOW + 8 * DAY_US))
    assert ended.state is _S.EXPIRED
