"""The settings of Slack: names, meanings, limits, defaults, and what is missing among them.

Reading them is `sources`' job. Secrets never stand here, only references to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

_CHANNEL: Final = r"[CGD][A-Z0-9]{2,40}"
_GROUP_CHANNEL: Final = re.compile(rf"([a-z0-9][a-z0-9._-]*)=({_CHANNEL})")


def _reference(text: str) -> str:
    """A secret reference. Raises ValueError, which does not repeat what may be the secret itself."""
    if not re.fullmatch(r"(env|file):\S.{0,4000}", text):
        raise ValueError("is no secret reference | write env:NAME or file:/absolute/path")
    return text


def _group_channel(text: str) -> str:
    """A pair such as `dba=C0123456789`. Raises ValueError."""
    if not _GROUP_CHANNEL.fullmatch(text):
        raise ValueError(
            "is no group and channel | write dba=C0123456789, with the channel's id from its details"
        )
    return text


def _loopback_url(text: str) -> str:
    """An address on this machine. Raises ValueError."""
    try:
        parts = urlsplit(text)
        name, _port = parts.hostname or "", parts.port
        near = name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        near, parts = False, urlsplit("")
    if not near or parts.scheme not in {"http", "https"}:
        raise ValueError("is not on this machine | leave it unset: it is for tests only")
    return text


SecretReference = Annotated[str, StringConstraints(strict=True), AfterValidator(_reference)]
Channel = Annotated[str, StringConstraints(strict=True, pattern=rf"^{_CHANNEL}$")]
GroupChannel = Annotated[
    str, StringConstraints(strict=True, max_length=200), AfterValidator(_group_channel)
]
Team = Annotated[str, StringConstraints(strict=True, pattern=r"^T[A-Z0-9]{2,40}$")]
LoopbackUrl = Annotated[
    str, StringConstraints(strict=True, max_length=255), AfterValidator(_loopback_url)
]


class SlackSettings(BaseModel):
    """The workspace in which requests are shown and decided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["off", "socket", "http"] = Field(
        default="off",
        description="`off`; `socket`: the gateway dials Slack, and nothing need reach it; `http`: Slack "
        "calls `/slack/interactions` at the gateway's HTTP door.",
    )
    team: Team | None = Field(
        default=None,
        description="Id of the workspace, such as `T0123456789`; nothing from another one counts.",
    )
    bot_token: SecretReference | None = Field(
        default=None, description="Reference to the bot's token, `env:NAME` or `file:/path`."
    )
    app_token: SecretReference | None = Field(
        default=None, description="The same for the token by which `socket` is opened."
    )
    signing_secret: SecretReference | None = Field(
        default=None, description="The same for the secret by which calls of `http` are signed."
    )
    default_channel: Channel | None = Field(
        default=None,
        description="Id of the channel for requests and notices of groups that `channels` does not name. "
        "Unset: such requests go to the approvers as direct messages, such notices nowhere.",
    )
    channels: tuple[GroupChannel, ...] = Field(
        default=(),
        description="Which group is asked, and told of what rules with `@notify` decide, in which channel, "
        "such as `dba=C0123456789`.",
    )
    digest_channel: Channel | None = Field(
        default=None,
        description="Id of the channel for the weekly digest of suggestions. Unset: `default_channel`.",
    )
    api_url: LoopbackUrl | None = Field(
        default=None, description="Where Slack's API is, for tests: only on this machine."
    )

    def channel_of(self) -> Mapping[str, str]:
        """The channel of each group that has one."""
        pairs = (_GROUP_CHANNEL.fullmatch(text) for text in self.channels)
        return {pair[1]: pair[2] for pair in pairs if pair}

    def references(self) -> Mapping[str, str]:
        """The secret references that the mode needs, by their keys."""
        found = {f"slack.{key}": getattr(self, key) for key in self._secrets()}
        return {key: reference for key, reference in found.items() if reference is not None}

    def missing(self) -> Iterator[tuple[str, str, str]]:
        """(key, fault, fix) of what the mode needs and what is not there."""
        needed = ("team", *self._secrets()) if self.mode != "off" else ()
        for key in needed:
            if getattr(self, key) is None:
                yield f"slack.{key}", "is missing", f"set it, or slack.mode to off (mode is {self.mode})"

    def _secrets(self) -> tuple[str, ...]:
        if self.mode == "off":
            return ()
        return ("bot_token", "app_token" if self.mode == "socket" else "signing_secret")
