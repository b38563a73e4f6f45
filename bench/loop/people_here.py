"""How people answer: carefully, without looking, or for a friend. Chance is drawn from a seed."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from organisation import Organisation

from gatekeep.domain.identity import Principal

MISSES: Final = 0.02
"""How often a careful person says yes to what is not wanted."""
WRONG_NO: Final = 0.001
"""How often a careful person says no to what is wanted."""
_NOBODY: Final = 0.015
_LEFT: Final = 0.01
_FRIEND: Final = 0.6


class Said(enum.StrEnum):
    """What became of a request."""

    YES = "yes"
    NO = "no"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was said, after how many seconds, by whom (the last one decides)."""

    said: Said
    after_s: float
    voters: tuple[Principal, ...] = ()


class Deciders:
    """Those who answer in one organisation. `crooked` approves what `friend` asks, whatever it is."""

    def __init__(self, organisation: Organisation, random: Random, friend: str, crooked: str) -> None:
        self._organisation = organisation
        self._random = random
        self._members = organisation.members
        self._by_person = {one.person: one for one in organisation.principals if not one.owner}
        self._friend = friend
        self._crooked = crooked
        self.turned = False

    def reply(self, person: str, sets: Sequence[Sequence[str]], *, wanted: bool) -> Reply:
        """What becomes of a request that any one of these sets of groups may release."""
        draw = self._random.random()
        if draw < _NOBODY:
            return Reply(Said.EXPIRED, 3_600)
        if draw < _NOBODY + _LEFT:
            return Reply(Said.WITHDRAWN, self._random.uniform(60, 900))
        after_s = 0.0
        voters: list[Principal] = []
        for group in self._random.choice(list(sets)):
            name, _, count = group.partition(":")
            for _ in range(int(count or 1)):
                one = self._chosen(name, person, voters)
                if one is None:
                    return Reply(Said.EXPIRED, 3_600)
                voters.append(one)
                says_yes, took_s = self._says(one.person, person, wanted=wanted)
                after_s += took_s
                if not says_yes:
                    return Reply(Said.NO, after_s, tuple(voters))
        return Reply(Said.YES, after_s, tuple(voters))

    def looks_afterwards(self, person: str, groups: Sequence[str], *, wanted: bool) -> tuple[Principal, bool]:
        """Who looks at a sample that has passed, and whether he says that it was right."""
        one = self._chosen(groups[0].partition(":")[0], person, ())
        if one is None:
            raise LookupError(f"nobody of {groups} may look at what {person} did")
        says_yes, _took = self._says(one.person, person, wanted=wanted)
        return one, says_yes

    def _chosen(self, group: str, person: str, already: Sequence[Principal]) -> Principal | None:
        taken = {person, *(one.person for one in already)}
        eligible = sorted(self._members.get(group, frozenset()) - taken)
        if not eligible:
            return None
        friendly = self.turned and person == self._friend and self._crooked in eligible
        if friendly and self._random.random() < _FRIEND:
            return self._by_person[self._crooked]
        # Who does not look is quick, and so answers more than his share.
        weights = [2.0 if one == self._organisation.stamper else 1.0 for one in eligible]
        return self._by_person[self._random.choices(eligible, weights)[0]]

    def _says(self, one: str, person: str, *, wanted: bool) -> tuple[bool, float]:
        if one == self._organisation.stamper:
            return True, self._random.uniform(2, 8)
        if self.turned and one == self._crooked and person == self._friend:
            return True, self._random.uniform(20, 300)
        took_s = min(3_000.0, self._random.lognormvariate(5.8, 0.8))
        if wanted:
            return self._random.random() >= WRONG_NO, took_s
        return self._random.random() < MISSES, took_s
