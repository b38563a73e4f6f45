"""The sign-in behind the jump host: an inner SSH connection in a channel of a proven principal."""

from __future__ import annotations

import asyncssh
import structlog

from gatekeep.protocols.ssh.login_name import parse_inner_login
from gatekeep.proxies.ssh import seams
from gatekeep.proxies.ssh.front import MAX_ATTEMPTS

_log = structlog.get_logger(__name__)


class InnerAuth(asyncssh.SSHServer):
    """Behind the jump host: the principal is the outer one, the name an account and nothing else.

    Lets in without a proof, never asks for a password: whoever typed one would give us the
    target's. Names with `+` or `@` are refused.
    """

    def __init__(self) -> None:
        self.account = ""
        self._attempts = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """The client speaks SSH inside its own channel."""
        seams.adopt_client(conn, self, "")

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        """A name that is no account. Never False: that would let it in."""
        self.account = ""
        return True

    def methods(self) -> tuple[str, ...]:
        """What OpenSSH is told when a name is refused; no key counts."""
        return ("publickey",)

    def proving(self) -> None:
        """Nothing is proven here."""

    def probing(self) -> bool:
        """No key is answered."""
        return False

    def key_proven(self, name: str, key: bytes) -> None:
        """Cannot happen: no key is known here."""

    def proof_accepted(self, name: str) -> bool | None:  # noqa: ARG002 - the port's signature
        """Only `admits_without_proof` lets in."""
        return None

    def refused(self, *, partial: bool) -> bool:
        """Count what failed."""
        self._attempts += not partial
        return self._attempts > MAX_ATTEMPTS

    def admits_without_proof(self, name: str) -> bool:
        """An account may be named; whether it may be used is asked for each session."""
        found = parse_inner_login(name)
        self.account = found.account if found is not None else ""
        return found is not None

    def unknown_request(self, place: str, name: str) -> None:
        """Overridden by the session."""

    def refused_open(self, kind: str, reason: str) -> None:
        """Overridden by the session."""

    def callback_fault(self, error: BaseException) -> None:
        """A fault of ours; the session overrides this."""
        _log.error("callback failed", error=repr(error))
