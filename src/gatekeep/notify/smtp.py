"""Hands mails to one SMTP server: TLS verified, one connection for each, tried again by who asks."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Literal

import aiosmtplib

from gatekeep.errors import SettingsError
from gatekeep.notify.outbound import SENT, Tried

LIMIT_S: Final = 20.0
_FOR_GOOD: Final = range(500, 600)
_MAY_BE_MENDED: Final = frozenset({530, 534, 535, 538})
"""Answers about signing in: a password in a file may be put right meanwhile."""


@dataclass(frozen=True, slots=True)
class SmtpValues:
    """Where mails are handed in.

    `tls` is `starttls` (from a connection in clear, never without), `tls` (from its beginning) or
    `off`. `ca` is the PEM file of who signed the certificate, None for the system's CAs.
    `password` reads the password anew and may raise SettingsError; without `login` nobody signs in.
    """

    relay: str
    port: int
    tls: Literal["starttls", "tls", "off"]
    ca: Path | None = None
    login: str = ""
    password: Callable[[], str] | None = None


class Smtp:
    """One server. `name` is what we call ourselves in EHLO."""

    def __init__(self, values: SmtpValues, name: str) -> None:
        self._values = values
        self._name = name

    async def send(self, message: EmailMessage, sender: str, to: str) -> Tried:
        """Hand one mail in."""
        values = self._values
        try:
            password = values.password() if values.login and values.password else None
            await aiosmtplib.send(
                message,
                sender=sender,
                recipients=[to],
                hostname=values.relay,
                port=values.port,
                username=values.login or None,
                password=password,
                local_hostname=self._name,
                use_tls=values.tls == "tls",
                start_tls=values.tls == "starttls",
                tls_context=None if values.tls == "off" else _trust(values.ca),
                timeout=LIMIT_S,
            )
        except SettingsError:
            return Tried("its password cannot be read", again=True)
        except aiosmtplib.SMTPException as error:
            return _tried(error)
        except (OSError, TimeoutError, ValueError) as error:
            return Tried(f"not reached ({type(error).__name__})", again=True)
        return SENT


def _trust(ca: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca) if ca is not None else None)


def _tried(error: aiosmtplib.SMTPException) -> Tried:
    """What a failure means: only an answer of 5xx to the mail itself is for good."""
    code = _code_of(error)
    if code is None:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return Tried("its certificate is not trusted", again=True)
        return Tried(f"not reached ({type(error).__name__})", again=True)
    for_good = code in _FOR_GOOD and code not in _MAY_BE_MENDED
    return Tried(f"answered {code}", again=not for_good)


def _code_of(error: aiosmtplib.SMTPException) -> int | None:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return max(one.code for one in error.recipients)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return error.code
    return None
