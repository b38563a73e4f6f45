"""Where a tunnel through a target really leads: looked up once, told apart from what none may reach.

Registered targets, by any name or address, are reached through their own doors and not by a tunnel
around the record; the gateway's own addresses and a cloud's metadata not at all. What is left is
for the policy to decide on.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.commands import TUNNEL_OPEN, SshAction, TunnelFacts
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.gate.ports import TargetBook
from gatekeep.messages import ssh as words
from gatekeep.protocols.ssh.destinations import (
    Address,
    Destination,
    forbidden,
    normalise,
    same_place,
    socket_tags,
    unwrapped,
)
from gatekeep.runtime.clock import Clock

_LOOK_UP_S: Final = 3.0
_KEPT_NS: Final = 60 * 10**9
_DISCARD: Final = 9
"""Any port: nothing is sent there."""

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lead:
    """A tunnel that the policy may decide on, and what the target is then told to dial."""

    action: SshAction
    dial: str
    port: int


class Leads:
    """`resolve(name)` gives a name's addresses; `own(address)` says whether it is this machine's."""

    def __init__(
        self,
        targets: TargetBook,
        clock: Clock,
        resolve: Resolve | None = None,
        own: Callable[[Address], bool] | None = None,
    ) -> None:
        self._targets = targets
        self._clock = clock
        self._resolve = resolve or looked_up
        self._own = own or is_own
        self._kept: dict[str, tuple[int, Sequence[Address]]] = {}

    async def judge(self, through: Target, written: str, port: int) -> Lead | Lines:
        """What a tunnel through this target to `written` is; the lines of a refusal for what none may."""
        if not port:
            tags = socket_tags(written)
            return Lead(_action(TunnelFacts(TUNNEL_OPEN, written, 0, "", "target", tags)), written, 0)
        destination = normalise(written)
        if destination is None or not 0 < port <= 0xFFFF:  # noqa: PLR2004 - the largest port
            return words.no_destination(written, port)
        if destination.loopback:
            return await self._on_the_target(through, destination, port)
        return await self._elsewhere(destination, port)

    async def _elsewhere(self, destination: Destination, port: int) -> Lead | Lines:
        addresses = await self._addresses(destination)
        for address in addresses:
            reason = forbidden(address) or ("the gateway itself" if self._own(address) else "")
            if reason:
                return words.never_reached(destination.name, reason)
        registered = await self._registered(destination, addresses)
        if registered is not None:
            return _its_own_door(registered)
        if not addresses:
            facts = TunnelFacts(TUNNEL_OPEN, destination.name, port, "", "target")
            return Lead(_action(facts), destination.name, port)
        dial = str(addresses[0])
        facts = TunnelFacts(TUNNEL_OPEN, destination.name, port, dial, "gateway")
        return Lead(_action(facts), dial, port)

    async def registered(self, written: str) -> Target | None:
        """The registered target of this name or address: its alias, or what leads to it."""
        alias = self._targets.target(written)
        destination = normalise(written)
        if alias is not None or destination is None:
            return alias
        return await self._registered(destination, await self._addresses(destination))

    async def _on_the_target(
        self, through: Target, destination: Destination, port: int
    ) -> Lead | Lines:
        """Loopback: the target itself, where the doors of targets on that machine stand, too."""
        here = normalise(through.host)
        around = await self._addresses(here) if here is not None else ()
        for target in self._targets.targets():
            if target.port == port and (
                target.host == through.host or await self._is_at(target, here, around)
            ):
                return _its_own_door(target)
        local = [address for address in around if self._own(address) or address.is_loopback]
        if (here is not None and here.loopback) or local:
            # The target runs on the gateway's machine: only what is registered is known there.
            facts = TunnelFacts(
                TUNNEL_OPEN, destination.name, port, "", "target", frozenset({"gateway_machine"})
            )
        else:
            facts = TunnelFacts(TUNNEL_OPEN, destination.name, port, "", "target")
        return Lead(_action(facts), destination.name, port)

    async def _registered(
        self, destination: Destination, addresses: Sequence[Address]
    ) -> Target | None:
        for target in self._targets.targets():
            if destination.name == target.name or await self._is_at(target, destination, addresses):
                return target
        return None

    async def _is_at(
        self, target: Target, destination: Destination | None, addresses: Sequence[Address]
    ) -> bool:
        own = normalise(target.host)
        if own is None or destination is None:
            return False
        return same_place(destination, addresses, own.name, await self._addresses(own))

    async def _addresses(self, destination: Destination) -> Sequence[Address]:
        """The addresses of a destination, looked up at most once a minute; none if there are none."""
        if destination.address is not None:
            return (destination.address,)
        now = self._clock.monotonic_ns()
        kept = self._kept.get(destination.name)
        if kept is not None and now - kept[0] < _KEPT_NS:
            return kept[1]
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                found = await self._resolve(destination.name)
        except (OSError, TimeoutError, UnicodeError):
            found = ()
        if len(self._kept) >= 1024:  # noqa: PLR2004 - clients choose the names
            self._kept.clear()
        self._kept[destination.name] = (now, found)
        return found


async def looked_up(name: str) -> Sequence[Address]:
    """A name's addresses. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(
        dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found)
    )


def is_own(address: Address) -> bool:
    """Whether packets to this address stay on this machine: then they would come from it, too."""
    address = unwrapped(address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - the IP version
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _DISCARD))
            from_here = str(probe.getsockname()[0]).partition("%")[0]
            return address.is_loopback or unwrapped(ipaddress.ip_address(from_here)) == address
    except OSError:
        return False


def _action(facts: TunnelFacts) -> SshAction:
    shown = f"{facts.destination}:{facts.port}" if facts.port else facts.destination
    return SshAction("tunnel", shown, (facts,), details={"direction": "out"})


def _its_own_door(target: Target) -> Lines:
    if target.kind is TargetKind.POSTGRES:
        return words.database_by_tunnel(target.name)
    return words.target_by_tunnel(target.name)
