"""Connects to a Postgres target: dial, TLS, proof both ways, until it is ready for a query.

Believes nothing before the target has proven itself, and shows a client nothing said before that.
Carries no statement.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gatekeep import messages as words
from gatekeep.domain.targets import Target, TargetTls
from gatekeep.errors import TargetFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.cancel import CancelKey, cancel_request
from gatekeep.protocols.postgres.scram import (
    NONCE_BYTES,
    SCRAM_PLUS,
    ClientExchange,
    salted_password,
)
from gatekeep.protocols.postgres.startup import ssl_request
from gatekeep.proxies.postgres.pump import TlsInfo, WireEnd
from gatekeep.proxies.postgres.target_tls import ALPN, ClientCertificate, ClientContexts
from gatekeep.proxies.postgres.tls import end_point_hash
from gatekeep.runtime.offload import Offload

DIAL_LIMIT_S: Final = 10.0
OLDEST_VERSION: Final = 130000

_MAX_MESSAGE_BYTES: Final = 64 * 1024
_MAX_MESSAGES: Final = 1024
_MAX_NOTICES: Final = 16
_KEPT_PASSWORDS: Final = 256
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")


@dataclass(frozen=True, slots=True)
class Dial:
    """Where a target is and how the way there is protected; `name` is its alias.

    `direct`: TLS begins at once, without asking. `shown` is the certificate for a target that
    asks for one.
    """

    name: str
    host: str
    port: int
    tls: TargetTls
    tls_ca: str = ""
    limit_s: float = DIAL_LIMIT_S
    direct: bool = False
    shown: ClientCertificate | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """How to sign in there.

    `auth` is `scram`, or names `md5` or `password` (in clear) besides, or `certificate` instead.
    `bound`: a proof that is not bound to the target's certificate is refused.
    """

    account: str
    password: str = field(repr=False)
    auth: str = "scram"
    bound: bool = False


def way_to(
    target: Target, account: str, secret_of: Callable[[str], str]
) -> tuple[Dial, Credential]:
    """How to reach a registered target and sign in to it; `secret_of` reads a reference.

    Raises SettingsError when a secret cannot be read any more.
    """
    login = target.accounts[account]
    shown = None
    if login.certificate:
        shown = ClientCertificate(secret_of(login.certificate), secret_of(login.key))
    password = secret_of(login.secret) if login.secret else ""
    return (
        Dial(
            target.name, target.host, target.port, target.tls, target.tls_ca,
            direct=target.direct_tls, shown=shown,
        ),
        Credential(account, password, target.auth, target.channel_binding),
    )  # fmt: skip


@dataclass(slots=True)
class TargetLink:
    """A connection that is ready for a query.

    `parameters` are what ParameterStatus said, `server_version` as `server_version_num`;
    `notices` are bodies of NoticeResponse that came on the way.
    """

    dial: Dial
    wire: WireEnd
    parameters: dict[str, str]
    key: CancelKey | None
    server_version: int
    notices: tuple[bytes, ...]
    tls: TlsInfo | None


class TargetConnector:
    """Makes connections to targets. `draw(count)` gives random bytes.

    Keeps client contexts, and salted passwords (which cost milliseconds each), in memory.
    """

    def __init__(self, draw: Callable[[int], bytes], offload: Offload) -> None:
        self._draw = draw
        self._offload = offload
        self._contexts = ClientContexts()
        self._salted: OrderedDict[tuple[str, bytes, int], bytes] = OrderedDict()

    async def connect(
        self, dial: Dial, credential: Credential, startup: bytes, behind: bytes = b""
    ) -> TargetLink:
        """Connect, sign in, and wait until the target is ready; at most `dial.limit_s`.

        `behind` goes out with our proof, so that its answer needs no round of its own: it may
        hold nothing that a target must not see before it has proven itself.
        Raises TargetFault with the message for the client in `answer`.
        """
        try:
            async with asyncio.timeout(dial.limit_s):
                wire = await self._reach(dial, encrypt=dial.tls is not TargetTls.DISABLE)
                try:
                    wire.write(startup)
                    return await _Entry(self, dial, credential, wire, behind).run()
                except EOFError:
                    # In TLS 1.3 a refused client certificate is told after the hand-shake.
                    why = wire.tls_fault or "no word"
                    wire.abort()
                    raise _silent(dial, f"it closed the connection: {why}") from None
                except BaseException:
                    wire.abort()
                    raise
        except TargetFault as fault:
            if fault.answer is None:
                fault.answer = words.target_violation(dial.name)
            raise
        except TimeoutError:
            raise _silent(dial, f"no answer in {dial.limit_s} s") from None
        except (OSError, ssl.SSLError, EOFError) as error:
            raise _silent(dial, f"{type(error).__name__}: {error}") from error

    async def cancel(self, link: TargetLink) -> None:
        """Ask the target to cancel what runs on `link`, over a connection protected alike.

        Returns once the target has closed it, which means that it took the request. Raises
        TargetFault if it cannot be reached.
        """
        if link.key is None:
            return
        dial = link.dial
        try:
            async with asyncio.timeout(dial.limit_s):
                wire = await self._reach(dial, encrypt=link.tls is not None)
                wire.write(cancel_request(link.key))
                try:
                    while await wire.read():
                        pass
                finally:
                    wire.abort()
        except TimeoutError:
            raise _silent(dial, f"no answer in {dial.limit_s} s") from None
        except (OSError, ssl.SSLError, EOFError) as error:
            raise _silent(dial, f"{type(error).__name__}: {error}") from error

    async def salted(self, password: str, salt: bytes, iterations: int) -> bytes:
        """SaltedPassword, remembered; computed away from the loop, as the target says how long."""
        key = (password, salt, iterations)
        known = self._salted.get(key)
        if known is not None:
            self._salted.move_to_end(key)
            return known
        made = await self._offload.run(lambda: salted_password(*key))
        self._salted[key] = made
        if len(self._salted) > _KEPT_PASSWORDS:
            self._salted.popitem(last=False)
        return made

    def nonce(self) -> bytes:
        """Fresh random bytes for one exchange."""
        return self._draw(NONCE_BYTES)

    async def _reach(self, dial: Dial, *, encrypt: bool) -> WireEnd:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(WireEnd, dial.host, dial.port)
        try:
            if encrypt:
                await self._protect(dial, wire)
        except BaseException:
            wire.abort()
            raise
        return wire

    async def _protect(self, dial: Dial, wire: WireEnd) -> None:
        """SSLRequest; one letter is the answer, and nothing may come behind it. Or TLS at once."""
        if dial.direct:
            await self._shake(dial, wire)
            if wire.tls is None or wire.tls.alpn != ALPN:
                raise _silent(dial, "it did not agree to speak postgresql over direct TLS")
            return
        wire.write(ssl_request())
        letter = await wire.read_exactly(1)
        if letter == b"S":
            await self._shake(dial, wire)
        elif letter != b"N" or dial.tls is not TargetTls.PREFER:
            raise _silent(dial, "it refused TLS")

    async def _shake(self, dial: Dial, wire: WireEnd) -> None:
        context = self._contexts.get(dial.tls, dial.tls_ca, dial.shown)
        await wire.start_tls(context, server_side=False, name=dial.host, limit_s=dial.limit_s)


class _Entry:
    """One start-up conversation with a target, from the start-up packet to ReadyForQuery."""

    def __init__(
        self, connector: TargetConnector, dial: Dial, credential: Credential, wire: WireEnd,
        behind: bytes,
    ) -> None:  # fmt: skip
        self._connector = connector
        self._dial = dial
        self._credential = credential
        self._wire = wire
        self._behind = behind
        self._held = b""
        self._at = 0  # in what is held: the next message
        self._tls = wire.tls
        self._exchange: ClientExchange | None = None
        self._proven = False
        self._entered = False

    async def run(self) -> TargetLink:
        parameters: dict[str, str] = {}
        notices: list[bytes] = []
        key: CancelKey | None = None
        for _ in range(_MAX_MESSAGES):
            kind, body = await self._message()
            if kind == b"R" and not self._entered:
                await self._authenticate(*messages.read_authentication(body))
            elif kind == b"E":
                raise self._refused(body)
            elif not self._entered:
                raise TargetFault("start-up", cause=f"message {kind!r} before authentication")
            elif kind == b"S":
                name, value = messages.read_parameter_status(body)
                parameters[name] = value
            elif kind == b"K":
                key = CancelKey(*messages.read_backend_key_data(body))
            elif kind == b"N":
                messages.read_fields(body)
                notices = [*notices, body][-_MAX_NOTICES:]
            elif kind == b"Z" and messages.read_ready(body) == "I":
                version = self._version(parameters)
                self._wire.unread(self._held[self._at :])
                return TargetLink(
                    self._dial, self._wire, parameters, key, version, tuple(notices), self._tls
                )
            else:
                raise TargetFault("start-up", cause=f"message {kind!r} in start-up")
        raise TargetFault("start-up", cause="too many messages")

    async def _message(self) -> tuple[bytes, bytes]:
        """The next message; several come at once, and are cut without asking the wire for each."""
        await self._hold(messages.HEADER.size)
        kind, length = messages.HEADER.unpack_from(self._held, self._at)
        if not 4 <= length <= _MAX_MESSAGE_BYTES:  # noqa: PLR2004 - the length counts itself
            raise TargetFault("start-up", cause=f"message of {length} bytes")
        await self._hold(length + 1)
        begin, self._at = self._at + messages.HEADER.size, self._at + length + 1
        return bytes((kind,)), self._held[begin : self._at]

    async def _hold(self, count: int) -> None:
        """Read until so many bytes of the next message are there."""
        while len(self._held) - self._at < count:
            data = await self._wire.read()
            if not data:
                raise EOFError
            self._held = self._held[self._at :] + data
            self._at = 0

    async def _authenticate(self, code: int, data: bytes) -> None:
        if code == messages.AUTH_OK:
            if not self._proven and not self._known_by_certificate():
                raise self._distrusted("let the gateway in without a proof")
            self._entered = True
            self._send(b"")
        elif self._credential.auth == "certificate":
            raise self._distrusted(f"asks for authentication method {code} beside the certificate")
        elif code == messages.AUTH_SASL and self._exchange is None:
            binding = end_point_hash(self._tls.peer_certificate) if self._tls else b""
            offered = messages.read_sasl_mechanisms(data)
            self._exchange = ClientExchange(
                offered, nonce=self._connector.nonce(), binding=binding
            )
            if self._credential.bound and self._exchange.mechanism != SCRAM_PLUS:
                raise self._distrusted("offers no channel binding, which is required")
            first = self._exchange.first()
            self._send(messages.sasl_initial_response(self._exchange.mechanism, first))
        elif code == messages.AUTH_SASL_CONTINUE and self._exchange is not None:
            exchange = self._exchange
            exchange.challenge(data)
            salted = await self._connector.salted(
                self._credential.password, exchange.salt, exchange.iterations
            )
            self._send(messages.sasl_response(exchange.proof(salted)), proof=True)
        elif code == messages.AUTH_SASL_FINAL and self._exchange is not None:
            self._exchange.verify(data)
            self._proven = True
        else:
            self._old_method(code, data)

    def _old_method(self, code: int, data: bytes) -> None:
        """A password method that must be named for this target; the target proves nothing by it."""
        credential = self._credential
        if self._exchange is not None or self._proven:
            raise self._distrusted(f"changed the method to {code}")
        if code == messages.AUTH_MD5 and credential.auth == "md5" and len(data) == 4:  # noqa: PLR2004 - its salt
            inner = _md5((credential.password + credential.account).encode())
            answer = b"md5" + _md5(inner + data)
        elif code == messages.AUTH_CLEARTEXT and credential.auth == "password":
            if self._tls is None or self._dial.tls is not TargetTls.VERIFY_FULL:
                raise self._distrusted("wants the password in clear, but TLS is not verify-full")
            answer = credential.password.encode()
        else:
            raise self._distrusted(f"asks for authentication method {code}, which is not named")
        self._proven = True
        self._send(messages.password_message(answer), proof=True)

    def _known_by_certificate(self) -> bool:
        """Both sides are proven by TLS: the target by its name and CA, we by what it asked for."""
        dial = self._dial
        return (
            self._credential.auth == "certificate"
            and self._tls is not None
            and dial.tls is TargetTls.VERIFY_FULL
            and dial.shown is not None
        )

    def _send(self, data: bytes, *, proof: bool = False) -> None:
        """Send; what belongs behind our proof goes with it, or once the target lets us in."""
        if proof or self._entered:
            data, self._behind = data + self._behind, b""
        self._wire.write(data)

    def _distrusted(self, cause: str) -> TargetFault:
        return _silent(self._dial, cause)

    def _refused(self, body: bytes) -> TargetFault:
        """An ErrorResponse: shown only from a target that has proven itself."""
        said = messages.read_error(body)
        fault = _silent(self._dial, f"{said.sqlstate} {words.printable(said.message)}")
        if self._entered and _SQLSTATE.match(said.sqlstate):
            fault.answer = words.target_refused(self._dial.name, said.sqlstate, said.message)
        return fault

    def _version(self, parameters: dict[str, str]) -> int:
        found = _VERSION.match(parameters.get("server_version", ""))
        version = int(found[1]) * 10000 + int(found[2] or 0) if found else 0
        if version < OLDEST_VERSION:
            raise _fault(words.not_offered("PostgreSQL before 13"), f"version {version}")
        return version


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


def _silent(dial: Dial, cause: str) -> TargetFault:
    return _fault(words.target_silent(dial.name), cause)


def _fault(answer: WireMessage, cause: str) -> TargetFault:
    return TargetFault(answer.primary, cause=cause, answer=answer)
