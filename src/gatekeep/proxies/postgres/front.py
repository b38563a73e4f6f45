"""The front of the Postgres door: from the first byte of a connection to a proven principal.

Says who arrived and what they asked for; admission and everything later belong to the session.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gatekeep import messages as words
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.errors import ClientFault
from gatekeep.gate.ports import Directory, LockOuts
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages, startup
from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.protocols.postgres.greeting import read_sasl_initial, welcome
from gatekeep.protocols.postgres.scram import NONCE_BYTES, ServerExchange
from gatekeep.protocols.postgres.startup import CancelRequest, GssRequest, StartupRequest
from gatekeep.proxies.folding import FoldedEvents
from gatekeep.proxies.postgres.certificates import ClientCertificates
from gatekeep.proxies.postgres.keys import CancelKeys
from gatekeep.proxies.postgres.pump import TlsInfo, WireEnd
from gatekeep.proxies.postgres.tls import NO_TLS_HERE, DoorTls, tls_fault

ALPN: Final = "postgresql"
MAX_PASSWORD_MESSAGE: Final = 4096

_VIOLATION: Final = "08P01"
_SIGN_IN: Final = "28P01"
_COUNTED: Final = "sign-in failed"

_Step = TypeVar("_Step")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who has proven who they are, and waits for AuthenticationOk.

    The SASL exchange is complete on the wire; next goes `greet` or `refuse`. `token_id` is the
    token that was proven, or the id of the certificate; `tls` is None on a plain wire.
    """

    principal: Principal
    request: StartupRequest
    wire: WireEnd
    source: str
    tls: TlsInfo | None
    token_id: str


@dataclass(frozen=True, slots=True)
class DoorPorts:
    """What the door needs of the gateway.

    `draw(count)` gives random bytes, `now_us()` the time for expiry.
    """

    directory: Directory
    lock_outs: LockOuts
    keys: CancelKeys
    folds: FoldedEvents
    draw: Callable[[int], bytes]
    now_us: Callable[[], int]


def greet(
    wire: WireEnd,
    parameters: Mapping[str, str],
    key: CancelKey,
    notices: Iterable[WireMessage] = (),
    theirs: Iterable[bytes] = (),
) -> None:
    """Let an arrival in: AuthenticationOk, the target's parameters, our key, notices, ReadyForQuery."""
    wire.write(welcome(parameters, key, notices, theirs))


def refuse(wire: WireEnd, message: WireMessage) -> None:
    """Say why, as FATAL, and take leave."""
    fatal = message if message.severity == "FATAL" else replace(message, severity="FATAL")
    wire.write(messages.error_response(fatal))
    wire.take_leave()


class Front:
    """Receives one connection after the other; holds no state of any of them.

    `tls_required` refuses a start-up on a plain wire. `slots` caps TLS hand-shakes under way.
    """

    def __init__(
        self, ports: DoorPorts, slots: asyncio.Semaphore, *, tls_required: bool, limit_s: float
    ) -> None:
        self._ports = ports
        self._slots = slots
        self._tls_required = tls_required
        self._limit_s = limit_s

    async def receive(
        self, wire: WireEnd, source: str, offered: DoorTls | None, *, direct: bool = False
    ) -> Arrival | None:
        """The arrival, or None when the connection has been answered, closed and noted.

        `offered` is the TLS of this moment; `direct` says that the wire began with it.
        """
        try:
            arrival = await self._arrive(wire, source, offered, direct=direct)
            wire.may_hold = 0
            return arrival  # noqa: TRY300 - what fails goes on below
        except ClientFault as fault:
            self.turn_away(wire, source, fault)
        except asyncio.IncompleteReadError as cut:
            if wire.overrun:
                self.turn_away(wire, source, _violation("too much before sign-in"))
            elif cut.partial:
                self.note(source, "cut off within a message")
            wire.take_leave()
        except ssl.SSLError as error:
            self.note(source, tls_fault(error))
            wire.take_leave()
        except OSError:
            wire.abort()
        return None

    def note(self, source: str, cause: str) -> None:
        """A client's fault before sign-in, folded."""
        self._ports.folds.note(EventKind.PROTOCOL_FAULT, source, cause)

    async def _arrive(
        self, wire: WireEnd, source: str, offered: DoorTls | None, *, direct: bool
    ) -> Arrival | None:
        tls = wire.tls
        if direct and offered is None:
            self.note(source, "direct TLS where there is none")
            wire.write(NO_TLS_HERE)
            wire.take_leave()
            return None
        if direct and (tls is None or tls.alpn != ALPN):
            raise _violation("direct TLS without ALPN postgresql")
        request = await self._opening(wire, offered, encrypted=direct)
        if isinstance(request, CancelRequest):
            await self._cancel(wire, source, request)
            return None
        tls = wire.tls
        if tls is None and self._tls_required:
            answer = words.encryption_required()
            raise ClientFault(answer.primary, cause="no TLS", answer=answer)
        if request.negotiates:
            newest, unknown = request.spoken_minor, request.unknown_options
            wire.write(messages.negotiate_protocol_version(newest, unknown))
        binding = offered.binding if offered is not None and tls is not None else b""
        clients = offered.clients if offered is not None else None
        if clients is not None and tls is not None and tls.peer_certificate:
            principal, token_id = self._certified(source, request, clients, tls.peer_certificate)
        else:
            principal, token_id = await self._sign_in(wire, source, request, binding)
        return Arrival(principal, request, wire, source, tls, token_id)

    async def _opening(
        self, wire: WireEnd, offered: DoorTls | None, *, encrypted: bool
    ) -> StartupRequest | CancelRequest:
        """Answer requests for encryption, each once, until something else is asked."""
        asked: set[type] = set()
        while True:
            length = await wire.read_exactly(4)
            rest = await wire.read_exactly(startup.packet_length(length) - 4)
            packet = startup.parse_first_packet(length + rest)
            if isinstance(packet, (StartupRequest, CancelRequest)):
                return packet
            if encrypted or type(packet) in asked:
                raise _violation("a second request for encryption")
            if wire.held:
                raise _violation("bytes behind a request for encryption")
            asked.add(type(packet))
            if offered is None or isinstance(packet, GssRequest):
                wire.write(b"N")
            else:
                await self._encrypt(wire, offered)
                encrypted = True

    async def _encrypt(self, wire: WireEnd, offered: DoorTls) -> None:
        async with self._slots:
            if wire.held:
                raise _violation("bytes behind a request for encryption")
            # nothing may be awaited between this letter and the hand-shake
            wire.write(b"S")
            await wire.start_tls(
                offered.context, server_side=True, name=None, limit_s=self._limit_s
            )

    async def _cancel(self, wire: WireEnd, source: str, request: CancelRequest) -> None:
        """Every answer is the same: the connection is closed."""
        try:
            if request.key is None:
                self.note(source, "a malformed CancelRequest")
            else:
                await self._ports.keys.request(request.key, source)
        finally:
            wire.take_leave()

    async def _sign_in(
        self, wire: WireEnd, source: str, request: StartupRequest, binding: bytes
    ) -> tuple[Principal, str]:
        """The whole exchange, the same for every name; only its last step can differ."""
        name = request.principal_name
        secrets = self._ports.directory.scram_secrets(name)
        exchange = ServerExchange(
            salt=secrets.salt,
            iterations=secrets.iterations,
            verifiers=[(held.stored_key, held.server_key) for held in secrets.verifiers],
            nonce=self._ports.draw(NONCE_BYTES),
            binding=binding,
        )
        wire.write(messages.authentication_sasl(exchange.mechanisms))
        mechanism, first = read_sasl_initial(await self._response(wire))
        challenge = self._judged(name, source, lambda: exchange.first(mechanism, first))
        wire.write(messages.authentication(messages.AUTH_SASL_CONTINUE, challenge))
        proof = await self._response(wire)
        locked = self._ports.lock_outs.locked(name, source)
        found, last = self._judged(name, source, lambda: exchange.final(proof))
        principal = self._ports.directory.principal(name)
        if locked or principal is None:
            raise self._failed(name, source, "locked" if locked else "no such principal")
        self._ports.lock_outs.succeeded(name, source)
        wire.write(messages.authentication(messages.AUTH_SASL_FINAL, last))
        return principal, secrets.verifiers[found].token_id

    def _certified(
        self, source: str, request: StartupRequest, clients: ClientCertificates, shown: bytes
    ) -> tuple[Principal, str]:
        """Whom a verified certificate names, if that is who the client says it is.

        It is proof enough, and nobody can be locked out of it by the failures of others.
        """
        name = request.principal_name
        named, label = clients.named(shown, self._ports.now_us())
        principal = self._ports.directory.principal(name) if named == name else None
        if principal is None:
            cause = "the certificate is not this principal's"
            self._ports.folds.note(EventKind.AUTH_FAILED, source, cause, name)
            answer = words.certificate_refused()
            raise ClientFault(answer.primary, cause=_COUNTED, answer=answer)
        return principal, label

    def _judged(self, name: str, source: str, step: Callable[[], _Step]) -> _Step:
        """One step of the exchange; a failed sign-in is counted and noted under its name."""
        try:
            return step()
        except ClientFault as fault:
            if fault.answer is not None and fault.answer.sqlstate == _SIGN_IN:
                raise self._failed(name, source, fault.cause) from None
            raise

    def _failed(self, name: str, source: str, cause: str) -> ClientFault:
        if self._ports.lock_outs.failed(name, source):
            self._ports.folds.note(EventKind.AUTH_LOCKED, source, "too many failures", name)
        self._ports.folds.note(EventKind.AUTH_FAILED, source, cause, name)
        answer = words.sign_in_failed()
        return ClientFault(answer.primary, cause=_COUNTED, answer=answer)

    async def _response(self, wire: WireEnd) -> bytes:
        kind, length = messages.HEADER.unpack(await wire.read_exactly(5))
        if kind != ord("p") or not 4 <= length <= MAX_PASSWORD_MESSAGE:  # noqa: PLR2004 - counts itself
            raise _violation("something else in place of a SASL message")
        return await wire.read_exactly(length - 4)

    def turn_away(self, wire: WireEnd, source: str, fault: ClientFault) -> None:
        """Tell a stranger what is wrong, and note it."""
        answer = fault.answer or words.client_violation(fault.public)
        if fault.cause == _COUNTED:
            pass
        elif answer.sqlstate == _SIGN_IN:
            self._ports.folds.note(EventKind.AUTH_FAILED, source, "no such name")
        elif answer.sqlstate == _VIOLATION:
            self.note(source, fault.cause)
        else:
            self.note(source, f"start-up refused, {answer.sqlstate}")
        refuse(wire, answer)


def _violation(what: str) -> ClientFault:
    answer = words.client_violation(what[0].upper() + what[1:] + ".")
    return ClientFault(answer.primary, cause=what, answer=answer)
