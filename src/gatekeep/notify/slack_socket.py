"""Socket Mode: the gateway dials Slack, keeps one connection, and makes a new one when it is gone.

The library's client is made anew for each connection: its own way of coming back can end in a loop
over an address that is used up, or over a closed session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from gatekeep.errors import SettingsError
from gatekeep.notify.slack_api import SlackApi, library_logger

CONNECT_S: Final = 15.0
LOOK_S: Final = 0.25
"""How often it is looked whether the connection still stands."""
LOST_S: Final = 5.0
"""How long a connection may be gone, while the library takes up another, before it is made anew."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_PING_S: Final = 5.0

_log = structlog.get_logger(__name__)


class SlackSocket:
    """Runs until it is cancelled. `connected` says how it stands."""

    def __init__(self, app: AsyncApp, api: SlackApi, app_token: Callable[[], str]) -> None:
        self._app = app
        self._api = api
        self._app_token = app_token
        self.connected = False

    async def run(self) -> None:
        """Connect, stay, and connect again, a little later each time that it fails."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                if await self._once():
                    pause_s = _FIRST_PAUSE_S
            except SettingsError as error:
                _log.error("slack's app token cannot be read", error=error.public)
            except Exception as error:  # noqa: BLE001 - whatever the library makes of it
                _log.warning("slack's socket failed", error=type(error).__name__)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _once(self) -> bool:
        """One connection, from its beginning to its end; whether there was one."""
        handler = AsyncSocketModeHandler(
            self._app, self._app_token(), logger=library_logger(), web_client=self._api.client(),
            ping_interval=_PING_S,
        )  # fmt: skip
        handler.client.proxy = self._api.client().proxy
        try:
            async with asyncio.timeout(CONNECT_S):
                await handler.connect_async()  # type: ignore[no-untyped-call]  # the library says no types
            self.connected = True
            _log.info("slack's socket is connected")
            await self._until_lost(handler)
        except TimeoutError:
            return False
        finally:
            self.connected = False
            await _closed(handler)
        _log.warning("slack's socket is gone")
        return True

    async def _until_lost(self, handler: AsyncSocketModeHandler) -> None:
        loop = asyncio.get_running_loop()
        seen_at = loop.time()
        while loop.time() - seen_at < LOST_S:
            await asyncio.sleep(LOOK_S)
            self.connected = await handler.client.is_connected()
            if self.connected:
                seen_at = loop.time()


async def _closed(handler: AsyncSocketModeHandler) -> None:
    try:
        await handler.close_async()  # type: ignore[no-untyped-call]  # likewise
    except Exception as error:  # noqa: BLE001 - it is gone anyhow
        _log.debug("a socket was not closed well", error=type(error).__name__)
