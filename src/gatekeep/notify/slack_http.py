"""Slack's calls over HTTP, as an application that the composition root mounts under a path of its own.

A call is looked at byte by byte before anything in it is read; one that is not Slack's gets a 401.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from gatekeep.notify.slack_signature import SignatureCheck

PATH: Final = "/interactions"
MAX_BODY: Final = 1 << 20


def slack_http(app: AsyncApp, check: SignatureCheck) -> web.Application:
    """The application: one address, for clicks, dialogues and the command alike."""

    async def called(request: web.Request) -> web.Response:
        body = await request.read()
        if not check.accepts(request.headers, body):
            return web.Response(status=401)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return web.Response(status=400)
        headers = {"content-type": request.headers.get("Content-Type", "")}
        answer = await app.async_dispatch(AsyncBoltRequest(body=text, headers=headers))  # type: ignore[arg-type]  # a header may be one text
        kind = "application/json" if answer.body.startswith("{") else "text/plain"
        return web.Response(status=answer.status, text=answer.body, content_type=kind)

    made = web.Application(client_max_size=MAX_BODY)
    made.router.add_post(PATH, called)
    return made
