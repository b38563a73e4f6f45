"""Mends how asyncssh forwards agents: by channels and questions to us, never by a socket of its own.

A part of `seams`, with the same rule. Decides nothing: who may forward is asked of the end that the
request came for, and an open of a target of the hooks of its connection.
"""

# ruff: noqa: SLF001 - reaching behind the documentation is what this file is for

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast

import asyncssh
from asyncssh.channel import SSHServerChannel
from asyncssh.connection import SSHClientConnection, SSHServerConnection
from asyncssh.packet import SSHPacket
from asyncssh.public_key import (
    SSHOpenSSHCertificate,
    decode_ssh_certificate,
    decode_ssh_public_key,
)

from gatekeep.proxies.ssh.channel_seams import ConnectionHooks, hooks_of

REQUEST: Final = "auth-agent-req@openssh.com"

_WINDOW: Final = 128 * 1024

AgentEnd = asyncssh.SSHTCPSession[bytes]

#: What asyncssh ships, before it was mended.
LIBRARYS: Final[dict[str, Any]] = {
    "_finish_agent_req_request": SSHServerChannel._finish_agent_req_request
}


class AgentHooks(ConnectionHooks, Protocol):
    """What is asked about agents on a connection to a target."""

    def agent_opened(self) -> Awaitable[AgentEnd] | None:
        """The target asks for the agent: who answers it, None where nobody does."""


class NoAgentSocket(SSHServerConnection):
    """A client's connection, on which asyncssh would listen in a directory of its own."""

    async def create_agent_listener(self) -> bool:
        """Never: agents are reached by `open_agent`."""
        return False


class AgentOpens(SSHClientConnection):
    """A connection to a target, which asks for the agent by opening a channel."""

    def _process_auth_agent_at_openssh_dot_com_open(self, packet: SSHPacket) -> Any:
        packet.check_end()
        answers = cast("AgentHooks", hooks_of(self)).agent_opened()
        if answers is None:
            reason = "No agent was forwarded"
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, reason)
        return self.create_agent_channel(_WINDOW), answers


async def open_agent(connection: asyncssh.SSHServerConnection, end: AgentEnd) -> None:
    """Open a channel to the client's agent. Raises asyncssh.ChannelOpenError."""
    channel = connection.create_agent_channel(_WINDOW)
    await channel.open(lambda: cast("asyncssh.SSHUNIXSession[bytes]", end))


def ask_for_agent(channel: Any) -> None:
    """Ask the target to offer the agent to what will run on this channel; it gives no answer."""
    channel._send_request(REQUEST.encode("ascii"))


def keys_within(shown: bytes) -> frozenset[bytes] | None:
    """A host key in its wire form, of a certificate the key and its signer; None for no key."""
    try:
        found = decode_ssh_certificate(shown)
    except asyncssh.KeyImportError:
        try:
            return frozenset({decode_ssh_public_key(shown).public_data})
        except asyncssh.KeyImportError:
            return None
    if not isinstance(found, SSHOpenSSHCertificate):
        return None
    return frozenset({found.key.public_data, found.signing_key.public_data})


def _asker(channel: SSHServerChannel[Any]) -> Callable[[], Awaitable[bool]] | None:
    return getattr(channel._session, "agent_requested", None)


async def _finish_agent_req_request(self: SSHServerChannel[Any]) -> None:
    """The end that the request came for answers it; it is refused where that fails."""
    granted, asked, connection = False, _asker(self), self._conn
    if asked is None:
        await LIBRARYS["_finish_agent_req_request"](self)
        return
    try:
        granted = await asked()
    except Exception as error:  # noqa: BLE001 - ours, and it would end every channel
        hooks_of(connection).callback_fault(error)
    if self._request_queue and self._conn is not None:
        self._report_response(granted)


SSHServerChannel._finish_agent_req_request = _finish_agent_req_request  # type: ignore[method-assign]  # what this file is for
