"""Untyped first packets of a client, and the start-up packet to a target.

Bytes to values and back, under the rules of the door; no sockets, no decision on settings.
PostgreSQL manual, "Frontend/Backend Protocol": Start-up, Message Formats.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gatekeep import messages
from gatekeep.errors import ClientFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import options
from gatekeep.protocols.postgres.cancel import CANCEL_CODE, CancelKey, parse_cancel

MAX_STARTUP_BYTES = 10_000
MIN_PACKET_BYTES = 8
SSL_CODE = 80877103
GSSENC_CODE = 80877104
PROTOCOL_3_0 = 3 << 16
NEWEST_MINOR = 2
NAME_LIMIT = 63

PINNED = {
    "standard_conforming_strings": "on",
    "client_encoding": "UTF8",
    "row_security": "on",
}
"""Sent to every target, whatever the client asked for (12-threats C2)."""

_WORD = struct.Struct("!I")
_HEAD = struct.Struct("!II")
_RESERVED = frozenset({"user", "database", "options", "replication"})
_PROXY_HEADS = frozenset({b"PROX", b"\r\n\r\n"})
_FALSE = frozenset({"", "0", "f", "fa", "fal", "fals", "false", "n", "no", "of", "off"})
_TRUE = frozenset({"1", "t", "tr", "tru", "true", "y", "ye", "yes", "on"})
_PRINCIPAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class SslRequest:
    """The client asks for TLS."""


@dataclass(frozen=True, slots=True)
class GssRequest:
    """The client asks for GSSAPI encryption."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The client asks to cancel what runs under a key; None if no key can look like that."""

    key: CancelKey | None


@dataclass(frozen=True, slots=True)
class StartupRequest:
    """What a client asked for when it connected.

    `account` and `database` may be empty. `settings` are harmless ones, by the names the target
    knows; `settings_to_judge` each need a decision, in order, names in lower case.
    `client_encoding` is what was asked, empty if nothing. `minor` is the version asked for, 3.x,
    and `unknown_options` are its `_pq_.` names. `notices` are for the client once it is in. `replication`: it
    asked for a replication session, of the whole server or of a database.
    """

    principal_name: str
    account: str
    target_name: str
    database: str
    settings: Mapping[str, str] = field(default_factory=dict)
    settings_to_judge: tuple[tuple[str, str], ...] = ()
    application_name: str = ""
    client_encoding: str = ""
    minor: int = 0
    unknown_options: tuple[str, ...] = ()
    notices: tuple[WireMessage, ...] = ()
    replication: bool = False

    @property
    def spoken_minor(self) -> int:
        """The version that both speak. 3.1 was never used; as at a server it is 3.0 by its name."""
        return min(self.minor, NEWEST_MINOR)

    @property
    def negotiates(self) -> bool:
        """Whether the client is owed NegotiateProtocolVersion: it asked for what is not known."""
        return self.minor > NEWEST_MINOR or bool(self.unknown_options)

    @property
    def long_cancel_key(self) -> bool:
        """Whether BackendKeyData may hold more than 4 bytes of secret (since 3.2)."""
        return self.spoken_minor >= 2  # noqa: PLR2004 - the version


FirstPacket = SslRequest | GssRequest | CancelRequest | StartupRequest


def packet_length(head: bytes) -> int:
    """The length of an untyped packet from its first 4 bytes, length word included.

    Raises ClientFault when no start-up packet can be that long.
    """
    if head[:4] in _PROXY_HEADS:
        raise _violation("a PROXY header from an address that is not trusted with it")
    length: int = _WORD.unpack_from(head)[0]
    if not MIN_PACKET_BYTES <= length <= MAX_STARTUP_BYTES:
        raise _violation("the first packet has an impossible length")
    return length


def parse_first_packet(packet: bytes) -> FirstPacket:
    """A whole untyped packet, length word included, as a value.

    Raises ClientFault, with the message for the client in `answer`.
    """
    if len(packet) != packet_length(packet):
        raise _violation("the first packet does not have the length it states")
    code: int = _HEAD.unpack_from(packet)[1]
    if code in (SSL_CODE, GSSENC_CODE):
        if len(packet) != MIN_PACKET_BYTES:
            raise _violation("a request for encryption has bytes behind it")
        return SslRequest() if code == SSL_CODE else GssRequest()
    if code == CANCEL_CODE:
        return CancelRequest(parse_cancel(packet))
    if code >> 16 != 3:  # noqa: PLR2004 - the one major version there is
        raise _refusal(messages.not_offered("any protocol but version 3"))
    return _request(_pairs(packet), minor=code & 0xFFFF)


def target_startup(  # noqa: PLR0913 - one argument for each part of the packet
    *,
    account: str,
    database: str,
    application_name: str,
    search_path: str | None,
    settings: Mapping[str, str],
    permitted: Iterable[tuple[str, str]] = (),
    read_only: bool = False,
) -> bytes:
    """The start-up packet (protocol 3.0) to a target.

    `settings` are the client's harmless ones, `permitted` those of `settings_to_judge` that
    policy lets pass; the pinned ones, and read-only where asked, stand above both. `search_path`
    is pinned unless a permitted setting names another; None leaves it to role and database.
    """
    keys: dict[str, str] = {} if search_path is None else {"search_path": search_path}
    keys.update(permitted)
    keys.update(
        {
            name: value
            for name, value in settings.items()
            if name not in ("application_name", "client_encoding")
        }
    )
    keys.update(PINNED)
    if read_only:
        keys["default_transaction_read_only"] = "on"
    keys["application_name"] = application_name
    for reserved in _RESERVED:
        keys.pop(reserved, None)
    body = b"".join(
        name.encode() + b"\0" + value.encode() + b"\0"
        for name, value in (("user", account), ("database", database), *keys.items())
    )
    return _HEAD.pack(_HEAD.size + len(body) + 1, PROTOCOL_3_0) + body + b"\0"


def ssl_request() -> bytes:
    """The packet that asks a target for TLS."""
    return _HEAD.pack(_HEAD.size, SSL_CODE)


def _pairs(packet: bytes) -> dict[str, str]:
    """Names and values of a StartupMessage; every name at most once."""
    body = packet[_HEAD.size :]
    if not body.endswith(b"\0"):
        raise _violation("the start-up packet does not end with a zero byte")
    parts = body[:-1].split(b"\0")
    if parts.pop() or len(parts) % 2 or b"" in parts[::2]:
        raise _violation("the start-up packet is not a list of names and values")
    try:
        words = [part.decode() for part in parts]
    except UnicodeDecodeError:
        raise _violation("the start-up packet is not UTF-8") from None
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    folded = {name.lower() for name in pairs}
    if len(folded) != len(words) // 2:
        raise _violation("the start-up packet names a setting twice")
    return pairs


def _request(pairs: dict[str, str], *, minor: int) -> StartupRequest:
    user = pairs.pop("user", "")
    if not user:
        raise _violation("the start-up packet names no user")
    principal, _, account = user.partition("+")
    if not _PRINCIPAL.match(principal):
        raise _refusal(messages.sign_in_failed())
    target, _, database = (pairs.pop("database", "") or principal).partition("/")
    if max(len(account), len(target), len(database)) > NAME_LIMIT:
        raise _refusal(messages.bad_startup_setting("database", "is too long"))
    replication = pairs.pop("replication", "")
    if replication != "database" and replication.lower() not in _FALSE | _TRUE:
        raise _refusal(messages.bad_startup_setting("replication", "is neither boolean nor database"))
    unknown = tuple(name for name in pairs if name.startswith("_pq_."))
    for name in unknown:
        del pairs[name]
    harmless, to_judge = _sorted_settings(pairs)
    encoding = harmless.pop("client_encoding", None)
    return StartupRequest(
        principal_name=principal,
        account=account,
        target_name=target,
        database=database,
        settings=harmless,
        settings_to_judge=to_judge,
        application_name=harmless.get("application_name", ""),
        client_encoding=encoding or "",
        minor=minor,
        replication=replication.lower() not in _FALSE,
        unknown_options=unknown,
        notices=() if encoding is None else _encoding_notices(encoding),
    )


def _sorted_settings(pairs: dict[str, str]) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """Harmless settings, and those to judge. Keys stand above `options`, as on the target."""
    try:
        named = options.settings_of(pairs.pop("options", ""))
    except options.OptionsRefused as refused:
        raise _refusal(messages.bad_startup_setting("options", str(refused))) from None
    for written, value in pairs.items():
        name = options.setting_name(written)
        if name is None:
            raise _refusal(messages.bad_startup_setting(written, "is not a setting"))
        named.append((name, value))
    harmless: dict[str, str] = {}
    to_judge: list[tuple[str, str]] = []
    for name, value in named:
        if name in _RESERVED:
            raise _refusal(messages.bad_startup_setting(name, "is not a setting"))
        if name in options.HARMLESS:
            harmless[options.HARMLESS[name]] = value
        else:
            to_judge.append((name, value))
    return harmless, tuple(to_judge)


def _encoding_notices(asked: str) -> tuple[WireMessage, ...]:
    family = options.encoding_family(asked)
    if not family:
        raise _refusal(
            messages.bad_startup_setting("client_encoding", "must be UTF8 through this gateway")
        )
    return () if family == "utf8" else (messages.encoding_is_utf8(asked),)


def _violation(what: str) -> ClientFault:
    detail = what[0].upper() + what[1:] + "."
    return _refusal(messages.client_violation(detail), cause=what)


def _refusal(answer: WireMessage, *, cause: str = "") -> ClientFault:
    # before a session exists every refusal ends the connection
    fatal = replace(answer, severity="FATAL")
    return ClientFault(answer.primary, cause=cause or answer.primary, answer=fatal)
