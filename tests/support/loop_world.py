"""The loop's desk over a real state, a real policy and real proofs; journal and evidence are given.

The worked example of `proof_world`: sre restart nginx on production web servers, leads approve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support import proof_world as example
from support.clock import MovedClock
from support.fake_journal import FakeJournal

from gatekeep.cli.policy_directory import load_policy_directory
from gatekeep.domain.identity import Principal
from gatekeep.domain.suggestions import (
    DAY_US,
    EvidenceVector,
    Sample,
    Suggestion,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.life import Limits, Observation
from gatekeep.feedback.ports import Wish
from gatekeep.gate.approval_record import Record
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.policy_ports import PolicyWish
from gatekeep.gate.sampling import Sampler
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.loop_book import LoopBook, Reach
from gatekeep.loop_desk import LoopDesk
from gatekeep.loop_round import LoopRound
from gatekeep.loop_thinker import Reading, Thinker, Thinking
from gatekeep.policy.rules import PolicyVersion
from gatekeep.policy_versions import PolicyVersions
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.stores.sqlite.suggestions import SuggestionBooks

KEY = bytes(32)
PEOPLE = ("ann", "ben", "cat", "dan", "eve", "fay")
LEA = Principal("lea", "lea", frozenset({"leads"}))
LEO = Principal("leo", "leo", frozenset({"leads"}))
ANN = Principal("ann", "ann", frozenset({"sre"}))
BOT = Principal("bot", "bot", frozenset({"leads"}), owner="lea")
YES = Wish("we looked at it", "web", mfa=True)
RULE_ID = "adopted-3f9a12bc"
ID = "S-3f9a12bc"


def relaxation(**changes: Any) -> Suggestion:
    """What the loop would propose in the worked example."""
    over = example.version()
    vector = EvidenceVector(asked=41, approved=41, persons=PEOPLE, approvers=("lea", "leo"))
    return example.suggestion(
        changes.pop("rule", example.standing_rule(over)), vector=vector, **changes
    )


@dataclass
class FakeWitness:
    """Says what it is told to say."""

    evidence: Evidence = field(default_factory=example.evidence)
    error: Exception | None = None

    def read(self, _now_us: int) -> Evidence:
        """The evidence of this moment."""
        if self.error is not None:
            raise self.error
        return self.evidence


class ThoughtsHere:
    """Implements Thoughts by a thinker of this process: the same thoughts, no other process."""

    def __init__(self, thinker: Thinker) -> None:
        self.thinker = thinker

    async def read(self) -> Reading:
        """What the witness says."""
        return self.thinker.read(0)

    async def search(
        self, version: PolicyVersion, now_us: int, lives: Sequence[SuggestionLife]
    ) -> Mapping[str, Suggestion]:
        """As the thinker."""
        return self.thinker.search(version, example.MEMBERS, now_us, lives)

    async def look_back(
        self, version: PolicyVersion, now_us: int, life: SuggestionLife, samples: Sequence[Sample]
    ) -> Observation:
        """As the thinker."""
        return self.thinker.look_back(version, example.MEMBERS, now_us, life, samples)

    async def prove(
        self, version: PolicyVersion, now_us: int, suggestion: Suggestion
    ) -> Suggestion:
        """As the thinker."""
        return self.thinker.prove(version, example.MEMBERS, now_us, suggestion)

    async def close(self) -> None:
        """Nothing is open."""


class LoopWorld:
    """One gateway's loop; `restart` begins again over the same files. To be made on a running loop."""

    def __init__(self, place: Path, *, single_person: bool = False) -> None:
        self.place = place
        (place / "policy").mkdir()
        (place / "state").mkdir(mode=0o700)
        (place / "policy" / "rules.cedar").write_text(example.RULES)
        self.settings = Settings(
            state_dir=place / "state", keys_dir=place / "keys",
            policy={"dir": place / "policy", "single_person": single_person},  # type: ignore[arg-type]  # as a file has it
        )  # fmt: skip
        self.clock = MovedClock(wall=example.NOW_US)
        self.journal = FakeJournal()
        self.witness = FakeWitness()
        self.found: list[Suggestion] = [relaxation()]
        self.limits = Limits(single_person=single_person)
        self._make()

    def _make(self) -> None:
        self.owner = TaskOwner("loop")
        self._threads = (Offload(threads=1), Offload(threads=1))
        path = self.place / "state" / "state.db"
        self._state = StateStore.open(path, KEY, self.clock)
        self.books = SuggestionBooks(StateStore.open(path, KEY, self.clock))
        policy = load_policy_directory(self.place / "policy", self.place / "state")
        self.policy = PolicyDeskOver(policy, example.MEMBERS, self.clock)
        self.versions = PolicyVersions(
            self.settings, self._state, self.journal, self._threads[0], self.policy
        )
        self.sampler = Sampler(KEY)
        record = Record(self.books, self._threads[1], self.journal, self.owner)
        reach = Reach(self.versions, self.sampler, lambda: self.policy.active)
        self.steady = SteadyTime(self.clock)
        self.book = LoopBook(
            record, reach, self.steady.onward_us, self.limits, self.steady.least_us
        )
        self.thinking = Thinking(lambda _evidence, _version, _now: list(self.found))
        self.thoughts = ThoughtsHere(Thinker(self.witness.read, self.thinking))
        self.round = LoopRound(self.book, self.thoughts)
        self.desk = LoopDesk(self.book, self.round, self.owner)

    async def start(self) -> None:
        """As a gateway starts."""
        await self.book.load()
        self.versions.layer = self.book.layer
        if self.book.lives:
            await self.versions.recovered(self.book.adoption("", "start"))
        files = load_policy_directory(self.place / "policy", self.place / "state")
        wish = PolicyWish("start", "start", "")
        settled = await self.versions.settle(files, self.versions.last(files), wish)
        self.policy.activate(settled.version)

    async def stop(self) -> None:
        """Let go of everything."""
        await self.owner.close(grace=1.0)
        await self.versions.close()
        for thread in self._threads:
            thread.close()
        self.books.close()
        self._state.close()

    async def restart(self) -> None:
        """Stop and start over the same files."""
        await self.stop()
        self._make()
        await self.start()

    # what happens

    def pass_days(self, days: float) -> None:
        """Let time pass."""
        self.clock.pass_s(days * 86_400)

    def deed(self, person: str = "ann", **changes: Any) -> Deed:
        """One restart of nginx now, approved unless told otherwise; the witness will have seen it."""
        n = 1000 + len(self.witness.evidence.deeds)
        one = example.command_deed(n, self.clock.wall_us(), at=example.where(person), **changes)
        seen = self.witness.evidence
        self.witness.evidence = replace(
            seen, deeds=[*seen.deeds, one], until_us=self.clock.wall_us(), next_n=n + 1
        )
        return one

    def hit(self, person: str = "ann", **changes: Any) -> Deed:
        """One that the adopted rule let pass."""
        return self.deed(person, **{"answer": Answer.ADOPTED, "adopted": RULE_ID, **changes})

    @property
    def life(self) -> SuggestionLife:
        """The suggestion of the example."""
        return self.book.lives[ID]

    @property
    def in_force(self) -> bool:
        """Whether the engine's version has the standing rule."""
        return any(one.id == RULE_ID for one in self.policy.active.standing)

    def told(self, kind: str = "suggestion.") -> list[dict[str, Any]]:
        """The payloads of events whose kind begins so."""
        return [one.payload for one in self.journal.events if one.kind.value.startswith(kind)]

    def states(self) -> list[str]:
        """The kinds of events of suggestions so far."""
        begin = "suggestion."
        kinds = (one.kind.value for one in self.journal.events)
        return [one.removeprefix(begin) for one in kinds if one.startswith(begin)]

    async def bring_to(self, state: SuggestionState) -> SuggestionLife:
        """Let the suggestion of the example come so far, by what people and time do."""
        await self.desk.run()
        if state is SuggestionState.PROPOSED:
            return self.life
        for who in (LEA, LEO)[: self.desk.needed(self.life)]:
            await self.desk.accept(ID, who, YES)
        waits: Sequence[tuple[SuggestionState, float]] = (
            (SuggestionState.CANARY, 7), (SuggestionState.ACTIVE, 14), (SuggestionState.VERIFIED, 16),
        )  # fmt: skip
        for later, days in waits:
            if self.life.state is state:
                break
            for _ in range(12 if self.life.state.rules else 0):
                self.hit(answer=Answer.APPROVED)
            self.pass_days(days)
            await self.desk.run()
            assert self.life.state is later, self.life.reason
        return self.life


def days(count: float) -> int:
    """So many days in microseconds."""
    return int(count * DAY_US)
