"""Incoming webhooks: a machine's vote, signed by whoever holds the endpoint's secret.

The composition root mounts the application under `/hooks`. A hook votes as the machine principal
that its endpoint names, never for a person: it may bar the way, and fills no seat of a quorum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gatekeep.domain.approvals import VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable, SettingsError
from gatekeep.gate.approval_ports import Approvals, Ballot
from gatekeep.gate.ports import Directory
from gatekeep.messages import hooks as words
from gatekeep.notify.signing import SignatureCheck

PATH: Final = "/in/{name}"
MAX_BODY: Final = 16 * 1024
_VIA: Final = "webhook"
_NOBODY: Final = "no endpoint has this secret, which is as long as one"

_REFUSALS: Final = {"seen": (409, words.SEEN), "full": (503, words.FULL)}
"""What a caller is told whose signature was good; all others hear the same."""

_log = structlog.get_logger(__name__)

Refused = Callable[[web.Request, str], None]
"""Hears of each call that nobody of ours signed: the call, and one word why."""


@dataclass(frozen=True, slots=True)
class IncomingEndpoint:
    """Whom a hook votes as. `secret` reads the key of signatures anew; it may raise SettingsError."""

    name: str
    principal: str
    secret: Callable[[], str]


@dataclass(frozen=True, slots=True)
class HookNeeds:
    """What incoming hooks work with. `now_us` never goes back.

    `protected` says of a call whether nobody on a network could read along.
    """

    approvals: Approvals
    directory: Directory
    now_us: Callable[[], int]
    refused: Refused
    protected: Callable[[web.Request], bool]


class _Vote(BaseModel):
    """The body: one ballot. `id` is the sender's own, for his records and ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: Annotated[str, StringConstraints(strict=True, max_length=32)]
    verdict: Literal["approve", "deny"]
    digest: Annotated[str, StringConstraints(strict=True, min_length=12, max_length=64)]
    reason: Annotated[str, StringConstraints(strict=True, max_length=2000)] = ""
    id: Annotated[str, Field(max_length=200)] = ""


class IncomingHooks:
    """All endpoints of one gateway."""

    def __init__(self, endpoints: tuple[IncomingEndpoint, ...], needs: HookNeeds) -> None:
        self._needs = needs
        self._endpoints = {one.name: one for one in endpoints}
        self._checks = {one.name: SignatureCheck(needs.now_us) for one in endpoints}
        self._nobody = SignatureCheck(needs.now_us)

    def http_app(self) -> web.Application:
        """What the HTTP door serves for hooks, under a path of its own."""
        made = web.Application()
        made.router.add_post(PATH, self.called)
        return made

    async def called(self, request: web.Request) -> web.Response:
        """One call: looked at byte by byte before anything in it is read."""
        if not self._needs.protected(request):
            return _said(403, words.IN_CLEAR)
        body = await _body_of(request)
        if body is None:
            return _said(413, words.TOO_LONG)
        name = request.match_info["name"]
        objection = self._objection(name, request.headers, body)
        if objection:
            self._needs.refused(request, objection)
            return _said(*_REFUSALS.get(objection, (401, words.UNSIGNED)))
        try:
            vote = _Vote.model_validate_json(body)
        except ValidationError:
            return _said(400, words.UNREADABLE)
        return await self._cast(self._endpoints[name], vote)

    def _objection(self, name: str, headers: Mapping[str, str], body: bytes) -> str:
        """One word; empty for a call that the endpoint's own side has signed.

        A name that nobody has is answered like a wrong signature, after the same work.
        """
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            self._nobody.objection(headers, body, _NOBODY)
            return "signature"
        try:
            secret = endpoint.secret()
        except SettingsError:
            _log.error("the secret of a webhook cannot be read", webhook=name)
            return "signature"
        return self._checks[name].objection(headers, body, secret)

    async def _cast(self, endpoint: IncomingEndpoint, vote: _Vote) -> web.Response:
        principal = self._machine(endpoint)
        if principal is None:
            return _said(403, words.NO_MACHINE)
        ballot = Ballot(VoteVerdict(vote.verdict), vote.digest, _VIA, reason=vote.reason)
        try:
            cast = await self._needs.approvals.cast(vote.request, principal, ballot)
        except KeyError:
            return _said(404, words.NO_REQUEST)
        except JournalUnavailable:
            return _said(503, words.NOT_RECORDED)
        told = {
            "counted": cast.counted, "refusal": cast.refusal, "words": cast.words,
            "request": cast.request.id, "state": cast.request.state.value, "id": vote.id,
        }  # fmt: skip
        return web.json_response(told, status=200 if cast.counted else 409)

    def _machine(self, endpoint: IncomingEndpoint) -> Principal | None:
        """The principal as it is now; only one that somebody answers for."""
        found = self._needs.directory.principal(endpoint.principal)
        if found is None or not found.owner:
            _log.error(
                "a webhook votes as nobody's machine",
                webhook=endpoint.name, principal=endpoint.principal,
            )  # fmt: skip
            return None
        return found


async def _body_of(request: web.Request) -> bytes | None:
    """The body; None as soon as it is too long."""
    if (request.content_length or 0) > MAX_BODY:
        return None
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _said(status: int, what: str) -> web.Response:
    told = {"error": {"what": what, "why": "", "try": words.ADVICE.get(what, "")}}
    return web.json_response(told, status=status)
