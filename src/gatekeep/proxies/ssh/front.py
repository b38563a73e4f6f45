"""The front of the SSH door: from a login name to a proven principal, in one step or two.

Whether a principal exists shows in nothing: text, offered methods, round trips and work are alike.
Channels, admission and everything later belong to others.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import asyncssh
import structlog

from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.gate.ports import Directory, LockOuts, SshProofs
from gatekeep.protocols.ssh.login_name import LoginName, mapped, parse_login_name
from gatekeep.proxies.folding import FoldedEvents
from gatekeep.proxies.ssh import seams
from gatekeep.proxies.ssh.token_checks import TokenChecks

_log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 20
"""Failed requests of one connection, keys that were only asked about among them."""

MAX_PASSWORD: Final = 256
_SHOWN_NAME: Final = 63

#: Failures of the second step, counted for all addresses together: who comes so far holds the
#: first factor, so no stranger can lock anybody out by this.
SECOND_STEP: Final = "second step"

FIRST_METHODS: Final = ("publickey", "password")
SECOND_METHODS: Final = ("keyboard-interactive",)
CODE_PROMPT: Final = "Code: "
KEEP_ALIVE_S: Final = 20.0
"""So long a silent client is left alone; one that does not answer three times is gone.

What it asked for may wait for a person for a quarter of an hour: nothing on the way may forget the
connection meanwhile, and nobody should be asked for a client that is not there any more.
"""


@dataclass(frozen=True, slots=True)
class Introduced:
    """A principal who has proven who they are, on this connection.

    `method` is `key`, `certificate` or `token`; `token_id` the token's id, the key's fingerprint
    or the certificate's `id serial`. `mfa_at` is when a code was accepted and `ends_us` when the
    certificate ends, microseconds UTC, 0 for neither. `forced_command`, `forbidden`: what a
    certificate demands and leaves out (`pty`, `port-forwarding`, `agent-forwarding`,
    `X11-forwarding`); asyncssh itself heeds them on this connection, behind the jump host the
    session must. `authority` is the fingerprint of the CA that signed it.
    """

    principal: Principal
    token_id: str
    method: str
    mfa_at: int
    login: LoginName
    ends_us: int = 0
    forced_command: str | None = None
    forbidden: frozenset[str] = frozenset()
    authority: str = ""


@dataclass(frozen=True, slots=True)
class FrontPorts:
    """What a sign-in needs of the gateway.

    `authorities` tells the lines of CAs whose certificates count (`ssh.user_ca`); `banner` is said
    once, before any proof. With `answer_every_key` a client that only asks about a key is always
    told to go on, so that nobody learns whose key it is; it then signs with the first it has.
    """

    directory: Directory
    proofs: SshProofs
    lock_outs: LockOuts
    folds: FoldedEvents
    tokens: TokenChecks
    now_us: Callable[[], int]
    authorities: Callable[[], tuple[str, ...]] = tuple
    banner: str = ""
    answer_every_key: bool = False


class _Stage(enum.Enum):
    """How far a sign-in has come.

    FIRST   begin_auth (any name)      → FIRST, everything forgotten
            right key, certificate or token, no code needed → IN
            the same, code needed      → SECOND, answered as partial success
            anything else              → FIRST, answered as failure
    SECOND  right code                 → IN
            wrong code                 → SECOND, answered as failure
            another name               → FIRST (by begin_auth)
    IN      nothing more is taken
    """

    FIRST = 1
    SECOND = 2
    IN = 3


@dataclass(frozen=True, slots=True)
class _Proof:
    """What an attempt has proven for the name it was made under."""

    name: str
    method: str
    token_id: str
    ends_us: int = 0
    authority: str = ""


class FrontAuth(asyncssh.SSHServer):
    """The sign-in of one connection from `source`; `introduced` is set when it is through.

    Who derives from it calls `connection_made` and `connection_lost` of it first.
    """

    def __init__(self, ports: FrontPorts, source: str) -> None:
        self.introduced: Introduced | None = None
        self.source = source
        self._ports = ports
        self._connection: asyncssh.SSHServerConnection | None = None
        self._stage = _Stage.FIRST
        self._name = ""
        self._login: LoginName | None = None
        self._fresh: _Proof | None = None
        self._first: _Proof | None = None
        self._code_accepted = False
        self._attempts = 0
        self._greeted = False
        self._unnoted = False

    # --- asyncssh's callbacks

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client is there; the key exchange comes first."""
        self._connection = conn
        seams.adopt_client(conn, self, self.source)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """Who tried and left without a proof is noted, once."""
        if self._unnoted:
            self._note("no code" if self._stage is _Stage.SECOND else "no known key")
        self._connection = None

    def begin_auth(self, username: str) -> bool:
        """A name, or another name: everything begins anew. Never False: that would let in."""
        self._stage = _Stage.FIRST
        self._name = username
        self._login = parse_login_name(username)
        self._fresh = self._first = None
        self._code_accepted = False
        connection = self._connection
        if connection is not None:
            connection.set_authorized_keys(self._authorities())
            if self._ports.banner and not self._greeted:
                self._greeted = True
                connection.send_auth_banner(self._ports.banner + "\r\n")
        return True

    def public_key_auth_supported(self) -> bool:
        """See `methods`."""
        return "publickey" in self.methods()

    def password_auth_supported(self) -> bool:
        """See `methods`."""
        return "password" in self.methods()

    def kbdint_auth_supported(self) -> bool:
        """See `methods`."""
        return "keyboard-interactive" in self.methods()

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether the key is one that this name may prove itself with."""
        known = self._ports.proofs.known_key(self._principal_name(), key.public_data)
        return known and self._login is not None and username == self._name

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - asyncssh's signature
        """Only authorities that `begin_auth` set for this very name count."""
        return False

    async def validate_password(self, username: str, password: str) -> bool:
        """Whether this is a token of the name; the same work whoever it is."""
        name = self._principal_name()
        secrets = self._ports.directory.scram_secrets(name)
        found = await self._ports.tokens.matching(secrets, password[:MAX_PASSWORD])
        self._unnoted = False
        locked = self._ports.lock_outs.locked(name, self.source)
        known = self._login is not None and self._ports.directory.principal(name) is not None
        if username != self._name:
            return False  # another name was begun while this one was checked
        if locked or found is None or not known or len(password) > MAX_PASSWORD:
            self._failed("locked" if locked else "wrong token", self.source)
            return False
        self._fresh = _Proof(username, "token", found)
        return True

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str  # noqa: ARG002 - asyncssh's signature
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        """Ask for the code."""
        return "", "", "", [(CODE_PROMPT, False)]

    def validate_kbdint_response(self, username: str, responses: Iterable[str]) -> bool:
        """Whether the code is right. Only who proved the first factor comes here."""
        given = list(responses)
        name = self._principal_name()
        if self._stage is not _Stage.SECOND or username != self._name:
            return False
        locks = self._ports.lock_outs
        locked = locks.locked(name, SECOND_STEP)
        right = len(given) == 1 and not locked and self._ports.proofs.accept_code(name, given[0])
        if not right:
            self._failed("locked" if locked else "wrong code", SECOND_STEP)
            return False
        locks.succeeded(name, SECOND_STEP)
        self._code_accepted = True
        return True

    # --- what the seams ask

    def methods(self) -> tuple[str, ...]:
        """What may be tried: the same for every name, until one was proven."""
        return SECOND_METHODS if self._stage is _Stage.SECOND else FIRST_METHODS

    def proving(self) -> None:
        """A new attempt at the first step."""
        self._fresh = None
        self._unnoted = self.introduced is None

    def probing(self) -> bool:
        """Whether any key is worth a try."""
        return self._ports.answer_every_key and self._stage is _Stage.FIRST

    def key_proven(self, name: str, key: bytes) -> None:
        """A right signature by a key or certificate of this name."""
        facts = seams.certificate_facts(key)
        if facts is None:
            self._fresh = _Proof(name, "key", seams.fingerprint(key))
        else:
            shown = f"{facts.key_id[:_SHOWN_NAME]} {facts.serial}"
            signer = seams.fingerprint(facts.signer)
            self._fresh = _Proof(name, "certificate", shown, facts.ends_us, signer)

    def proof_accepted(self, name: str) -> bool | None:
        """See the table at `_Stage`; without a proof of this name nobody comes in."""
        if self._stage is _Stage.FIRST:
            proof, self._fresh = self._fresh, None
            if proof is None or proof.name != name or name != self._name:
                return None
            self._first = proof
            if self._ports.proofs.needs_code(self._principal_name()):
                self._stage = _Stage.SECOND
                self._unnoted = True
                return False
            return self._let_in(proof, 0)
        if self._stage is _Stage.SECOND and self._code_accepted and self._first is not None:
            return self._let_in(self._first, self._ports.now_us())
        return None

    def refused(self, *, partial: bool) -> bool:
        """Count what failed."""
        self._attempts += not partial
        return self._attempts > MAX_ATTEMPTS

    def admits_without_proof(self, name: str) -> bool:  # noqa: ARG002 - the seam's signature
        """Never at the front."""
        return False

    def unknown_request(self, place: str, name: str) -> None:
        """Before a session there is no one to tell it to."""

    def refused_open(self, kind: str, reason: str) -> None:
        """Before a session there is no one to tell it to."""

    def callback_fault(self, error: BaseException) -> None:
        """A fault of ours; who derives from this may know the session that it hit."""
        _log.error("callback failed", error=repr(error))

    # --- inside

    def _let_in(self, proof: _Proof, mfa_at: int) -> bool | None:
        login = self._login
        principal = self._ports.directory.principal(login.principal) if login else None
        connection = self._connection
        if login is None or principal is None or connection is None:
            return None
        self._stage = _Stage.IN
        self._unnoted = False
        self._ports.lock_outs.succeeded(principal.name, self.source)
        allowed = seams.certificate_limits(connection) if proof.method == "certificate" else None
        self.introduced = Introduced(
            principal, proof.token_id, proof.method, mfa_at, login, proof.ends_us,
            allowed.forced_command if allowed else None,
            allowed.forbidden if allowed else frozenset(), proof.authority,
        )  # fmt: skip
        return True

    def _authorities(self) -> Any:
        """The CAs, for certificates that name this principal and no other."""
        lines = self._ports.authorities() if self._login is not None else ()
        options = f'cert-authority,principals="{self._principal_name()}"'
        return asyncssh.import_authorized_keys("\n".join(f"{options} {line}" for line in lines))

    def _principal_name(self) -> str:
        """What failures count under: the principal, or what stands where one should."""
        return self._login.principal if self._login is not None else mapped(self._name)[:_SHOWN_NAME]

    def _failed(self, cause: str, source: str) -> None:
        self._unnoted = False
        name = self._principal_name()
        if self._ports.lock_outs.failed(name, source):
            self._ports.folds.note(EventKind.AUTH_LOCKED, self.source, "too many failures", name)
        self._note(cause)

    def _note(self, cause: str) -> None:
        self._ports.folds.note(EventKind.AUTH_FAILED, self.source, cause, self._principal_name())


def sign_in_options() -> dict[str, Any]:
    """What `asyncssh.listen` and `run_server` are given so that nothing but the above can let in."""
    return {
        "encryption_algs": seams.ENCRYPTION,
        "mac_algs": seams.MACS,
        "kex_algs": seams.KEY_EXCHANGES,
        "signature_algs": seams.SIGNATURES,
        "compression_algs": ("none",),
        "public_key_auth": True,
        "password_auth": True,
        "kbdint_auth": True,
        "host_based_auth": False,
        "gss_host": None,
        "x509_trusted_certs": None,
        "authorized_client_keys": None,
        "x11_forwarding": False,
        "agent_forwarding": False,
        "allow_scp": False,
        "encoding": None,
        "keepalive_interval": KEEP_ALIVE_S,
        "keepalive_count_max": 3,
        "server_version": "gatekeep",
    }
