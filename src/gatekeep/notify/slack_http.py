"""Slack's calls over HTTP, as an application that the composition root mounts under a path of its own.

A call is looked at byte by byte before anything in it is read; one that is not Slack's gets a 401.
"""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from gatekeep.errors import SettingsError
from gatekeep.notify.slack_signature import SignatureCheck

PATH: Final = "/interactions"
MAX_BODY: Final = 256 * 1024
"""Bytes of a call; it holds the message that was clicked on. The door around allows less."""

_log = structlog.get_logger(__name__)


def slack_http(app: AsyncApp, check: SignatureCheck) -> web.Application:
    """The application: one address, for clicks, dialogues and the command alike."""

    async def called(request: web.Request) -> web.Response:
        body = await _body(request)
        if body is None:
            return web.Response(status=413)
        try:
            believed = check.accepts(request.headers, body)
        except SettingsError as error:
            _log.error("slack's signing secret cannot be read", error=error.public)
            return web.Response(status=503)
        if not believed:
            return web.Response(status=401)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return web.Response(status=400)
        headers = {"content-type": request.headers.get("Content-Type", "")}
        answer = await app.async_dispatch(AsyncBoltRequest(body=text, headers=headers))  # type: ignore[arg-type]  # a header may be one text
        kind = "application/json" if answer.body.startswith("{") else "text/plain"
        return web.Response(status=answer.status, text=answer.body, content_type=kind)

    made = web.Application()
    made.router.add_post(PATH, called)
    return made


async def _body(request: web.Request) -> bytes | None:
    """All bytes as they came; None if they are too many."""
    read = bytearray()
    async for chunk in request.content.iter_any():
        read += chunk
        if len(read) > MAX_BODY:
            return None
    return bytes(read)
