"""A session between two scripted peers, whose gate asks people, and a target that answers by itself.

The desk is the real one; only journal and people are kept in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

from support import builders
from support.approval_world import ALICE, BOB, ApprovalWorld
from support.postgres_wire import frames
from support.session_story import Story, message

from gatekeep.domain.approvals import ApprovalRequest, RequestState, VoteVerdict
from gatekeep.domain.sessions import Session
from gatekeep.gate.approval_ports import Ballot
from gatekeep.gate.clearance import Clearance
from gatekeep.protocols.postgres import messages as m
from gatekeep.proxies.postgres import holding

LIMIT_S = 10.0


class HeldSession(Story):
    """Everything asks. `seen` is what reached the target, but for Syncs, which `syncs` counts.

    The target answers each Query with its first word and `status`; a text in `slow` only once it
    is taken out of it; what must fail fails.
    """

    def __init__(self, world: ApprovalWorld) -> None:
        super().__init__(world.journal)  # type: ignore[arg-type] # the same class under another name
        self.world = world
        self.seen: list[str] = []
        self.syncs = 0
        self.status = "I"
        self.slow: set[str] = set()
        self.said = b""

    def of_whom(self) -> Session:
        """Alice's."""
        return builders.session(principal=ALICE)

    def gate(self) -> Clearance:
        """The real one, with the real desk behind it."""
        return Clearance(
            self.journal, self.world.policy, on_unrecordable=lambda _incident, _error: None,
            holding=self.world.parts.holding,
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._playing = asyncio.gather(self._play_target(), self._hear())
        return self

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        self._playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._playing

    async def _play_target(self) -> None:
        while True:
            try:
                head = await self.target.readexactly(5)
            except (OSError, asyncio.IncompleteReadError):
                return
            body = await self.target.readexactly(int.from_bytes(head[1:], "big") - 4)
            kind, text = head[:1], body.rstrip(b"\0").decode()
            if kind == b"S":
                self.syncs += 1
                self.from_target.write(m.ready_for_query(self.status))
            elif kind == b"Q":
                self.seen.append(text)
                await until(lambda text=text: text not in self.slow)  # type: ignore[misc] # mypy does not infer defaults
                self.from_target.write(self._answer(text) + m.ready_for_query(self.status))
            else:
                self.seen.append(kind.decode())

    def _answer(self, text: str) -> bytes:
        if text.startswith("gk_"):
            return message(b"E", f'SERROR\0VERROR\0C42601\0Mat "{text}"\0\0'.encode())
        return message(b"C", text.split(maxsplit=1)[0].encode() + b"\0")

    async def _hear(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.client.read(65536):
                self.said += data

    # what the client was told

    def told(self) -> list[str]:
        """Each message so far: a notice's or error's words, or its type and text."""
        found: list[str] = []
        for kind, body in frames(self.said):
            fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
            if kind in "NE":
                detail = f" | {fields[b'D']}" if b"D" in fields else ""
                found.append(f"{kind} {fields[b'C']} {fields[b'M']}{detail}")
            else:
                found.append(f"{kind} {body.rstrip(bytes(1)).decode()}")
        return found

    async def until_told(self, part: str) -> None:
        """The client reads something with this in it."""
        await until(lambda: any(part in one for one in self.told()))

    # what people do

    async def asked(self) -> ApprovalRequest:
        """The one request that waits, once the client was told of it."""
        found: list[ApprovalRequest] = []

        async def waits() -> bool:
            found[:] = await self.world.desk.requests(state=RequestState.PENDING)
            return bool(found) and any(
                f"request {found[0].id}" in one for one in self.told() if "waiting for" in one
            )

        while not await waits():
            await asyncio.sleep(0)
        assert len(found) == 1
        return found[0]

    async def approve(self) -> ApprovalRequest:
        """Bob says yes to what waits."""
        request = await self.asked()
        ballot = Ballot(VoteVerdict.APPROVE, request.digest, "cli")
        cast = await self.world.desk.cast(request.id, BOB, ballot)
        assert cast.counted, cast
        return request

    async def ended(self, request: ApprovalRequest) -> ApprovalRequest:
        """It, once it is open no more."""
        while True:
            found = await self.world.desk.request(request.id)
            assert found is not None
            if found.state is not RequestState.PENDING:
                return found
            await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    """Turn the loop until it holds."""
    async with asyncio.timeout(LIMIT_S):
        while not holds():
            await asyncio.sleep(0.001)


def quickly(set_: Callable[[object, str, float], None]) -> None:
    """Targets are spoken to a hundred times a second."""
    set_(holding, "AWAKE_S", 0.01)
