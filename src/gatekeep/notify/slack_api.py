"""Calls of Slack's Web API: one at a time, never raising, with what to do about each failure.

Waiting and trying again is `slack_queue`'s. Neither tokens nor texts reach diagnostics.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from gatekeep.errors import SettingsError
from gatekeep.notify.slack_ports import SlackValues
from gatekeep.runtime.clock import Clock

TIMEOUT_S: Final = 10.0
_NS: Final = 1_000_000_000
_LONGEST_S: Final = 3600.0
_SOON: Final = 0.0
_PASSING: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout"}
)  # fmt: skip
_HOOKS: Final = "hooks.slack.com"
_QUERIES: Final = frozenset({"users.info"})
"""Methods that take no JSON."""

_log = structlog.get_logger(__name__)


class _Faults(logging.Handler):
    """Passes on that something failed inside the library, and where; never what it says of it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Implements logging.Handler."""
        kind = record.exc_info[0] if record.exc_info else None
        place = f"{record.module}:{record.lineno}"
        _log.warning("slack's library failed", at=place, fault=kind.__name__ if kind else "")


def library_logger() -> logging.Logger:
    """For the library: what it has to say may hold texts of people, so only its faults are noted.

    A level of its own is needed: the library takes "not set" for "write everything".
    """
    logger = logging.getLogger("gatekeep.slack_library")
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_Faults())
    return logger


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to. `error` is Slack's word or ours, empty for none.

    `again_s`: so many seconds must pass before it is tried again; None where it never will succeed.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    again_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return not self.error

    def text(self, *names: str) -> str:
        """A text somewhere inside; empty where there is none."""
        found: Any = self.data
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, str) else ""


class SlackApi:
    """One workspace's API. The connections are opened at the first call."""

    def __init__(self, values: SlackValues, clock: Clock) -> None:
        self._values = values
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None
        self._closed = False
        self._paused_until: dict[str, int] = {}

    async def call(self, method: str, **body: Any) -> Answer:
        """Call a method with these arguments. What Slack said about waiting is kept to."""
        if self._closed:
            return Answer(error="closed")
        paused_s = (self._paused_until.get(method, 0) - self._clock.monotonic_ns()) / _NS
        if paused_s > 0:
            return Answer(error="ratelimited", again_s=paused_s)
        answer = await self._called(method, body)
        if answer.again_s is not None and answer.error == "ratelimited":
            self._paused_until[method] = self._clock.monotonic_ns() + int(answer.again_s * _NS)
        if answer.error:
            _log.warning("slack call failed", method=method, error=answer.error)
        return answer

    async def respond(self, url: str, text: str) -> Answer:
        """Answer a click where only who clicked sees it, at the address that came with it."""
        if not self._may_respond_to(url):
            return Answer(error="strange_address")
        if self._closed:
            return Answer(error="closed")
        body = {"response_type": "ephemeral", "replace_original": False, "text": text}
        try:
            async with self._opened()[0].post(url, json=body, allow_redirects=False) as response:
                if response.status == 200:  # noqa: PLR2004 - OK
                    return Answer()
                return Answer(error=f"http_{response.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(error=type(error).__name__, again_s=_SOON)

    async def close(self) -> None:
        """Close the connections; none is opened any more."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def client(self, session: aiohttp.ClientSession | None = None) -> AsyncWebClient:
        """The library's client, without a token."""
        url = self._values.api_url or AsyncWebClient.BASE_URL
        made = AsyncWebClient(
            base_url=url, timeout=int(TIMEOUT_S), session=session, logger=library_logger(),
            retry_handlers=[],
        )  # fmt: skip
        if self._values.api_url:
            made.proxy = None
        return made

    async def _called(self, method: str, body: Mapping[str, Any]) -> Answer:
        _session, client = self._opened()
        try:
            client.token = self._values.bot_token()
            if method in _QUERIES:
                response = await client.api_call(method, http_verb="GET", params=dict(body))
            else:
                response = await client.api_call(method, json=dict(body))
        except SlackClientError as error:
            return _refused(error)
        except SettingsError as error:
            return Answer(error=f"token: {error.public}", again_s=_SOON)
        except Exception as error:  # noqa: BLE001 - a network, or the library over an answer that is none
            return Answer(error=type(error).__name__, again_s=_SOON)
        data = response.data
        return Answer(data if isinstance(data, Mapping) else {})

    def _opened(self) -> tuple[aiohttp.ClientSession, AsyncWebClient]:
        if self._session is None or self._client is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
            self._client = self.client(self._session)
        return self._session, self._client

    def _may_respond_to(self, url: str) -> bool:
        """Whether this is Slack's own address: nobody makes us call another."""
        try:
            given = urlsplit(url)
            own = urlsplit(self._values.api_url)
        except ValueError:
            return False
        if self._values.api_url:
            return (given.scheme, given.netloc) == (own.scheme, own.netloc)
        return given.scheme == "https" and given.netloc == _HOOKS


def _refused(error: SlackClientError) -> Answer:
    response = getattr(error, "response", None)
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data = getattr(response, "data", None)
    headers = getattr(response, "headers", None) or {}
    said = data.get("error") if isinstance(data, Mapping) else None
    word = said if isinstance(said, str) else f"http_{status}"
    if status == 429 or word in {"ratelimited", "rate_limited"}:  # noqa: PLR2004 - Too Many Requests
        return Answer(error="ratelimited", again_s=_retry_after(headers))
    if word in _PASSING or status >= 500 or not isinstance(said, str):  # noqa: PLR2004 - its fault
        return Answer(error=word, again_s=_SOON)
    return Answer(data if isinstance(data, Mapping) else {}, error=word)


def _retry_after(headers: Mapping[str, str]) -> float:
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        return min(max(float(said), 1.0), _LONGEST_S)
    except ValueError:
        return 1.0

