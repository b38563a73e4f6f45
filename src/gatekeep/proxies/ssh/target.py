"""Connects to an SSH target as one of its accounts: one address, a known host, one way to sign in.

Nothing of the machine's own (configuration, keys, agents, known_hosts) is ever looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import asyncssh

from gatekeep.domain.targets import Account, SshWay, Target
from gatekeep.errors import SettingsError, TargetFault
from gatekeep.gate.ports import HostkeyPins, TargetBook
from gatekeep.messages import TARGET_PREFIX, printable
from gatekeep.proxies.ssh import seams
from gatekeep.proxies.ssh.agent_seams import AgentEnd, AgentHooks

MAX_BANNER_LINES: Final = 20

_SILENT: Final = "the target does not answer"
_REFUSES: Final = "the target does not let us in"


class TargetHooks(AgentHooks, Protocol):
    """Who listens to a connection to a target; none of these may raise, and one may wait."""

    def banner(self, lines: Sequence[str]) -> None:
        """What the target says before sign-in: labelled, escaped, a few lines."""

    async def first_use(self, shown: HostkeyShown) -> None:
        """A host key is about to be believed. It is not if this raises: record it first."""

    def lost(self, error: Exception | None) -> None:
        """The connection ended; None if it was closed as it should be."""


@dataclass(frozen=True, slots=True)
class HostkeyShown:
    """A target's host key: its kind, its fingerprint, and the address that showed it."""

    target: str
    address: str
    kind: str
    fingerprint: str


class HostkeyDiffers(TargetFault):
    """The target's host key is not one that is known for it.

    `known` are the fingerprints that were expected (a CA's where one vouches), `shown` the one
    that came, empty if none was seen; `address` is where it was.
    """

    def __init__(self, target: str, address: str, known: tuple[str, ...], shown: str) -> None:
        cause = f"{target} at {address} shows {shown or 'no key'}"
        super().__init__("the target's host key is not the known one", cause=cause)
        self.address = address
        self.known = known
        self.shown = shown


@dataclass(frozen=True, slots=True)
class TargetPorts:
    """What a connection needs of the gateway; times in seconds."""

    book: TargetBook
    pins: HostkeyPins
    dial_s: float = 10.0
    sign_in_s: float = 20.0
    keepalive_s: float = 15.0


@dataclass(frozen=True, slots=True)
class _Trust:
    """What a host key is held against."""

    keys: tuple[asyncssh.SSHKey, ...] = ()
    authorities: tuple[asyncssh.SSHKey, ...] = ()
    revoked: tuple[asyncssh.SSHKey, ...] = ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """For people."""
        return tuple(key.get_fingerprint() for key in (*self.keys, *self.authorities))


async def connect(
    target: Target, account: str, ports: TargetPorts, hooks: TargetHooks, *, address: str = ""
) -> asyncssh.SSHClientConnection:
    """A connection to a target, signed in as `account`; the caller closes it.

    `address` is where it was decided to go, else the target's name is resolved, once. Raises
    HostkeyDiffers, or TargetFault with a cause, or what `first_use` raises.
    """
    way, login = target.ssh, target.accounts.get(account)
    if way is None or login is None:
        raise TargetFault(_REFUSES, cause=f"{target.name} has no such account for SSH")
    try:
        async with asyncio.timeout(ports.dial_s):
            wire = await _dialled(address or target.host, target.port)
    except TimeoutError:
        raise TargetFault(_SILENT, cause=f"no answer from {target.host} in time") from None
    handed_over = False
    try:
        async with asyncio.timeout(ports.sign_in_s):
            trust = await _trust(target, way, wire.getpeername()[0], ports, hooks)
            async with _proofs(login, ports.book) as proofs:
                proofs |= {"username": account, "keepalive_interval": ports.keepalive_s}
                handed_over = True
                return await _signed_in(target, wire, trust, proofs, hooks)
    except TimeoutError:
        raise TargetFault(_SILENT, cause=f"sign-in at {target.host} took too long") from None
    finally:
        if not handed_over:
            wire.close()


class _Listener(asyncssh.SSHClient):
    """Remembers which host key was shown, and passes on what the target says."""

    def __init__(self, hooks: TargetHooks) -> None:
        self.shown = b""
        self._hooks = hooks
        self._signed_in = False
        self._banners = MAX_BANNER_LINES

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Before the key exchange."""
        seams.adopt_target(conn, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Only of interest once it was there."""
        if self._signed_in:
            self._hooks.lost(exc)

    def auth_completed(self) -> None:
        """From here on a loss is told."""
        self._signed_in = True

    def auth_banner_received(self, msg: str, lang: str) -> None:  # noqa: ARG002 - asyncssh's signature
        """Theirs, and told as theirs."""
        lines = [printable(line) for line in msg.splitlines()[: self._banners] if line.strip()]
        self._banners -= len(lines)
        if lines:
            self._hooks.banner([TARGET_PREFIX + line for line in lines])

    def hostkey_shown(self, key: bytes) -> None:
        """From the seam, before it is checked."""
        self.shown = key

    def unknown_request(self, place: str, name: str) -> None:
        """Passed on."""
        self._hooks.unknown_request(place, name)

    def refused_open(self, kind: str, reason: str) -> None:
        """Passed on."""
        self._hooks.refused_open(kind, reason)

    def callback_fault(self, error: BaseException) -> None:
        """Passed on."""
        self._hooks.callback_fault(error)

    def agent_opened(self) -> Awaitable[AgentEnd] | None:
        """Passed on."""
        return self._hooks.agent_opened()


async def _signed_in(
    target: Target, wire: socket.socket, trust: _Trust, options: dict[str, Any], hooks: TargetHooks
) -> asyncssh.SSHClientConnection:
    listener = _Listener(hooks)
    where = wire.getpeername()[0]
    seams.ensure_local_name()
    try:
        return await asyncssh.connect(
            target.host, target.port, sock=wire, client_factory=lambda: listener,
            known_hosts=(list(trust.keys), list(trust.authorities), list(trust.revoked)),
            keepalive_count_max=3, **_NOTHING_OF_OURS, **options,
        )  # fmt: skip
    except asyncssh.HostKeyNotVerifiable:
        shown = seams.hostkey_fingerprint(listener.shown) if listener.shown else ""
        raise HostkeyDiffers(target.name, where, trust.fingerprints, shown) from None
    except asyncssh.KeyExchangeFailed as error:
        raise TargetFault(_REFUSES, cause=f"no common algorithms: {printable(str(error))}") from None
    except asyncssh.PermissionDenied:
        raise TargetFault(_REFUSES, cause=f"{target.name} refuses the account's proof") from None
    except (asyncssh.DisconnectError, OSError) as error:
        if not listener.shown:
            await _demand_known_kind(target, where, trust)
        raise TargetFault(_SILENT, cause=printable(f"{target.name}: {error}")) from error


_NOTHING_OF_OURS: Final[dict[str, Any]] = {
    "config": None, "gss_host": None, "pkcs11_provider": None, "x509_trusted_certs": None,
    "agent_path": None, "agent_forwarding": False, "compression_algs": ("none",),
    "canonicalize_hostname": False, "encryption_algs": seams.ENCRYPTION, "mac_algs": seams.MACS,
    "kex_algs": seams.KEY_EXCHANGES, "signature_algs": seams.SIGNATURES,
    "client_version": "gatekeep",
}  # fmt: skip


async def _dialled(host: str, port: int) -> socket.socket:
    """A connected socket; the name is resolved once, here."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetFault(_SILENT, cause=f"{host} cannot be resolved: {error}") from None
    fault: OSError | None = None
    for family, kind, protocol, _, place in found:
        wire = socket.socket(family, kind, protocol)
        wire.setblocking(False)  # noqa: FBT003 - the standard library's own
        try:
            await loop.sock_connect(wire, place)
        except OSError as error:
            fault = error
            wire.close()
        except BaseException:
            wire.close()
            raise
        else:
            return wire
    raise TargetFault(_SILENT, cause=f"{host}: {fault}") from fault


async def _trust(
    target: Target, way: SshWay, address: str, ports: TargetPorts, hooks: TargetHooks
) -> _Trust:
    if way.first_use:
        return await _first_use(target, address, ports, hooks)
    keys = [asyncssh.import_public_key(line) for line in way.host_keys]
    authorities = [asyncssh.import_public_key(way.host_ca)] if way.host_ca else []
    revoked: list[asyncssh.SSHKey] = []
    if way.known_hosts:
        try:
            text = await asyncio.to_thread(Path(way.known_hosts).read_text)
            held = asyncssh.import_known_hosts(text)
        except (OSError, ValueError) as error:
            raise TargetFault(_REFUSES, cause=f"{way.known_hosts}: {error}") from None
        found = asyncssh.match_known_hosts(held, target.host, address, _unusual(target.port))
        keys += found[0]
        authorities += found[1]
        revoked += found[2]
    if not keys and not authorities:
        raise TargetFault(_REFUSES, cause=f"no host key of {target.name} is known")
    return _Trust(tuple(keys), tuple(authorities), tuple(revoked))


async def _first_use(
    target: Target, address: str, ports: TargetPorts, hooks: TargetHooks
) -> _Trust:
    """The pinned key of this name or this address; pins who answers if there is none.

    In this order: the key is seen on a connection of its own, recorded, pinned, and only then
    signed in to. Two names for one address so have one pin, and a new address changes none.
    """
    names = [f"{place.lower().rstrip('.')}:{target.port}" for place in (target.host, address)]
    try:
        pinned = await asyncio.to_thread(ports.pins.pinned, names)
        if not pinned:
            key = await _looked_at(target, address)
            shown = HostkeyShown(
                target.name, address, key.get_algorithm(), key.get_fingerprint()
            )
            await hooks.first_use(shown)
            await asyncio.to_thread(ports.pins.pin, names, key.public_data)
            # read back: whoever was first keeps it, also where two came at once
            pinned = await asyncio.to_thread(ports.pins.pinned, names)
    except SettingsError as error:
        raise TargetFault(_REFUSES, cause=str(error)) from None
    keys = tuple(seams.public_key_of(held) for held in pinned)
    if len(keys) > 1:
        # the name and the address are pinned to different hosts; neither may speak for the other
        raise HostkeyDiffers(target.name, address, _Trust(keys).fingerprints, "")
    return _Trust(keys)


async def _looked_at(target: Target, address: str) -> asyncssh.SSHKey:
    """The host key that is shown now, without signing in."""
    try:
        key = await asyncssh.get_server_host_key(
            address, target.port, config=None, kex_algs=seams.KEY_EXCHANGES
        )
    except (asyncssh.Error, OSError) as error:
        raise TargetFault(_SILENT, cause=printable(f"{target.name}: {error}")) from None
    if key is None:
        raise TargetFault(_SILENT, cause=f"{target.name} shows no host key")
    return key


async def _demand_known_kind(target: Target, address: str, trust: _Trust) -> None:
    """Raises HostkeyDiffers if the target hung up because it has no key of a known kind."""
    try:
        key = await _looked_at(target, address)
    except TargetFault:
        return
    kinds = {known.get_algorithm() for known in trust.keys}
    if not trust.authorities and key.get_algorithm() not in kinds:
        shown = key.get_fingerprint()
        raise HostkeyDiffers(target.name, address, trust.fingerprints, shown)


@contextlib.asynccontextmanager
async def _proofs(login: Account, book: TargetBook) -> AsyncIterator[dict[str, Any]]:
    """How the account signs in: exactly one way, and no other key is ever tried."""
    keys_only = {"preferred_auth": ("publickey",), "password": None}
    if login.agent:
        try:
            async with asyncssh.connect_agent(login.agent) as agent:
                yield {**keys_only, "client_keys": list(await agent.get_keys()) or None}
        except (OSError, ValueError) as error:
            raise TargetFault(_REFUSES, cause=f"the agent of {login.name}: {error}") from None
        return
    try:
        if login.key:
            key = asyncssh.import_private_key(book.secret(login.key))
            shown = book.secret(login.certificate) if login.certificate else ""
            pair = (key, asyncssh.import_certificate(shown)) if shown else key
            ready: dict[str, Any] = {**keys_only, "client_keys": [pair]}
        else:
            ready = {
                "client_keys": None, "password": book.secret(login.secret),
                "preferred_auth": ("password", "keyboard-interactive"),
            }  # fmt: skip
    except SettingsError as error:
        raise TargetFault(_REFUSES, cause=str(error)) from None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        cause = f"the key of account {login.name} cannot be read"
        raise TargetFault(_REFUSES, cause=cause) from None
    yield ready


def _unusual(port: int) -> int | None:
    """As OpenSSH writes names into known_hosts: the port only where it is not 22."""
    return None if port == 22 else port  # noqa: PLR2004 - see above
