"""Keeps every message of every request in Slack as the request stands; hears of changes by the desk.

A message changes on a vote, with five minutes and one minute left, and at the end. Nothing here
delays the desk: what is to be said waits in `slack_queue`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.chat import ShownRequest
from gatekeep.domain.voting import asked_groups
from gatekeep.errors import GatekeepError
from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ports import Directory, TargetBook
from gatekeep.notify.slack_api import Answer, SlackApi
from gatekeep.notify.slack_blocks import COUNTDOWN_S, Known, Message, approvable, message_of
from gatekeep.notify.slack_history import earlier
from gatekeep.notify.slack_ports import SlackValues
from gatekeep.notify.slack_queue import SlackQueue
from gatekeep.notify.slack_record import SlackRecord
from gatekeep.notify.slack_seal import APPROVE, DENY, Seal
from gatekeep.notify.slack_telling import SlackTelling
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

CALM_S: Final = 3.0
"""After a change of a message, clicks on Approve may be meant for what stood there before."""
TICK_S: Final = 1.0
VOTE_S: Final = 0.25
_NS: Final = 1_000_000_000
_LONG_AGO: Final = -(1 << 62)
_US: Final = 1_000_000
_GONE: Final = frozenset({"message_not_found", "channel_not_found", "is_archived", "cant_update_message"})
_OVER: Final = frozenset({"decided", "expired", "withdrawn"})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BoardNeeds:
    """What the board works with. `now_us` never lets a stepped clock lengthen anything."""

    values: SlackValues
    approvals: Approvals
    directory: Directory
    targets: TargetBook
    record: SlackRecord
    api: SlackApi
    queue: SlackQueue
    telling: SlackTelling
    seal: Seal
    owner: TaskOwner
    clock: Clock
    now_us: Callable[[], int]


@dataclass(slots=True)
class _Spot:
    """One message. `changed_ns` is when it changed last, None while that is under way."""

    channel: str
    message: str
    changed_ns: int | None = None


@dataclass(slots=True)
class _Card:
    """A request with its messages, by the lane that they are kept up to date in."""

    request: ApprovalRequest
    spots: dict[str, _Spot] = field(default_factory=dict)
    before: str | None = None
    marks: set[int] = field(default_factory=set)
    version: int = 0
    seen: asyncio.Event = field(default_factory=asyncio.Event)


class SlackBoard:
    """All requests that are shown in one workspace."""

    def __init__(self, needs: BoardNeeds) -> None:
        self._needs = needs
        self._cards: dict[str, _Card] = {}
        self.closed = False
        """Nothing more is begun."""

    def heard(self, what: str, request: ApprovalRequest) -> None:
        """Implements gate.approval_ports.Listener: returns at once."""
        if self.closed:
            return
        card = self._cards.get(request.id)
        if what == "requested":
            if card is None:
                self._begin(request)
        elif what == "outcome":
            self._spawn(self._outcome(request), "outcome")
        elif card is None:
            if what in _OVER:
                self._spawn(self._finish_old(request), "end")
        else:
            card.request = request
            card.seen.set()
            self._changed(what, card)

    async def resume(self) -> None:
        """After a start: take up what is open, and end what ended while nobody looked."""
        store = self._needs.record
        for request_id in await store.ask(lambda kept: kept.unfinished()):
            request = await self._needs.approvals.request(request_id)
            if request is None:
                for spot in await store.ask(lambda kept, one=request_id: kept.shown(one)):  # type: ignore[misc]  # mypy does not infer defaults
                    await store.ask(lambda kept, one=spot: kept.close_shown(one.channel, one.message))  # type: ignore[misc]  # likewise
            elif request.state is not RequestState.PENDING:
                await self._finish_old(request)
            elif request_id not in self._cards:
                await self._take_up(request)
        for request in await self._needs.approvals.requests(state=RequestState.PENDING, limit=1000):
            if request.id not in self._cards:
                self._begin(request)

    async def count_down(self) -> None:
        """Say in each message when five minutes, and one, are left; runs until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            now = self._needs.now_us()
            for card in list(self._cards.values()):
                left_s = (card.request.open_until_us - now) // _US
                due = {mark for mark in COUNTDOWN_S if left_s <= mark} - card.marks
                if due and left_s > 0:
                    card.marks |= due
                    card.version += 1
                    self._refresh(card)

    def just_changed(self, request_id: str, channel: str, message: str) -> bool:
        """Whether this message is not yet as it is for as long as a click takes to be meant for it."""
        card = self._cards.get(request_id)
        if card is None:
            return False
        now = self._needs.clock.monotonic_ns()
        return any(
            spot.changed_ns is None or now - spot.changed_ns < CALM_S * _NS
            for spot in card.spots.values()
            if (spot.channel, spot.message) == (channel, message)
        )

    def detail(self, request: ApprovalRequest) -> str:
        """How much of a command its target lets Slack know."""
        target = self._needs.targets.target(request.place.target)
        return "redacted" if target is None else target.slack_detail

    def link(self, request_id: str) -> str:
        """The request's page; empty where there is no console."""
        console = self._needs.values.console()
        return f"{console}/r/{request_id}" if console else ""

    # changes

    def _begin(self, request: ApprovalRequest) -> None:
        card = _Card(request)
        lasts_s = (request.open_until_us - request.created_us) // _US
        card.marks = {mark for mark in COUNTDOWN_S if lasts_s <= mark}
        self._cards[request.id] = card
        self._spawn(self._show(card), "show")

    def _changed(self, what: str, card: _Card) -> None:
        """What was found out alone changes no message that stands: it would move under a click."""
        if what == "seen":
            return
        card.version += 1
        if what in _OVER:
            self._cards.pop(card.request.id, None)
            self._refresh(card)
            self._spawn(self._needs.telling.verdict(card.request), "verdict")
        elif what == "voted":
            self._spawn(self._refresh_soon(card), "vote")
        elif what == "escalated":
            self._spawn(self._show(card), "show")

    async def _show(self, card: _Card) -> None:
        """Show it where it is asked; first it waits a little for what is being found out."""
        if not card.request.sight and not card.spots:
            try:
                async with asyncio.timeout(self._needs.values.settle_s):
                    await card.seen.wait()
            except TimeoutError:
                pass
        for lane in await self._lanes(card):
            if card.request.state is RequestState.PENDING and lane not in card.spots:
                self._put(card, lane)

    async def _lanes(self, card: _Card) -> Sequence[str]:
        """The channels of the groups that are asked; without any, the approvers themselves."""
        values = self._needs.values
        groups = asked_groups(card.request) | frozenset(card.request.escalated)
        named = {values.channels.get(group, values.default_channel) for group in groups} - {""}
        if named:
            return sorted(named)
        persons = frozenset(self._needs.approvals.asked_now(card.request))
        return await self._needs.telling.accounts_of(persons)

    async def _take_up(self, request: ApprovalRequest) -> _Card:
        card = _Card(request)
        card.spots = {spot.channel: spot for spot in await self._kept_spots(request.id)}
        left_s = (request.open_until_us - self._needs.now_us()) // _US
        card.marks = {mark for mark in COUNTDOWN_S if left_s <= mark}
        self._cards[request.id] = card
        return card

    async def _finish_old(self, request: ApprovalRequest) -> None:
        """It was shown by an earlier run, and is over now."""
        card = _Card(request)
        card.spots = {spot.channel: spot for spot in await self._kept_spots(request.id, closed=False)}
        self._refresh(card)

    async def _outcome(self, request: ApprovalRequest) -> None:
        at_us = self._needs.now_us()
        for spot in await self._kept_spots(request.id):
            self._needs.telling.outcome(request, spot.channel, spot.message, at_us)

    async def _kept_spots(self, request_id: str, *, closed: bool = True) -> list[_Spot]:
        kept = await self._needs.record.ask(lambda store: store.shown(request_id))
        return [_Spot(one.channel, one.message, _LONG_AGO) for one in kept if closed or not one.closed]

    # messages

    async def _refresh_soon(self, card: _Card) -> None:
        """Most votes decide: then what follows at once is said instead."""
        version = card.version
        await asyncio.sleep(VOTE_S)
        if card.version == version:
            self._refresh(card)

    def _refresh(self, card: _Card) -> None:
        for lane in card.spots:
            self._put(card, lane)

    def _put(self, card: _Card, lane: str) -> None:
        self._needs.queue.put(lane, f"request {card.request.id}", lambda: self._sync(card, lane))

    async def _sync(self, card: _Card, lane: str) -> Answer | None:
        """Make the message in this lane say what is true now."""
        spot, version = card.spots.get(lane), card.version
        if spot is None:
            if card.request.state is not RequestState.PENDING:
                return None
            answer = await self._post(card, lane)
        else:
            answer = await self._update(card, spot)
        if answer.ok and card.version != version:
            self._put(card, lane)
        return answer

    async def _post(self, card: _Card, lane: str) -> Answer:
        message = await self._message(card)
        opened = await self._needs.telling.channel_of(lane)
        if not opened.ok:
            return opened
        channel = opened.text("channel", "id")
        answer = await self._needs.api.call("chat.postMessage", channel=channel, **message.body())
        if answer.ok:
            stamp = answer.text("ts")
            card.spots[lane] = _Spot(
                answer.text("channel") or channel, stamp, self._needs.clock.monotonic_ns()
            )
            await self._remember(card.request.id, card.spots[lane])
        return answer

    async def _update(self, card: _Card, spot: _Spot) -> Answer:
        message = await self._message(card)
        over = card.request.state is not RequestState.PENDING
        spot.changed_ns = None
        answer = await self._needs.api.call(
            "chat.update", channel=spot.channel, ts=spot.message, **message.body()
        )
        spot.changed_ns = self._needs.clock.monotonic_ns()
        if (answer.ok and over) or answer.error in _GONE:
            await self._needs.record.ask(
                lambda store: store.close_shown(spot.channel, spot.message)
            )
        return answer

    async def _remember(self, request_id: str, spot: _Spot) -> None:
        shown = ShownRequest(request_id, spot.channel, spot.message, self._needs.now_us())
        try:
            await self._needs.record.ask(lambda store: store.add_shown(shown))
        except GatekeepError as error:
            # It is kept up to date all the same, unless the gateway ends before the request.
            _log.warning("where a request is shown is not remembered", error=error.public)

    async def _message(self, card: _Card) -> Message:
        request = card.request
        if card.before is None:
            card.before = await earlier(self._needs.approvals, request)
        detail = self.detail(request)
        seal = self._needs.seal
        approve = seal.value(request, APPROVE) if approvable(request, detail) else ""
        return message_of(
            card.request,
            Known(
                self._needs.now_us(), detail, approve, seal.value(request, DENY),
                self.link(request.id), card.before, self._needs.approvals.deciders(request),
            ),
        )  # fmt: skip

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        self._needs.owner.spawn(coroutine, name=name)
