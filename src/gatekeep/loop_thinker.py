"""The loop's own process: reads the journal, looks for suggestions, proves them, looks back.

A third composition root, small, as the archivist is: nothing here meets a socket or writes. The
gateway calls the functions at the end by `loop_thinker_link`; what goes to and fro are plain values,
and keys are read here, from where they lie. It keeps what it read, so that the next run reads on.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatekeep.domain.suggestions import (
    Sample,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.errors import NothingRead
from gatekeep.feedback import monitor
from gatekeep.feedback.candidates import candidates
from gatekeep.feedback.composing import CompositionError
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.life import Observation, in_force
from gatekeep.feedback.proof import prove
from gatekeep.feedback.renewal import renewal_of
from gatekeep.feedback.shadow import matches
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_layer_text import version_without
from gatekeep.loop_witness import JournalWitness
from gatekeep.policy.rules import PolicyVersion
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore

NICE: Final = 10
"""As the archivist: the gateway comes first."""

Members = Mapping[str, frozenset[str]]
"""Each group with the persons in it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the journal was read, how much stayed sealed, whether it verifies: as `Evidence` has it."""

    next_n: int
    unknown: int
    verified: bool
    unverified: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Thinking:
    """The pure parts of a run.

    `candidates(evidence, version, now_us)`, `prove(suggestion, evidence, version, members, now_us)`
    and `matches(suggestion, deeds, version, members)`: those that the rule would have let pass.
    """

    candidates: Callable[[Evidence, PolicyVersion, int], Sequence[Suggestion]] = candidates
    prove: Callable[[Suggestion, Evidence, PolicyVersion, Members, int], Suggestion] = prove
    matches: Callable[[Suggestion, Sequence[Deed], PolicyVersion, Members], Sequence[Deed]] = (
        matches
    )


class Thinker:
    """Thinks about what `read(now_us)` brought last. Raises NothingRead before anything was read."""

    def __init__(self, read: Callable[[int], Evidence], thinking: Thinking | None = None) -> None:
        self._read = read
        self._thinking = thinking or Thinking()
        self._evidence: Evidence | None = None

    @property
    def evidence(self) -> Evidence:
        """What was read last."""
        if self._evidence is None:
            raise NothingRead("Nothing of the journal was read yet; the next run does.")
        return self._evidence

    def read(self, now_us: int) -> Reading:
        """Read on."""
        read = self._evidence = self._read(now_us)
        return Reading(read.next_n, read.unknown, read.verified, read.unverified, read.broken)

    def search(
        self, version: PolicyVersion, members: Members, now_us: int, lives: Sequence[SuggestionLife]
    ) -> dict[str, Suggestion]:
        """What could be suggested today, and what goes on where one of these ends; all of it proven."""
        think, evidence = self._thinking, self.evidence
        found = {}
        for one in think.candidates(evidence, version, now_us):
            found[one.id] = (
                think.prove(one, evidence, version, members, now_us) if one.safe else one
            )
        for life in lives:
            again = renewal_of(life, now_us)
            if again is not None:
                before = version_without(version, life.suggestion.rule_id)
                found[again.id] = think.prove(again, evidence, before, members, now_us)
        return found

    def look_back(
        self, version: PolicyVersion, members: Members, now_us: int, life: SuggestionLife,
        samples: Sequence[Sample],
    ) -> Observation:  # fmt: skip
        """What was seen of an adopted one; `found` is the caller's."""
        evidence, against, matched = self.evidence, "", list[Deed]()
        telling = _telling(life, evidence)
        if life.suggestion.kind is SuggestionKind.RELAX and (telling or not in_force(life)):
            try:
                matched = list(self._thinking.matches(life.suggestion, telling, version, members))
            except CompositionError as error:
                against = "" if in_force(life) else f"it does not fit the policy: {error}"
        refused = tuple(one.n for one in matched if one.refused_by_people)
        if in_force(life) and refused:
            against = f"people said no to what it lets pass: {monitor.listed(refused)}"
        effect = monitor.effect_of(life, evidence, samples, now_us)
        return Observation(
            tried=sum(one.answer is Answer.APPROVED for one in matched),
            refused=refused,
            effect=effect,
            for_it=monitor.speaks_for(life, effect),
            against=monitor.against(life, effect, evidence, samples, version) or against,
        )

    def prove(
        self, version: PolicyVersion, members: Members, now_us: int, suggestion: Suggestion
    ) -> Suggestion:
        """One suggestion anew. Raises NothingRead."""
        return self._thinking.prove(suggestion, self.evidence, version, members, now_us)


def _telling(life: SuggestionLife, evidence: Evidence) -> list[Deed]:
    """What tells whether it is right: what it is tried on, and every no that may be to its like.

    Whenever that was said, and by whichever rule it was asked: none was known when it was proven.
    """
    tried, like = life.state is SuggestionState.SHADOW, life.suggestion.scope.templates
    return [
        one for one in evidence.deeds
        if (tried and one.at_us >= life.since_us)
        or (one.refused_by_people and one.likeness is not None and one.likeness.template in like)
    ]  # fmt: skip


# --- the process ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything lies, and the log's public key. No key of ours is in it."""

    journal: Path
    state_db: Path
    keys: Path
    vkey: str


_kept: dict[Place, Thinker] = {}


def _thinker(place: Place) -> Thinker:
    if place not in _kept:
        with contextlib.suppress(OSError):
            os.nice(NICE)  # this thread, which does all the work, and what it starts
        ring = KeyRing.open(place.keys)
        store = StateStore.open_to_read(place.state_db, ring.state_db_key(), SystemClock())
        witness = JournalWitness(place.journal, Unsealer(ring, store), [place.vkey])
        _kept[place] = Thinker(witness.read)
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)  # evidence stays, and leaves no cycles
    return _kept[place]


def read(place: Place, now_us: int) -> Reading:
    """As Thinker.read; the first call makes it."""
    return _thinker(place).read(now_us)


def search(
    place: Place, version: PolicyVersion, members: Members, now_us: int,
    lives: Sequence[SuggestionLife],
) -> dict[str, Suggestion]:  # fmt: skip
    """As Thinker.search."""
    return _thinker(place).search(version, members, now_us, lives)


def look_back(
    place: Place, version: PolicyVersion, members: Members, now_us: int,
    life: SuggestionLife, samples: Sequence[Sample],
) -> Observation:  # fmt: skip
    """As Thinker.look_back."""
    return _thinker(place).look_back(version, members, now_us, life, samples)


def prove_anew(
    place: Place, version: PolicyVersion, members: Members, now_us: int, suggestion: Suggestion
) -> Suggestion:
    """As Thinker.prove."""
    return _thinker(place).prove(version, members, now_us, suggestion)
