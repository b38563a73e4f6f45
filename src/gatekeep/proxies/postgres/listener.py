"""The Postgres door: listens, keeps strangers within bounds, and hands arrivals to sessions.

Survives whatever a connection does. What is said on the wire lives in `front`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gatekeep import messages as words
from gatekeep.errors import ClientFault, SettingsError
from gatekeep.protocols.postgres.messages import error_response
from gatekeep.proxies.lobby import Lobby, Visitor
from gatekeep.proxies.postgres.front import Arrival, DoorPorts, Front, refuse
from gatekeep.proxies.postgres.introduction import TrustedProxies, introduced_source, peeked
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.tls import DoorTls, is_loopback, load_door_tls, tls_fault
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 64
_PAUSE_S: Final = 0.2
_FLUSH_S: Final = 1.0
_TLS_RECORD: Final = b"\x16"

STRANGER_BYTES: Final = 24 * 1024
"""What is held of one that has not signed in: a start-up packet, a SASL message, a first query."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

ServeSession = Callable[[Arrival], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DoorValues:
    """How the door stands. `tls` is `require`, `prefer` or `off`; port 0 takes a free one.

    `proxy_from` are networks whose connections must begin with a PROXY header, and are believed.
    """

    host: str = "127.0.0.1"
    port: int = 6432
    tls: str = "require"
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    client_crl: Path | None = None
    proxy_from: tuple[str, ...] = ()
    handshake_s: float = 10.0
    per_address: int = 32
    total: int = 512
    tls_at_once: int = 128


class PostgresDoor:
    """One door. `serve_session(arrival)` runs a session to its end and then the wire is closed.

    Raises SettingsError at making when the TLS mode, certificate and address do not fit.
    """

    def __init__(self, values: DoorValues, ports: DoorPorts, serve_session: ServeSession) -> None:
        self._values = values
        self._ports = ports
        self._serve = serve_session
        self._tls = _checked_tls(values)
        self._proxies = TrustedProxies(values.proxy_from)
        self._lobby = Lobby(per_address=values.per_address, total=values.total)
        self._slots = asyncio.Semaphore(values.tls_at_once)
        self._front = Front(
            ports,
            self._slots,
            tls_required=values.tls == "require",
            limit_s=values.handshake_s,
        )
        self._owner = TaskOwner("postgres door", on_failure=_failed)
        self._listening: list[socket.socket] = []
        self._resting: dict[int, asyncio.TimerHandle] = {}
        self._flusher: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        port: int = self._listening[0].getsockname()[1]
        return port

    @property
    def unauthenticated(self) -> int:
        """Connections that have not signed in yet."""
        return len(self._lobby)

    async def start(self) -> None:
        """Listen on every address of the host. Raises SettingsError if that cannot be."""
        values = self._values
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                values.host, values.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            port = values.port
            for family, _, _, _, address in dict.fromkeys(found):
                bound = _listen(family, (address[0], port, *address[2:]))
                self._listening.append(bound)
                port = bound.getsockname()[1]
        except OSError as error:
            self.stop_accepting()
            raise SettingsError(
                f"cannot listen on {values.host}:{values.port}: {error}",
                key="postgres.port",
                fix="choose a free port, or end the program that has it",
            ) from error
        for listening in self._listening:
            loop.add_reader(listening, self._accept, listening)
        self._flusher = self._owner.spawn(self._flush(), name="folded events")

    def reload_tls(self) -> None:
        """Read certificate and key again, for connections from now on.

        Raises SettingsError, and the old ones stay.
        """
        self._tls = _checked_tls(self._values)

    def certificate_works(self, token_id: str) -> bool:
        """Whether a session that began with this client certificate may go on."""
        clients = self._tls.clients if self._tls is not None else None
        return clients is not None and clients.works(token_id, self._ports.now_us())

    def stop_accepting(self) -> None:
        """Take no further connection; those that are there go on."""
        loop = asyncio.get_running_loop()
        for handle in self._resting.values():
            handle.cancel()
        self._resting.clear()
        for listening in self._listening:
            loop.remove_reader(listening)
            listening.close()
        self._listening.clear()

    async def close(self, *, grace: float = 0.0) -> None:
        """Stop accepting, give sessions `grace` seconds to end, then end them."""
        self.stop_accepting()
        if self._flusher is not None:
            self._flusher.cancel()
        await self._owner.close(grace=grace)
        self._ports.folds.flush(everything=True)

    # accepting

    def _accept(self, listening: socket.socket) -> None:
        """Called when connections wait: take some, and rest when the machine has no room."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue
            except OSError as error:
                _log.warning("cannot accept", error=str(error))
                if error.errno in _EXHAUSTED:
                    self._rest(listening)
                return
            self._take_in(connection, _source(address))

    def _rest(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def again() -> None:
            self._resting.pop(listening.fileno(), None)
            loop.add_reader(listening, self._accept, listening)

        self._resting[listening.fileno()] = loop.call_later(_PAUSE_S, again)

    def _take_in(self, connection: socket.socket, source: str) -> None:
        visit = _Visit(connection, source)
        try:
            connection.setblocking(False)  # noqa: FBT003 - the socket module's own way
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            connection.close()
            return
        visit.proxied = source in self._proxies
        visit.visitor = self._lobby.enter(None if visit.proxied else source, visit.shed)
        visit.task = self._owner.spawn(self._visit(visit), name=source)
        # a task that is cancelled before its first step runs no line of its own
        visit.task.add_done_callback(visit.leave)

    # one connection

    async def _visit(self, visit: _Visit) -> None:
        """From accepting to the end of the session; never raises but for our own end."""
        try:
            arrival = await self._received(visit)
            if arrival is not None:
                await self._serve(arrival)
                await arrival.wire.finish()
        except Exception:  # noqa: BLE001 - one connection never ends another
            _log.exception("connection failed", source=visit.source)

    async def _received(self, visit: _Visit) -> Arrival | None:
        """Who has signed in; a stranger counts as one until its connection is gone."""
        try:
            arrival = await self._greeted(visit)
            if arrival is None and visit.wire is not None:
                await visit.wire.finish()
            return arrival  # noqa: TRY300 - shed strangers go on below
        except asyncio.CancelledError:
            if not visit.was_shed:
                visit.abort()
                raise
            self._front.note(visit.source, "too many connections")
            visit.say_shed()
            if visit.task is not None:
                visit.task.uncancel()
        finally:
            if visit.visitor is not None:
                self._lobby.leave(visit.visitor)
        return None

    async def _greeted(self, visit: _Visit) -> Arrival | None:
        """From the first byte to the proof, within the time for it."""
        try:
            async with asyncio.timeout(self._values.handshake_s):
                offered = self._tls
                if visit.proxied:
                    await self._introduced(visit)
                first = await peeked(visit.connection, 1)
                if not first:
                    return None
                # what the loop would answer may be a wrapper of its own
                wire = visit.wire = WireEnd()
                direct = first == _TLS_RECORD
                if not direct or offered is None:
                    await visit.hand_over(wire)
                elif not await self._direct(visit, wire, offered):
                    return None
                return await self._front.receive(wire, visit.source, offered, direct=direct)
        except TimeoutError:
            self._front.note(visit.source, "hand-shake too slow")
            visit.abort()
        except ClientFault as fault:
            wire = visit.wire = WireEnd()
            await visit.hand_over(wire)
            self._front.turn_away(wire, visit.source, fault)
        return None

    async def _introduced(self, visit: _Visit) -> None:
        """A trusted proxy says whose connection this is. Raises ClientFault if it does not."""
        source = await introduced_source(visit.connection)
        visit.source = source or visit.source
        if visit.visitor is not None:
            self._lobby.belongs(visit.visitor, visit.source)

    async def _direct(self, visit: _Visit, wire: WireEnd, offered: DoorTls) -> bool:
        """The hand-shake of a connection that begins with it; whether it came about."""
        async with self._slots:
            wire.expect_tls(offered.context, server_side=True, name=None)
            await visit.hand_over(wire)
            try:
                await wire.tls_agreed(limit_s=self._values.handshake_s)
            except OSError as error:
                self._front.note(visit.source, tls_fault(error))
                return False
        return True

    async def _flush(self) -> None:
        """Hand folded events over as they become due."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            try:
                self._ports.folds.flush()
            except Exception:  # noqa: BLE001 - the next flush may succeed
                _log.exception("folded events could not be recorded")


class _Visit:
    """A connection's life before its session: the socket, then the wire over it."""

    __slots__ = (
        "connection",
        "handed_over",
        "proxied",
        "source",
        "task",
        "visitor",
        "was_shed",
        "wire",
    )

    def __init__(self, connection: socket.socket, source: str) -> None:
        self.connection = connection
        self.source = source
        self.wire: WireEnd | None = None
        self.task: asyncio.Task[None] | None = None
        self.visitor: Visitor | None = None
        self.handed_over = False
        self.proxied = False
        self.was_shed = False

    def shed(self) -> None:
        """Make room for another connection."""
        self.was_shed = True
        if self.task is not None:
            self.task.cancel()

    async def hand_over(self, wire: WireEnd) -> None:
        """From here on the socket is the wire's."""
        wire.may_hold = STRANGER_BYTES
        self.handed_over = True
        await asyncio.get_running_loop().connect_accepted_socket(lambda: wire, self.connection)

    def say_shed(self) -> None:
        """The words for one that was shed, where it can still read them; nobody waits for it."""
        if self.wire is not None:
            refuse(self.wire, words.too_many_connections())
            self.wire.close()
            return
        with contextlib.suppress(OSError):
            if not self.handed_over:
                self.connection.send(error_response(words.too_many_connections()))

    def abort(self) -> None:
        """Close at once."""
        if self.wire is not None:
            self.wire.abort()

    def leave(self, _task: asyncio.Task[None]) -> None:
        """The end of the connection, however it came."""
        if self.wire is not None:
            self.wire.close()
        elif not self.handed_over:
            self.connection.close()


def _checked_tls(values: DoorValues) -> DoorTls | None:
    """The door's TLS, None when it offers none. Raises SettingsError."""
    if values.tls not in ("require", "prefer", "off"):
        raise SettingsError(f"unknown mode {values.tls!r}", key="postgres.tls",
                            fix="write require, prefer or off")  # fmt: skip
    if values.tls != "off" and values.certificate is not None and values.key is not None:
        return load_door_tls(values.certificate, values.key, values.client_ca, values.client_crl)
    if values.client_ca is not None or values.client_crl is not None:
        raise SettingsError("client certificates need TLS", key="postgres.client_ca",
                            fix="name certificate and key, or no client_ca")  # fmt: skip
    if values.tls == "require":
        raise SettingsError("TLS is required and there is no certificate", key="postgres.certificate",
                            fix="name certificate and key, or write tls: off on loopback")  # fmt: skip
    if not is_loopback(values.host):
        raise SettingsError(f"without TLS the door may stand on loopback only, not on {values.host}",
                            key="postgres.tls", fix="name certificate and key")  # fmt: skip
    return None


def _listen(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)  # noqa: FBT003 - the socket module's own way
        listening.bind(address)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _source(address: tuple[object, ...]) -> str:
    text = str(address[0]).partition("%")[0]
    return text.removeprefix("::ffff:") if "." in text else text


def _failed(name: str, error: BaseException) -> None:
    _log.error("task of the door failed", task=name, error=repr(error))
