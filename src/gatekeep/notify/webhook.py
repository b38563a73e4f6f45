"""Outgoing webhooks: each change of a request, signed, to endpoints that the settings name.

Hears the desk and never keeps it waiting; an endpoint that does not answer holds up nothing, not
even another endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.grants import Grant
from gatekeep.errors import SettingsError
from gatekeep.gate.approval_ports import Approvals
from gatekeep.notify.dialling import Caller, fault_of
from gatekeep.notify.notice_folds import Batch
from gatekeep.notify.outbound import (
    AFTER_S,
    DEFAULT_PACE,
    SENT,
    Outbound,
    Pace,
    Tried,
    life_s,
)
from gatekeep.notify.signing import signed_headers
from gatekeep.notify.webhook_shapes import (
    GLASS,
    NOTICE,
    glass_body,
    notices_body,
    request_body,
    request_shape,
)
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

_LAST_WORDS_S: Final = 1.5
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where deliveries go. `secret` reads the key of signatures anew; it may raise SettingsError.

    `kinds` are what is told: words of `approval_ports.Listener`, `breakglass`, and `notice`. `full`:
    with all of what is to run, secrets replaced.
    """

    name: str
    url: str
    secret: Callable[[], str]
    kinds: frozenset[str]
    full: bool = False


@dataclass(frozen=True, slots=True)
class WebhookNeeds:
    """What webhooks work with. `link_to` gives the page of a request; `draw(n)` random bytes."""

    approvals: Approvals
    caller: Caller
    clock: Clock
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]
    link_to: Callable[[str], str]
    pace: Pace = DEFAULT_PACE


class Webhooks:
    """All endpoints. It listens to the desk from its making on."""

    def __init__(self, endpoints: tuple[Endpoint, ...], needs: WebhookNeeds) -> None:
        self._needs = needs
        self._owner = TaskOwner("webhooks")
        self._lanes = [
            (one, Outbound(f"webhook {one.name}", self._owner, needs.clock, needs.pace))
            for one in endpoints
        ]
        needs.approvals.listen(self.heard)
        needs.approvals.listen_glass(self.heard_glass)

    def heard(self, what: str, request: ApprovalRequest) -> None:
        """A change is durable: tell whoever wants to know of its kind."""
        needs = self._needs
        wanted = [pair for pair in self._lanes if what in pair[0].kinds]
        if not wanted:
            return
        now = needs.now_us()
        may_decide = needs.approvals.deciders(request)
        asked = needs.approvals.asked_now(request)
        for endpoint, lane in wanted:
            delivery = self._new_id()
            shape = request_shape(request, may_decide, asked, full=endpoint.full)
            body = request_body(what, delivery, now, needs.link_to(request.id), shape)
            lasts_s = life_s(request.open_until_us, now)
            self._put(endpoint, lane, f"{what} {request.id}", delivery, body, lasts_s)

    def heard_glass(self, grant: Grant, reason: str) -> None:
        """Somebody took leave without being asked."""
        now = self._needs.now_us()
        for endpoint, lane in self._lanes:
            if GLASS in endpoint.kinds:
                delivery = self._new_id()
                body = glass_body(delivery, now, grant, reason)
                self._put(endpoint, lane, f"{GLASS} {grant.id}", delivery, body, AFTER_S)

    def tell_notices(self, batch: Batch) -> None:
        """Rules with `@notify` decided something."""
        now = self._needs.now_us()
        for endpoint, lane in self._lanes:
            if NOTICE in endpoint.kinds:
                delivery = self._new_id()
                body = notices_body(delivery, now, batch, full=endpoint.full)
                self._put(endpoint, lane, f"{NOTICE} {delivery[:8]}", delivery, body, AFTER_S)

    @property
    def lanes(self) -> tuple[Outbound, ...]:
        """How each endpoint's queue stands."""
        return tuple(lane for _endpoint, lane in self._lanes)

    async def close(self) -> None:
        """Try what was not tried yet, for a moment; then end."""
        for lane in self.lanes:
            await lane.flushed(_LAST_WORDS_S / len(self._lanes))
        await self._owner.close()

    def _put(
        self,
        endpoint: Endpoint,
        lane: Outbound,
        what: str,
        delivery: str,
        body: bytes,
        lasts_s: float,
    ) -> None:
        lane.put(what, lambda: self._send(endpoint, delivery, body), lasts_s=lasts_s)

    async def _send(self, endpoint: Endpoint, delivery: str, body: bytes) -> Tried:
        """One try, signed at its own time: what is tried late is not refused as late."""
        try:
            secret = endpoint.secret()
        except SettingsError:
            return Tried("its secret cannot be read", again=True)
        headers = signed_headers(secret, self._needs.clock.wall_us(), body, delivery)
        try:
            answer = await self._needs.caller.post(endpoint.url, body, headers)
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            return Tried(fault_of(error), again=True)
        if answer.good:
            return SENT
        return Tried(f"answered {answer.status}", again=True, wait_s=answer.again_s)

    def _new_id(self) -> str:
        return self._needs.draw(_ID_BYTES).hex()
