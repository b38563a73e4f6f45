"""`candidates` over any history: one person alone gets nothing, a no never helps, order is nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.deeds import (
    NOW_US,
    PERSONS,
    History,
    ago,
    at,
    command,
    denied,
    moved,
    often,
    on_sql,
    slot,
    statement,
)

from gatekeep.domain.suggestions import Suggestion, SuggestionKind
from gatekeep.feedback.candidates import candidates, checks_of, proposable
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.lattice import covers

_SETTLED = settings(
    max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate), suppress_health_check=[HealthCheck.too_slow]
)
_TEXTS = ("uptime -p", "uptime -s", "certbot renew", "certbot renew --quiet")
_UPDATE = "update orders set note = $1:text where id = $2:int"


def _mine(draw: Any) -> Deed:
    """Whatever mal does with any of his principals, whoever seems to have approved it."""
    name = draw(st.sampled_from(["mal", "mal2", "mal-bot", "mal-ci"]))
    machine = name.startswith("mal-")
    where = at(
        name, person=name if machine else "mal", owner="mal" if machine else "",
        target=draw(st.sampled_from(["web-1", "web-2"])),
        groups=frozenset(draw(st.sets(st.sampled_from(["sre", "ops"]), min_size=1))),
    )  # fmt: skip
    deed = command(draw(st.sampled_from(_TEXTS)), where)
    return moved(
        deed, ago(draw(st.floats(0, 89))),
        approvers=tuple(draw(st.sets(st.sampled_from(["mal2", "bob", "dan"]), min_size=1))),
        answer=draw(st.sampled_from([Answer.APPROVED, Answer.APPROVED, Answer.WITHDRAWN])),
    )  # fmt: skip


@_SETTLED
@given(st.data())
def test_one_person_alone_reaches_nothing(data: st.DataObject) -> None:
    """With any number of principals and machines, on any days: no suggestion may be proposed."""
    times = data.draw(st.integers(1, 4))
    deeds = [_mine(data.draw) for _ in range(data.draw(st.integers(0, 40)))]
    many = [moved(one, one.at_us - day) for one in deeds for day in range(times)]
    routine = often(command(data.draw(st.sampled_from(_TEXTS))), 60, persons=("mal", "mal"))
    assert History().add(many).add(routine).suggest() == []


class _Deeds:
    """A list of deeds that is shown by its length: whole ones would fill screens."""

    def __init__(self, deeds: list[Deed]) -> None:
        self.all = deeds

    def __repr__(self) -> str:
        return f"{len(self.all)} deeds"


@st.composite
def _histories(draw: Any) -> _Deeds:
    """A mixture of what is approved often enough, and of what is not, in two places."""
    deeds: list[Deed] = []
    for text in draw(st.lists(st.sampled_from(_TEXTS), min_size=1, max_size=3, unique=True)):
        deeds += often(
            command(text), draw(st.integers(12, 40)), days=draw(st.integers(8, 23)),
            persons=PERSONS[: draw(st.integers(2, 6))],
        )  # fmt: skip
    for number in range(draw(st.integers(0, 3))):
        value = draw(st.sampled_from(["'a'", "'b'"]))
        made = often(statement(_UPDATE, [value, "1"]), draw(st.integers(10, 30)), since=88 - number)
        deeds += [
            replace(one, likeness=statement(_UPDATE, [value, str(draw(st.integers(1, 9)))]).likeness)
            for one in made
        ]
    return _Deeds(deeds)


@st.composite
def _denials(draw: Any) -> Deed:
    """A no to something of the same kind."""
    when = ago(draw(st.floats(0, 100)))
    where = draw(st.sampled_from(["web-1", "web-7"]))
    if draw(st.booleans()):
        deed = command(draw(st.sampled_from(_TEXTS)), at("zoe", target=where))
    else:
        values = [draw(st.sampled_from(["'a'", "'b'", "'c'"])), str(draw(st.integers(1, 12)))]
        deed = statement(_UPDATE, [slot(one) for one in values], on_sql("zoe"))
    return denied(moved(deed, when))


@_SETTLED
@given(_histories(), _denials())
def test_a_denial_never_makes_more_suggestions(dealt: _Deeds, no: Deed) -> None:
    """Neither more of them, nor one that covers what no earlier one did, nor what was denied."""
    before = History().add(dealt.all).suggest()
    after = History().add(dealt.all).add(no).suggest()
    assert len(after) <= len(before)
    for deed in dealt.all:
        if any(_covers(one, deed) for one in after):
            assert any(_covers(one, deed) for one in before)
    assert not any(_covers(one, no) for one in after)


def _covers(suggestion: Suggestion, deed: Deed) -> bool:
    assert deed.likeness is not None
    return (
        deed.likeness.template in suggestion.scope.templates
        and deed.action == suggestion.scope.action
        and covers(suggestion.scope.slots, deed.likeness.values)
    )


@_SETTLED
@given(_histories(), st.lists(_denials(), max_size=2), st.randoms(use_true_random=False))
def test_order_is_nothing(dealt: _Deeds, more: list[Deed], shuffle: random.Random) -> None:
    """The same evidence, dealt in any order, gives the same suggestions, field by field."""
    history = History().add(dealt.all).add(more)
    evidence = history.evidence()
    mixed = list(evidence.deeds)
    shuffle.shuffle(mixed)
    first = candidates(evidence, history.version(), NOW_US)
    assert candidates(replace(evidence, deeds=mixed), history.version(), NOW_US) == first


@_SETTLED
@given(_histories(), st.integers(0, 10_000))
def test_equal_times_are_nothing(dealt: _Deeds, seed: int) -> None:
    """Of deeds of the same moment it does not matter which stands first in the journal."""
    noon = [moved(one, one.at_us // 3_600_000_000 * 3_600_000_000) for one in dealt.all]
    mixed = list(noon)
    random.Random(seed).shuffle(mixed)
    shown = [
        [(one.id, one.scope, one.vector, one.checks) for one in History().add(order).suggest()]
        for order in (noon, mixed)
    ]
    assert shown[0] == shown[1]


@_SETTLED
@given(_histories(), st.lists(_denials(), max_size=3))
def test_checks_can_be_made_again(dealt: _Deeds, more: list[Deed]) -> None:
    """From scope and evidence alone: whoever doubts a suggestion comes to the same."""
    history = History().add(dealt.all).add(more)
    for one in history.all(SuggestionKind.RELAX):
        again = checks_of(one, history.evidence(), history.version(), NOW_US)
        assert proposable(one) == proposable(replace(one, checks=again))


def test_the_best_stands_first() -> None:
    """What may be proposed before what may not, and what saves most before what saves less."""
    history = History().add(often(command("uptime -p"), 20)).add(often(command("uptime -s"), 60))
    history.add(often(command("certbot renew"), 9))
    found = history.all(SuggestionKind.RELAX)
    assert [one.scope.templates[0] for one in found] == ["uptime -s", "uptime -p", "certbot renew"]
    assert [proposable(one) for one in found] == [True, True, False]
