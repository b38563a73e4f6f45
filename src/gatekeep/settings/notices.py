"""The settings of mail and webhooks: names, meanings, limits, defaults, and what is missing among them.

Reading them is `sources`' job. Secrets never stand here, only references to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gatekeep.documents import FilePath, HookUrl, MailAddress, SecretReference, is_here

_NAME: Final = r"^[a-z0-9][a-z0-9._-]*$"

Kind = Literal[
    "requested", "seen", "voted", "escalated", "decided", "expired", "withdrawn", "outcome",
    "breakglass", "notice",
]  # fmt: skip
_KINDS: Final[tuple[Kind, ...]] = (
    "requested", "voted", "escalated", "decided", "expired", "withdrawn", "outcome", "breakglass",
    "notice",
)  # fmt: skip


HookName = Annotated[str, StringConstraints(strict=True, max_length=63, pattern=_NAME)]
Relay = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=255, pattern=r"^[!-~]+$")
]


class _Group(BaseModel):
    """A block of settings: nothing unknown in it, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MailSettings(_Group):
    """The SMTP server by which approvers are written to."""

    host: Relay | None = Field(
        default=None, description="SMTP server that mails are handed in to. Unset: no mails."
    )
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = Field(
        default=587, description="Its port."
    )
    tls: Literal["starttls", "tls", "off"] = Field(
        default="starttls",
        description="`starttls`, never without; `tls` from the beginning (port 465); `off` only on "
        "this machine. Certificates are verified.",
    )
    ca: FilePath | None = Field(
        default=None,
        description="PEM file of who signed the server's certificate. Unset: the system's CAs.",
    )
    username: Annotated[
        str | None, StringConstraints(strict=True, min_length=1, max_length=255)
    ] = Field(default=None, description="Log-in at the server. Unset: none.")
    password: SecretReference | None = Field(
        default=None, description="Reference to its password, `env:NAME` or `file:/path`."
    )
    sender: MailAddress | None = Field(
        default=None, description="Address that mails come from, such as `gatekeep@example.org`."
    )


class OutgoingHook(_Group):
    """An endpoint that is told of requests, and of what rules with `@notify` decide."""

    name: HookName
    url: HookUrl
    secret: SecretReference
    kinds: tuple[Kind, ...] = _KINDS
    detail: Literal["brief", "full"] = "brief"


class IncomingHook(_Group):
    """An endpoint by which a machine votes."""

    name: HookName
    principal: HookName
    secret: SecretReference


class WebhookSettings(_Group):
    """Signed calls out and in."""

    outgoing: tuple[OutgoingHook, ...] = Field(
        default=(),
        description="Endpoints that are told of requests and notices, each with `name`, `url`, `secret`, "
        "`kinds` and `detail`; see below.",
    )
    incoming: tuple[IncomingHook, ...] = Field(
        default=(),
        description="Endpoints by which machines vote, each with `name`, `principal` and `secret`; see "
        "below.",
    )


def contradictions(
    mail: MailSettings, webhooks: WebhookSettings
) -> Iterator[tuple[str, str, str]]:
    """(key, fault, fix) of what is right alone and wrong together."""
    if mail.host is not None:
        if mail.sender is None:
            yield "mail.sender", "is missing", "set the address that mails come from"
        if mail.tls == "off" and not is_here(mail.host):
            yield "mail.tls", "is off, and the server is not this machine", "set it to starttls or tls"
        if (mail.username is None) != (mail.password is None):
            key = "mail.password" if mail.username else "mail.username"
            yield key, "is missing", "give username and password together"
    for key, names in (
        ("webhooks.outgoing", [one.name for one in webhooks.outgoing]),
        ("webhooks.incoming", [one.name for one in webhooks.incoming]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield key, f"holds {name} {count} times", "give each a name of its own"
    outgoing = {one.secret for one in webhooks.outgoing}
    for one in webhooks.incoming:
        if one.secret in outgoing:
            yield (
                "webhooks.incoming", f"{one.name} has the secret of an outgoing one",
                "give it one of its own: what we send must not come back as a vote",
            )  # fmt: skip
