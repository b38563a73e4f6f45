"""A Postgres door with people who behave like the real directory, and a session that is a stub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gatekeep.domain.identity import Principal
from gatekeep.gate.ports import ScramSecrets, ScramVerifier
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.scram import make_verifier
from gatekeep.proxies.folding import Folded, FoldedEvents
from gatekeep.proxies.postgres.front import Arrival, DoorPorts, greet
from gatekeep.proxies.postgres.keys import CancelKeys
from gatekeep.proxies.postgres.listener import DoorValues, PostgresDoor

SALT = b"a salt for tests"
ITERATIONS = 64
TOKEN = "gk_only_for_tests"  # noqa: S105 - made up
PARAMETERS = {
    "server_version": "18.4", "server_encoding": "UTF8", "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY", "TimeZone": "UTC", "IntervalStyle": "postgres",
    "integer_datetimes": "on", "standard_conforming_strings": "on",
}  # fmt: skip


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 10**9

    def wall_us(self) -> int:
        """Moves with the other one."""
        return self.now_ns // 1000

    def monotonic_ns(self) -> int:
        """As set."""
        return self.now_ns


class People:
    """A directory of principals by name, each with tokens; unknown names get mock secrets."""

    def __init__(self, **tokens: str) -> None:
        self._tokens = {name: [token] for name, token in tokens.items()}

    def principal(self, name: str) -> Principal | None:
        """Known names only."""
        return Principal(name, name) if name in self._tokens else None

    def principals(self) -> Sequence[Principal]:
        """All."""
        return [Principal(name, name) for name in sorted(self._tokens)]

    def principal_of_uid(self, uid: int) -> Principal | None:
        """Nobody."""
        return None

    def scram_secrets(self, name: str) -> ScramSecrets:
        """Real keys, or none that anybody could prove."""
        held = self._tokens.get(name, [])
        return ScramSecrets(
            SALT, ITERATIONS,
            tuple(
                ScramVerifier(f"{name}-{place}", *make_verifier(token, SALT, ITERATIONS))
                for place, token in enumerate(held)
            ),
        )  # fmt: skip


@dataclass
class CountedLockOuts:
    """Locks a pair after `limit` failures."""

    limit: int = 5
    failures: dict[tuple[str, str], int] = field(default_factory=dict)

    def locked(self, principal: str, source: str) -> bool:
        """Whether the limit is reached."""
        return self.failures.get((principal, source), 0) >= self.limit

    def failed(self, principal: str, source: str) -> bool:
        """Count; true at the limit."""
        count = self.failures.get((principal, source), 0) + 1
        self.failures[principal, source] = count
        return count == self.limit

    def succeeded(self, principal: str, source: str) -> None:
        """Forget."""
        self.failures.pop((principal, source), None)


@dataclass
class OpenDoor:
    """A started door and what it has said so far."""

    door: PostgresDoor
    keys: CancelKeys
    folds: FoldedEvents
    folded: list[Folded]
    arrivals: list[Arrival]
    clock: HandClock
    lock_outs: CountedLockOuts
    cancelled: list[str]
    over: asyncio.Event

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.door.port

    async def empty(self) -> None:
        """Wait until every stranger's connection is gone."""
        async with asyncio.timeout(20):
            while self.door.unauthenticated:
                await asyncio.sleep(0)

    def events(self) -> list[tuple[str, str, int]]:
        """Kind, cause and count of what was folded so far, handed over now."""
        self.folds.flush(everything=True)
        return [(fold.kind.value, fold.cause, fold.count) for fold in self.folded]


def values(**changes: object) -> DoorValues:
    """A plain door on a free loopback port, unless said otherwise."""
    plain: dict[str, object] = {"port": 0, "tls": "off", **changes}
    return DoorValues(**plain)  # type: ignore[arg-type] # the caller's words


@asynccontextmanager
async def open_door(
    wanted: DoorValues | None = None,
    *,
    people: People | None = None,
    serve: Callable[[OpenDoor, Arrival], Awaitable[None]] | None = None,
) -> AsyncIterator[OpenDoor]:
    """A door that answers every statement with one empty result; closed at the end."""
    clock = HandClock()
    folded: list[Folded] = []
    folds = FoldedEvents(clock, folded.append)
    hits: list[str] = []
    keys = CancelKeys(clock, os.urandom, on_hit=hits.append)
    lock_outs = CountedLockOuts()
    arrivals: list[Arrival] = []

    async def session(arrival: Arrival) -> None:
        arrivals.append(arrival)
        await (serve or answer_everything)(opened, arrival)
        opened.over.set()

    ports = DoorPorts(people or People(alice=TOKEN), lock_outs, keys, folds, os.urandom, clock.wall_us)
    door = PostgresDoor(wanted or values(), ports, session)
    opened = OpenDoor(door, keys, folds, folded, arrivals, clock, lock_outs, hits, asyncio.Event())
    await door.start()
    try:
        yield opened
    finally:
        await door.close()


async def answer_everything(opened: OpenDoor, arrival: Arrival) -> None:
    """Let the client in and answer `SELECT 1` to everything until it leaves."""
    wire = arrival.wire

    async def cancel() -> None:
        opened.cancelled.append("session")

    key = opened.keys.issue(cancel, long=arrival.request.long_cancel_key)
    greet(wire, PARAMETERS, key, arrival.request.notices)
    try:
        while True:
            kind, length = messages.HEADER.unpack(await wire.read_exactly(5))
            await wire.read_exactly(length - 4)
            if kind == ord("X"):
                return
            if kind == ord("Q"):
                wire.write(one_row() + messages.ready_for_query("I"))
    except EOFError:
        return
    finally:
        opened.keys.withdraw(key)


def one_row() -> bytes:
    """The answer to `SELECT 1` in the simple protocol."""
    column = b"\0\x01n\0" + bytes(6) + b"\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"
    return (
        messages.frame(b"T", column)
        + messages.frame(b"D", b"\0\x01\0\0\0\x011")
        + messages.frame(b"C", b"SELECT 1\0")
    )
