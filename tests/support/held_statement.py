"""A submission that may wait, whose situation a test may change: notes what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from support import builders
from support.desk_world import DeskWorld, person

from gatekeep.domain.actions import SqlAction, SqlClass, WhereClause
from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.grants import Slot
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.holding import Held, NotReleased

SESSION = builders.session(principal=person("alice", "engineers"))

FIELDS = {
    "statement 1": "ab12", "search_path": "public", "role": "none", "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres", "TimeZone": "UTC", "row_security": "on",
    "session_replication_role": "origin", "transaction_read_only": "off", "temp_objects": "False",
    "standard_conforming_strings": "on", "client_encoding": "UTF8", "transaction": "T 3 changed",
    "target identity": "127.0.0.1:5432 system 7",
}  # fmt: skip


async def _nothing() -> None:
    """Nothing happens."""


class HeldStatement:
    """A hold that notes what it is told, and whose situation a test may change."""

    def __init__(self) -> None:
        self.fields = dict(FIELDS)
        self.told: list[str] = []
        self.departed: asyncio.Future[Departure] = asyncio.get_running_loop().create_future()
        self.in_transaction = False
        self.values: tuple[Slot, ...] = ()
        self.likeness: Likeness | None = None
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing

    def binding(self, positions: Sequence[int]) -> Sequence[tuple[str, str]]:
        """The fields as they are now."""
        return tuple(self.fields.items())

    async def read_anew(self) -> None:
        """Nothing has changed by itself; what a test wants to happen meanwhile happens."""
        await self.meanwhile()

    def slots(self) -> Sequence[Slot]:
        """The values of its template."""
        return self.values

    def likenesses(self, positions: Sequence[int]) -> Sequence[Likeness | None]:
        """What a test says, for each."""
        return [self.likeness for _position in positions]

    def around(self) -> Mapping[str, str]:
        """How it is read."""
        return {"search_path": self.fields["search_path"]}

    async def look(self) -> Mapping[str, object]:
        """Nothing is known."""
        return {}

    def waiting(self, request: ApprovalRequest, deciders: Sequence[str]) -> None:
        """Told for whom it waits."""
        self.told.append(f"waiting for {', '.join(deciders)}")

    def still_waiting(self, request: ApprovalRequest, left_s: int) -> None:
        """Told each minute."""
        self.told.append("still waiting")

    def escalated(self, request: ApprovalRequest, groups: Sequence[str]) -> None:
        """Told who else is asked."""
        self.told.append(f"also {', '.join(groups)}")

    def approved(self, request: ApprovalRequest) -> None:
        """Told that it goes out."""
        self.told.append("approved")

    def over(self) -> None:
        """Told that it waits no more."""
        self.told.append("over")


def statement(text: str = "DELETE FROM orders WHERE id = 1") -> SqlAction:
    """A write with a WHERE."""
    known = builders.facts(
        SqlClass.WRITE, "DELETE", redacted=text, template="delete from orders where id = $1:int",
        where=WhereClause.PRESENT,
    )  # fmt: skip
    return builders.action(text, known)


class Waiting:
    """One statement that is held."""

    def __init__(
        self, world: DeskWorld, text: str = "DELETE FROM orders WHERE id = 1",
        session: Session = SESSION, hold: HeldStatement | None = None,
    ) -> None:  # fmt: skip
        self.world = world
        self.hold = hold or HeldStatement()
        action = statement(text)
        held = Held(session, [action], [world.rules.judge(session, action)], [0])
        self.asked: list[str] = []
        self.task = world.owner.spawn(
            world.holding.released(held, self.hold, self._recorded), name="hold"
        )

    async def _recorded(self, request: ApprovalRequest) -> None:
        self.asked.append(request.id)

    async def request(self) -> ApprovalRequest:
        """The request, once the client was told of it."""
        while not self.hold.told:
            await asyncio.sleep(0)
            assert not self.task.done(), self.task.result()
        found = await self.world.desk.request(self.asked[0])
        assert found is not None
        return found

    async def answer(self) -> NotReleased:
        """Why it did not go out."""
        found = await self.task
        assert isinstance(found, NotReleased), found
        return found
