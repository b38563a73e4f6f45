"""One address of the versioned API as a value: what it takes, what it gives, who answers.

From these the routes are mounted and the OpenAPI document is written, so the two cannot differ.
What the addresses are is `approvals`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gatekeep.errors import ClientFault
from gatekeep.messages import api as words
from gatekeep.web.refusals import told

Handler = Callable[[web.Request, Any], Awaitable[BaseModel | web.Response]]

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One address and method.

    `takes` is the model of its body (POST) or of its query, None for neither; `gives` that of its
    answer, sent with `status`; `errors` are the other statuses that it can end in, beside those
    that every address has. `summary` is the line of the documents; `action` what policy is asked
    for, or whose it is.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    gives: type[BaseModel]
    takes: type[BaseModel] | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    action: str = ""

    @property
    def has_body(self) -> bool:
        """Whether `takes` is a body; else it is the query."""
        return self.method in _WITH_BODY and self.takes is not None


def mount(router: web.UrlDispatcher, operations: Iterable[Operation]) -> None:
    """Let the router know them all. No GET changes anything, so HEAD is not offered."""
    for one in operations:
        handler = _served(one)
        if one.method == "GET":
            router.add_get(one.path, handler, allow_head=False)
        else:
            router.add_route(one.method, one.path, handler)


def _served(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        if operation.has_body and request.content_type != "application/json":
            # a page of somebody else's can send forms unasked, but not this
            return told(415, words.NOT_JSON)
        answered = await operation.handler(request, await _given(request, operation))
        if isinstance(answered, web.Response):
            return answered
        return model_answer(answered, status=operation.status)

    return handler


def model_answer(model: BaseModel, *, status: int = 200) -> web.Response:
    """A model as JSON. Whatever is not ASCII is escaped, so that any text can be carried."""
    text = json.dumps(model.model_dump(mode="json"), separators=(",", ":"))
    return web.Response(body=text.encode("ascii"), status=status, content_type="application/json")


async def _given(request: web.Request, operation: Operation) -> BaseModel | None:
    if operation.takes is None or not operation.has_body:
        return _query(request, operation.takes)
    raw = await request.read()
    try:
        return operation.takes.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise _not_understood(error) from None


def _query(request: web.Request, model: type[BaseModel] | None) -> BaseModel | None:
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise ClientFault(words.given_twice(name))
        given[name] = value
    try:
        return (model or _Nothing).model_validate(given)
    except ValidationError as error:
        raise _not_understood(error) from None


class _Nothing(BaseModel, extra="forbid"):
    """No parameters at all."""


def _not_understood(error: ValidationError) -> ClientFault:
    """The first fault, without the value: it may be a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return ClientFault(words.not_understood(place, first["msg"]))
