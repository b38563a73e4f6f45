"""Mails as messages: headers, threads, plain text. What they say is worded in `messages.mail`."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

_US: Final = 1_000_000
_POLICY: Final = policy.SMTP


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one address. `about` is what its thread is about, such as a request's id.

    `answer`: it stands under the first mail of its thread, whose subject it has.
    """

    sender: str
    to: str
    subject: str
    text: str
    about: str
    answer: str = ""


def message_of(letter: Letter, at_us: int) -> EmailMessage:
    """The message. Raises ValueError where a header would not be one line."""
    made = EmailMessage(policy=_POLICY)
    made["From"] = letter.sender
    made["To"] = letter.to
    made["Subject"] = f"Re: {letter.subject}" if letter.answer else letter.subject
    made["Date"] = format_datetime(dt.datetime.fromtimestamp(at_us // _US, dt.UTC))
    first = _message_id(letter, "")
    made["Message-ID"] = _message_id(letter, letter.answer)
    if letter.answer:
        made["In-Reply-To"] = first
        made["References"] = first
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(letter.text)
    return made


def _message_id(letter: Letter, which: str) -> str:
    """The same for the same mail, so that a thread holds together over a restart."""
    named = f"{letter.about}\n{letter.to}\n{which}".encode("utf-8", "surrogatepass")
    domain = letter.sender.rpartition("@")[2].rstrip(">")
    return f"<{hashlib.sha256(named).hexdigest()[:32]}@{domain}>"
