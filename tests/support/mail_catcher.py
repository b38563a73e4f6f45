"""A real SMTP server on loopback that keeps what it is handed, and fails as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class MailCatcher:
    """Its port, and what came. `refusals` are answers to the next mails, instead of 250."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, str, bool]] = field(default_factory=list)
    """Sender, recipient, and whether it came over TLS."""
    refusals: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    password: str = "the relay's own"  # noqa: S105 - a test's

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep it, or refuse it."""
        if self.refusals:
            return self.refusals.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        parsed = message_from_bytes(content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        over_tls = server.transport.get_extra_info("ssl_object") is not None
        self.envelopes.append((str(envelope.mail_from), envelope.rcpt_tos[0], over_tls))
        return "250 kept"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Whether this is the log-in."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == self.password, handled=False)

    def text(self, number: int = -1) -> str:
        """The text of one mail."""
        return str(self.mails[number].get_content()).replace("\r\n", "\n")


@contextlib.asynccontextmanager
async def mail_catcher(
    *, context: ssl.SSLContext | None = None, from_the_beginning: bool = False, sign_in: bool = False
) -> AsyncIterator[MailCatcher]:
    """One that listens; with a `context` it offers STARTTLS, or speaks TLS from the beginning."""
    catcher = MailCatcher()
    starttls = None if from_the_beginning else context

    connections: list[SMTP] = []

    def made() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that passwords without TLS are unwise, it knows
            one = SMTP(
                catcher, hostname="catcher", tls_context=starttls, auth_required=sign_in,
                authenticator=catcher.authenticate if sign_in else None,
                auth_require_tls=starttls is not None, enable_SMTPUTF8=True,
                loop=asyncio.get_running_loop(),
            )  # fmt: skip
        connections.append(one)
        return one

    server = await asyncio.get_running_loop().create_server(
        made, "127.0.0.1", 0, ssl=context if from_the_beginning else None
    )
    catcher.port = server.sockets[0].getsockname()[1]
    try:
        yield catcher
    finally:
        server.close()
        await server.wait_closed()
        for one in connections:
            for transport in (one.transport, one._original_transport):
                if transport is not None:
                    transport.abort()
        for _ in range(10):  # callbacks that close what was aborted
            await asyncio.sleep(0)
