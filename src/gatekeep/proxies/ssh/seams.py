"""Every use of asyncssh beyond its documentation, and nothing else: tested against its version.

Connections are adopted (`adopt_client`, `adopt_target`) in `connection_made`; `channel_seams`
mends the channels of all connections. Decides nothing: it reports, and asks.
"""

# ruff: noqa: SLF001 - reaching behind the documentation is what this file is for

from __future__ import annotations

import base64
import datetime as dt
import getpass
import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import asyncssh
from asyncssh.connection import SSHClientConnection, SSHConnection, SSHServerConnection
from asyncssh.constants import (
    MSG_CHANNEL_OPEN,
    MSG_GLOBAL_REQUEST,
    MSG_IGNORE,
    MSG_SERVICE_REQUEST,
)
from asyncssh.misc import map_handler_name
from asyncssh.packet import PacketDecodeError, SSHPacket, SSHPacketLogger
from asyncssh.public_key import (
    SSHOpenSSHCertificate,
    decode_ssh_certificate,
    decode_ssh_public_key,
)

from gatekeep.proxies.ssh.agent_seams import AgentHooks, AgentOpens, NoAgentSocket
from gatekeep.proxies.ssh.channel_seams import (
    LONGEST_WORD,
    MAX_WAITING_REQUESTS,
    ConnectionHooks,
    hooks_of,
)
from gatekeep.proxies.ssh.pressure_seams import cut_off, overrun

TESTED_VERSION: Final = "2.24.1"

MAX_SIGN_IN_REQUESTS: Final = 128
"""Of one connection, whether answered or overtaken by the next: those never count as failures."""

MAX_CHANNELS: Final = 300
"""Of one connection at once, whether they have asked for anything yet or not."""

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_PERMISSIONS: Final = frozenset({"pty", "port-forwarding", "agent-forwarding", "X11-forwarding"})

#: No ChaCha20-Poly1305 and no CBC: what is left does not need strict key exchange to withstand
#: CVE-2023-48795, so a peer that does not know it, or hides that it does, cannot be cut short.
ENCRYPTION: Final = (
    "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr",
)  # fmt: skip
MACS: Final = (
    "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256",
    "hmac-sha2-512",
)  # fmt: skip
KEY_EXCHANGES: Final = (
    "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256",
)  # fmt: skip
SIGNATURES: Final = (
    "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-256", "rsa-sha2-512",
)  # fmt: skip


class SignInHooks(ConnectionHooks, Protocol):
    """What decides about a sign-in. Method names are those of the protocol."""

    def methods(self) -> tuple[str, ...]:
        """What may be tried now."""

    def proving(self) -> None:
        """A new attempt begins: what an earlier one proved and did not bring home is void."""

    def key_proven(self, name: str, key: bytes) -> None:
        """A signature by this key or certificate (wire form), taken for `name`, is right."""

    def proof_accepted(self, name: str) -> bool | None:
        """An attempt succeeded. True: it is enough; False: more is asked for; None: refuse."""

    def refused(self, *, partial: bool) -> bool:
        """An attempt failed, or was not enough. True when this connection has had its share."""

    def admits_without_proof(self, name: str) -> bool:
        """Whether this name may come in as it is (behind the jump host)."""

    def probing(self) -> bool:
        """A key was asked about without a signature; whether any key is answered with yes."""


class _Listening(SSHConnection):
    """Reports what asyncssh refuses by itself, and bounds what waits."""

    _gatekeep_opening = ""

    def _process_listened_global(self, kind: int, number: int, packet: SSHPacket) -> Any:
        name = _leading_word(packet)
        if len(self._global_request_queue) >= MAX_WAITING_REQUESTS:
            raise asyncssh.ProtocolError("Too many requests at once")
        known = getattr(self, f"_process_{map_handler_name(name)}_global_request", None)
        if known is None:
            hooks_of(self).unknown_request("global", name)
        return SSHConnection._process_global_request(self, kind, number, packet)

    def _process_listened_open(self, kind: int, number: int, packet: SSHPacket) -> Any:
        looked = SSHPacket(packet.get_remaining_payload())
        self._gatekeep_opening = looked.get_string()[:LONGEST_WORD].decode("ascii", "replace")
        theirs = looked.get_uint32()
        if len(self._channels) >= MAX_CHANNELS:
            hooks_of(self).unknown_request("open", f"{self._gatekeep_opening}: too many")
            self._gatekeep_opening, full = "", asyncssh.OPEN_RESOURCE_SHORTAGE
            self.send_channel_open_failure(theirs, full, "Too many channels", "en-US")
            return None
        try:
            return SSHConnection._process_channel_open(self, kind, number, packet)
        except (asyncssh.DisconnectError, PacketDecodeError):
            raise
        except Exception as error:  # noqa: BLE001 - ours, and it would end every channel
            hooks_of(self).callback_fault(error)
            fault = "Internal error"
            self.send_channel_open_failure(theirs, asyncssh.OPEN_CONNECT_FAILED, fault, "en-US")
            return None
        finally:
            self._gatekeep_opening = ""

    def send_channel_open_failure(self, send_chan: int, code: int, reason: str, lang: str) -> None:
        """As before, and told."""
        if self._gatekeep_opening:  # else our own answer, later, and known to who gave it
            hooks_of(self).refused_open(self._gatekeep_opening, reason)
        super().send_channel_open_failure(send_chan, code, reason, lang)

    def send_packet(
        self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None
    ) -> None:
        """As before, without the empty packet that asyncssh sends ahead of each.

        That hides the state of a cipher in CBC mode, which is never spoken here. A peer that asks
        and never reads what it is answered is cut off.
        """
        if overrun(self):
            cut_off(self)
        elif pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args, handler=handler)

    _packet_handlers = {  # noqa: RUF012 - asyncssh's own name and shape
        **SSHConnection._packet_handlers,
        MSG_GLOBAL_REQUEST: _process_listened_global,
        MSG_CHANNEL_OPEN: _process_listened_open,
    }


class _FromClient(_Listening, NoAgentSocket):
    """A client's connection: two factors, and nobody in without a proof.

    asyncssh knows only one step (`send_userauth_success`), and logs in without any proof where
    `begin_auth` returns False. Here every success asks the hooks first.
    """

    _gatekeep_kept: tuple[Any, Any] | None = None
    _gatekeep_asked = 0

    async def _finish_userauth(self, begin_auth: bool, method: bytes, packet: SSHPacket) -> None:
        """Behind the jump host, a name that is an account is let in whatever is tried."""
        self._gatekeep_asked += 1
        if self._gatekeep_asked > MAX_SIGN_IN_REQUESTS:
            raise asyncssh.ProtocolError("Too many authentication requests")
        if _sign_in_of(self).admits_without_proof(self._username):
            await super().send_userauth_success()
        else:
            await super()._finish_userauth(begin_auth, method, packet)

    async def validate_public_key(
        self, username: str, key_data: bytes, msg: bytes, signature: bytes
    ) -> bool:
        """Only a right signature proves anything; asking about a key does not."""
        hooks = _sign_in_of(self)
        hooks.proving()
        self._gatekeep_kept = None
        if not msg and hooks.probing():
            return True
        if msg and SSHPacket(signature).get_string().decode("ascii", "replace") not in SIGNATURES:
            return False  # offered or not, asyncssh would take SHA-1
        found = await super().validate_public_key(username, key_data, msg, signature)
        if found and msg:
            hooks.key_proven(username, key_data)
            # the next request voids what a certificate allows, also when it is the second step
            self._gatekeep_kept = (self._key_options, self._cert_options)
        return found

    async def _validate_openssh_certificate(
        self, username: str, cert: SSHOpenSSHCertificate
    ) -> asyncssh.SSHKey | None:
        """As before, unless its CA signed it by SHA-1."""
        if _signed_by_sha1(cert):
            return None
        return await super()._validate_openssh_certificate(username, cert)

    async def validate_password(self, username: str, password: str) -> bool:
        """As before; what an earlier attempt proved is void."""
        _sign_in_of(self).proving()
        self._gatekeep_kept = None
        return await super().validate_password(username, password)

    async def send_userauth_success(self) -> None:
        """Let in, ask for more, or refuse what was not proven."""
        accepted = _sign_in_of(self).proof_accepted(self._username)
        if accepted:
            if self._gatekeep_kept is not None:
                self._key_options, self._cert_options = self._gatekeep_kept
            await super().send_userauth_success()
        else:
            self.send_userauth_failure(partial_success=accepted is False)

    def send_userauth_failure(self, partial_success: bool) -> None:
        """Refuse, or end the connection after too many attempts."""
        if _sign_in_of(self).refused(partial=partial_success):
            self._auth = None
            self.disconnect(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many authentication failures"
            )
        else:
            super().send_userauth_failure(partial_success)

    def _process_repeated_service(self, kind: int, number: int, packet: SSHPacket) -> Any:
        """Paramiko asks for the service again before each attempt; OpenSSH's sshd lets it."""
        if self._auth_in_progress and not self._auth_complete:
            self._next_service = b"ssh-userauth"
        return SSHConnection._process_service_request(self, kind, number, packet)

    _packet_handlers = {  # noqa: RUF012 - asyncssh's own name and shape
        **_Listening._packet_handlers,
        MSG_SERVICE_REQUEST: _process_repeated_service,
    }

    def public_key_auth_supported(self) -> bool:
        """Whether the hooks offer it now."""
        return "publickey" in _sign_in_of(self).methods()

    def password_auth_supported(self) -> bool:
        """Whether the hooks offer it now."""
        return "password" in _sign_in_of(self).methods()

    def kbdint_auth_supported(self) -> bool:
        """Whether the hooks offer it now; never asyncssh's own stand-in for a password."""
        return "keyboard-interactive" in _sign_in_of(self).methods()

    def send_server_host_keys(self) -> None:
        """Nothing: clients learn our key by its fingerprint or by the host CA."""


class TargetListener(AgentHooks, Protocol):
    """What an adopted connection to a target tells."""

    def hostkey_shown(self, key: bytes) -> None:
        """The target shows this host key or certificate (wire form); it is not checked yet."""


class _ToTarget(_Listening, AgentOpens):
    """Our connection to a target: its host key is told, its lists of further keys are not heard."""

    def validate_server_host_key(self, key_data: bytes) -> asyncssh.SSHKey:
        """As before, and told."""
        cast("TargetListener", hooks_of(self)).hostkey_shown(key_data)
        return super().validate_server_host_key(key_data)

    async def _finish_hostkeys(self, packet: SSHPacket) -> None:  # noqa: ARG002 - asyncssh's signature
        """A target cannot add to what is known of it (`hostkeys-00@openssh.com`)."""
        self._report_global_response(False)  # noqa: FBT003 - asyncssh's own


def adopt_client(connection: SSHServerConnection, hooks: SignInHooks, source: str) -> None:
    """Call first thing in `SSHServer.connection_made`; certificates are held to `source`."""
    _adopt(connection, _FromClient, hooks)
    connection._peer_addr = connection._peer_host = source


def adopt_target(connection: SSHClientConnection, hooks: TargetListener) -> None:
    """Call first thing in `SSHClient.connection_made`."""
    _adopt(connection, _ToTarget, hooks)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Of an OpenSSH certificate: its id, its end (microseconds UTC), and its signer's wire form."""

    key_id: str
    serial: int
    ends_us: int
    signer: bytes


def certificate_facts(key: bytes) -> CertificateFacts | None:
    """What a certificate says, from its wire form; None for a plain key."""
    try:
        found = decode_ssh_certificate(key)
    except asyncssh.KeyImportError:
        return None
    if not isinstance(found, SSHOpenSSHCertificate):
        return None
    ends = min(found._valid_before, _LAST_SECOND)
    return CertificateFacts(
        found._key_id, found._serial, ends * 1_000_000, found.signing_key.public_data
    )


def certificate_end(text: str) -> dt.datetime | None:
    """When an OpenSSH certificate ends, UTC; None for one without an end, and for what is none."""
    try:
        facts = certificate_facts(asyncssh.import_certificate(text).public_data)
    except asyncssh.KeyImportError:
        return None
    if facts is None or facts.ends_us >= _LAST_SECOND * 1_000_000:
        return None
    return dt.datetime.fromtimestamp(facts.ends_us / 1e6, dt.UTC)


@dataclass(frozen=True, slots=True)
class CertificateLimits:
    """What the certificate behind a sign-in demands, and which permissions it leaves out."""

    forced_command: str | None
    forbidden: frozenset[str]


def certificate_limits(connection: SSHServerConnection) -> CertificateLimits:
    """The limits of the certificate that was just proven."""
    kept = connection._gatekeep_kept if isinstance(connection, _FromClient) else None
    options = (kept[1] if kept is not None else None) or {}
    given = frozenset(word for word in _PERMISSIONS if options.get(f"permit-{word}"))
    command = options.get("force-command")
    return CertificateLimits(None if command is None else str(command), _PERMISSIONS - given)


def fingerprint(key: bytes) -> str:
    """`SHA256:…` of a key's wire form, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def ensure_local_name() -> None:
    """The library wants the name of the OS account, for nothing; in containers there may be none."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = "gatekeep"


def hostkey_fingerprint(key: bytes) -> str:
    """Of a host key's or host certificate's wire form: the fingerprint of the key itself."""
    try:
        return fingerprint(decode_ssh_certificate(key).key.public_data)
    except asyncssh.KeyImportError:
        return fingerprint(key)


def public_key_of(key: bytes) -> asyncssh.SSHKey:
    """A key from its wire form. Raises KeyImportError."""
    return decode_ssh_public_key(key)


def _adopt(connection: SSHConnection, kind: type[SSHConnection], hooks: ConnectionHooks) -> None:
    connection.__class__ = kind
    connection._gatekeep_hooks = hooks  # type: ignore[attr-defined]  # our own, on their class


def _sign_in_of(connection: SSHConnection) -> SignInHooks:
    return cast("SignInHooks", connection._gatekeep_hooks)  # type: ignore[attr-defined]  # see _adopt


def _signed_by_sha1(certificate: SSHOpenSSHCertificate) -> bool:
    """Whether an RSA CA signed with `ssh-rsa`: the end of a certificate is algorithm, signature."""
    if not certificate.signing_key.get_algorithm().startswith("ssh-rsa"):
        return False
    bits = cast("Any", certificate.signing_key.pyca_key).key_size
    signature = 4 + (bits + 7) // 8
    return not certificate.public_data[:-signature].endswith((b"rsa-sha2-256", b"rsa-sha2-512"))


def _leading_word(packet: SSHPacket) -> str:
    """The name that a request begins with; the packet stays where it is."""
    length = int.from_bytes(packet.get_remaining_payload()[:4], "big")
    word = packet.get_remaining_payload()[4 : 4 + min(length, LONGEST_WORD)]
    return word.decode("ascii", "replace")
