"""The front connection: sign-in by `front`, and once that is through, the door to its channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import asyncssh

from gatekeep import messages
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.channel_door import Doors
from gatekeep.proxies.ssh.connection import SignedIn
from gatekeep.proxies.ssh.front import FrontAuth, FrontPorts

_VERSION: Final = 100


class Entrance(FrontAuth, SignedIn):
    """One client, from its first byte on."""

    def __init__(
        self, ports: FrontPorts, doors: Doors, source: str, on_entered: Callable[[], None]
    ) -> None:
        FrontAuth.__init__(self, ports, source)
        SignedIn.__init__(self, doors, on_entered)

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client is there; the key exchange comes first."""
        FrontAuth.connection_made(self, conn)
        SignedIn.connection_made(self, conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        FrontAuth.connection_lost(self, exc)
        SignedIn.connection_lost(self, exc)

    def auth_completed(self) -> None:
        """It is known who is there."""
        introduced = self.introduced
        if introduced is None or self.connection is None:
            return
        login = introduced.login
        version = self.connection.get_extra_info("client_version", b"")
        shown = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
        self.enter(
            Arrival(
                introduced.principal,
                login.target,
                login.account,
                self.source,
                introduced.method + ("+code" if introduced.mfa_at else ""),
                introduced.token_id,
                messages.printable(shown, _VERSION),
                ends_us=introduced.ends_us,
                forced_command=introduced.forced_command,
                forbidden=introduced.forbidden,
                authority=introduced.authority,
            )
        )

    unknown_request = SignedIn.unknown_request
    refused_open = SignedIn.refused_open
    callback_fault = SignedIn.callback_fault
