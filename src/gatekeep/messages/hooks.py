"""What whoever calls an incoming webhook is told that was not counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

IN_CLEAR: Final = "this call came in clear over a network"
UNSIGNED: Final = "this call is not signed as it must be"
SEEN: Final = "this very call came before"
FULL: Final = "too many calls came in these minutes"
TOO_LONG: Final = "the body is too long"
UNREADABLE: Final = "the body is no vote"
NO_MACHINE: Final = "this endpoint votes as nobody's machine"
NO_REQUEST: Final = "there is no such request"
NOT_RECORDED: Final = "this cannot be recorded right now, so it was not counted"

ADVICE: Final[Mapping[str, str]] = {
    IN_CLEAR: "call a proxy with TLS that stands before this door",
    UNSIGNED: "sign `timestamp.body` by HMAC-SHA256 with the endpoint's secret, within 5 minutes",
    SEEN: "sign it anew if it is meant anew",
    FULL: "try again later",
    UNREADABLE: "send request, verdict, digest and reason",
    NO_MACHINE: "name a principal with an owner in the settings",
    NOT_RECORDED: "try again later",
}
"""The thing to do."""
