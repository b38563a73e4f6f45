"""Makes the rooms of approvals out of stores, journal, directory and policy. Wires; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatekeep.gate.ahead import AheadDesk, ReadText
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_front import ApprovalFront, Rooms
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import Limits
from gatekeep.gate.break_glass import BreakGlass
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.holding import Holding
from gatekeep.gate.ports import Directory, Journal, PolicyDesk, TargetBook
from gatekeep.gate.sampling import Sampler
from gatekeep.gate.supervision import Supervision
from gatekeep.gate.voters import People, Voters
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.approvals import ApprovalBooks
from gatekeep.stores.sqlite.state import StateStore


@dataclass(frozen=True, slots=True)
class ApprovalNeeds:
    """What approvals need of the rest. `state` is a connection that nobody else uses.

    `now_us` never goes back; `set_back_us` tells how far the clock of the machine was set back.
    """

    state: StateStore
    journal: Journal
    policy: PolicyDesk
    directory: Directory
    people: People
    targets: TargetBook
    supervision: Supervision
    reader: ReadText
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]
    set_back_us: Callable[[], int]


@dataclass(frozen=True, slots=True)
class ApprovalHalf:
    """The rooms of approvals; `sampler` chooses what people look at of what adopted rules let pass."""

    desk: ApprovalDesk
    grants: GrantBook
    holding: Holding
    sampler: Sampler
    ahead: AheadDesk
    voters: Voters
    front: ApprovalFront
    books: ApprovalBooks
    thread: Offload
    owner: TaskOwner

    async def recover(self) -> None:
        """Before anything is served: what was held is withdrawn, what was granted counts again."""
        await self.desk.recover()
        await self.grants.load()
        await self.ahead.adopt()

    async def tick(self) -> None:
        """What time has brought; called again and again."""
        await self.desk.tick()
        self.grants.tick()

    async def close(self) -> None:
        """Let changes come to their end, then close the books."""
        await self.owner.close(grace=5.0)
        self.thread.close()
        self.books.close()


def assemble_approvals(settings: Settings, needs: ApprovalNeeds) -> ApprovalHalf:
    """Every part, made but not serving."""
    owner = TaskOwner("approvals")
    thread = Offload(threads=1)
    books = ApprovalBooks(needs.state)
    record = ApprovalRecord(books, thread, needs.journal, owner)
    voters = Voters(needs.directory, needs.people)
    policy = needs.policy
    grants = GrantBook(record, voters, needs.supervision, policy, needs.now_us, needs.draw)
    desk = ApprovalDesk(
        record, voters, needs.now_us, needs.draw, _limits(settings), on_grant=grants.add
    )
    ahead = AheadDesk(desk, record, grants, policy, needs.targets, needs.reader)
    sampler = Sampler(needs.state.sampling_key(), canary_days=settings.feedback.canary_days)
    glass = BreakGlass(record, grants, policy, ahead, needs.now_us)
    return ApprovalHalf(
        desk=desk,
        grants=grants,
        holding=Holding(
            desk, grants, policy, voters, needs.now_us, owner,
            set_back_us=needs.set_back_us, samples=sampler,
        ),
        sampler=sampler,
        ahead=ahead,
        voters=voters,
        front=ApprovalFront(Rooms(desk, record, voters, grants, policy, ahead, glass)),
        books=books,
        thread=thread,
        owner=owner,
    )


def _limits(settings: Settings) -> Limits:
    given = settings.approvals
    return Limits(
        given.open_s, given.in_transaction_s, given.grant_s, given.max_open, given.after_denial_s
    )
