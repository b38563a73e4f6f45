"""What a caller of the API gave: numbers, words and bodies, checked before anything is done."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import web

from gatekeep.errors import ClientFault
from gatekeep.web.shapes import json_bytes

MAX_WORD_CHARS: Final = 200


def answer(value: Any, *, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=json_bytes(value), status=status, content_type="application/json")


def number(
    request: web.Request, name: str, *, low: int, high: int = 2**53 - 1, default: int | None
) -> Any:
    """A whole number of the query. Raises ClientFault."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and low <= int(text) <= high):  # noqa: PLR2004 - digits of 2^53
        raise ClientFault(f"{name} is a whole number from {low} to {high}")
    return int(text)


def word(request: web.Request, name: str) -> str:
    """A short text of the query, empty when it is not given. Raises ClientFault."""
    text = request.query.get(name, "")
    if len(text) > MAX_WORD_CHARS:
        raise ClientFault(f"{name} has at most {MAX_WORD_CHARS} characters")
    return text


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a body, empty when there is none. Raises ClientFault."""
    raw = await request.read()
    try:
        wish = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        raise ClientFault("the body is not JSON") from None
    if not isinstance(wish, dict):
        raise ClientFault("the body is not a JSON object")
    return wish
