"""The SSH door's story with people in it: what policy asks about waits, and they answer."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from support.approval_world import Reader
from support.clock import SteppedClock
from support.fake_journal import FakeJournal, KeptEvent
from support.ssh_story import Book, ScriptedPolicy, SshStory, ssh_story

from gatekeep.approval_assembly import ApprovalHalf, ApprovalNeeds, assemble_approvals
from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.gate.approval_ports import Ballot
from gatekeep.gate.approval_values import CastVote, Limits
from gatekeep.gate.holding import Holding
from gatekeep.gate.supervision import Supervision
from gatekeep.gate.voters import NobodySpecial
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.state import StateStore

PEOPLE = (
    Principal("alice", "alice", frozenset({"engineers"})),
    Principal("bob", "bob", frozenset({"sre"})),
    Principal("carol", "carol", frozenset({"sre"})),
)


class People:
    """alice asks, bob and carol decide."""

    def __init__(self) -> None:
        self.kept = {one.name: one for one in PEOPLE}

    def principal(self, name: str) -> Principal | None:
        """By name."""
        return self.kept.get(name)

    def principals(self) -> Sequence[Principal]:
        """All three."""
        return tuple(self.kept.values())

    def regroup(self, name: str, *groups: str) -> None:
        """From now on this one is in these groups."""
        self.kept[name] = replace(self.kept[name], groups=frozenset(groups))

    def scram_secrets(self, name: str) -> Sequence[object]:
        """Nobody signs in by a token here."""
        return ()

    def certificate_names(self, name: str) -> frozenset[str]:
        """Nor by a certificate."""
        return frozenset()


@dataclass
class Asking:
    """What a test looks into."""

    story: SshStory
    approvals: ApprovalHalf
    clock: SteppedClock
    people: People

    async def asked(self, count: int = 1) -> ApprovalRequest:
        """The last of so many requests that wait."""
        found: Sequence[ApprovalRequest] = ()
        async with asyncio.timeout(10):
            while len(found) < count:
                found = await self.approvals.front.requests(state=RequestState.PENDING)
                await asyncio.sleep(0.005)
        return found[0]

    async def vote(
        self, request: ApprovalRequest, name: str = "carol", *, deny: str = "", **how: object
    ) -> CastVote:
        """A vote; `deny` is the reason of a denial."""
        verdict = VoteVerdict.DENY if deny else VoteVerdict.APPROVE
        scope = how.get("scope", Scope.ONCE)
        assert isinstance(scope, Scope)
        ballot = Ballot(verdict, request.digest, "cli", reason=deny, scope=scope)
        voter = self.people.principal(name)
        assert voter is not None
        return await self.approvals.front.cast(request.id, voter, ballot)

    async def ended(self, request: ApprovalRequest) -> ApprovalRequest:
        """The request once it is decided, whatever the decision."""
        async with asyncio.timeout(10):
            while True:
                found = await self.approvals.front.request(request.id)
                if found is not None and found.state is not RequestState.PENDING:
                    return found
                await asyncio.sleep(0.005)

    def events(self, kind: str) -> list[KeptEvent]:
        """The events of one kind."""
        return self.story.events(kind)


@asynccontextmanager
async def ssh_asking(
    *asked: str, open_s: float = 900.0, max_open: int = 5
) -> AsyncIterator[Asking]:
    """A story whose policy asks about these words."""
    made: list[ApprovalHalf] = []
    clock, people = SteppedClock(), People()
    with tempfile.TemporaryDirectory(prefix="gk-ask-") as place:

        def holding(journal: FakeJournal, policy: ScriptedPolicy) -> Holding:
            steady = SteadyTime(clock)
            state = StateStore.open(Path(place) / "state.db", bytes(32), clock)
            half = assemble_approvals(
                Settings(),
                ApprovalNeeds(
                    state, journal, policy, people, NobodySpecial(), Book(), Supervision(),
                    Reader(), steady.onward_us, os.urandom, steady.set_back_us,
                ),
            )  # fmt: skip
            half.desk.limits = Limits(open_s=open_s, max_open=max_open, after_denial_s=0.001)
            made.append(half)
            return half.holding

        async with ssh_story(holding=holding) as story:
            story.policy.asked |= set(asked)
            ticking = asyncio.ensure_future(_ticking(made[0]))
            try:
                yield Asking(story, made[0], clock, people)
            finally:
                ticking.cancel()
        await made[0].close()


async def _ticking(approvals: ApprovalHalf) -> None:
    while True:
        await approvals.tick()
        await asyncio.sleep(0.02)
