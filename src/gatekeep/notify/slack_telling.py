"""What is said once: the verdict to the requester, the outcome in the thread, direct messages.

Direct messages go to linked accounts only. Nothing said here is changed later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.chat import ChatLink
from gatekeep.domain.grants import Grant
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.ports import Directory
from gatekeep.messages import slack as words
from gatekeep.notify import slack_blocks as blocks
from gatekeep.notify.slack_api import Answer, SlackApi
from gatekeep.notify.slack_queue import SlackQueue
from gatekeep.notify.slack_record import SlackRecord

_DIRECT: Final = "@"
"""What the lane of a person's direct messages begins with; the account follows."""
_DEPARTED: Final = frozenset(f"void: {one.value}" for one in Departure)
"""Outcomes of what was approved in the very moment in which nobody wanted it any more."""
_VERDICTS: Final = frozenset({RequestState.APPROVED, RequestState.DENIED, RequestState.EXPIRED})


class SlackTelling:
    """Says things in one workspace."""

    def __init__(
        self, api: SlackApi, queue: SlackQueue, record: SlackRecord, directory: Directory, team: str
    ) -> None:
        self._api = api
        self._queue = queue
        self._record = record
        self._directory = directory
        self._team = team
        self._channels: dict[str, Answer] = {}

    async def verdict(self, request: ApprovalRequest) -> None:
        """Tell the requester, once, how it was decided; nobody whose account is not linked."""
        if request.state not in _VERDICTS:
            return
        link = await self.link_of(request.place.principal)
        if link is None:
            return
        said = words.verdict(
            request.id, blocks.title_of(request), request.state.value, blocks.deciders_of(request),
            request.decision_reason,
        )  # fmt: skip
        shown = words.ended_fallback(blocks.title_of(request), request.state.value, request.id)
        self.direct(link.account, f"verdict {request.id}", said, shown)

    def direct(self, account: str, key: str, said: str, shown: str) -> None:
        """A direct message of plain words; `shown` is what a lock screen shows of it."""
        lane = _DIRECT + account
        self._queue.put(lane, key, lambda: self._say(lane, _plain_message(said, shown)))

    def post(self, channel: str, key: str, body: dict[str, Any]) -> bool:
        """A message of its own in a channel; false when too much waits already."""
        return self._queue.put(channel, key, lambda: self._say(channel, body))

    def outcome(self, request: ApprovalRequest, channel: str, message: str, at_us: int) -> None:
        """What came of it, in the thread of a message."""
        left = request.outcome in _DEPARTED
        head, tail = words.ran(request.outcome, request.place.session_code, left=left)
        line = blocks.line(blocks.text(head), blocks.moment(at_us, "{time_secs}"), blocks.text(tail))
        body = {
            "text": words.outcome_fallback(request.id), "blocks": [blocks.rich(line)],
            "thread_ts": message, **blocks.QUIET,
        }  # fmt: skip
        key = f"outcome {request.id} {message}"
        self._queue.put(channel, key, lambda: self._say(channel, body))

    def glass(self, grant: Grant, reason: str, channels: Collection[str]) -> None:
        """Somebody took leave without being asked: everybody is told, in every channel."""
        title = words.glass(grant.principal, grant.target, grant.account)
        parts = [blocks.text(words.GLASS_UNTIL), blocks.moment(grant.ends_us)]
        quote = {"type": "rich_text_quote", "elements": [blocks.text(words.reason_of(reason))]}
        body = {
            "text": words.plain(title),
            "blocks": [
                {"type": "header", "text": blocks.plain_text(title)},
                blocks.rich(blocks.line(*parts), quote),
            ],
            **blocks.QUIET,
        }
        for channel in sorted(channels):
            self._queue.put(
                channel, f"glass {grant.id}", lambda lane=channel: self._say(lane, body)  # type: ignore[misc]  # mypy does not infer defaults
            )

    async def link_of(self, principal: str) -> ChatLink | None:
        """The account that is linked to a principal, if it counts here."""
        link = await self._record.ask(lambda store: store.link_of(principal))
        return link if link is not None and link.settled and link.team == self._team else None

    async def accounts_of(self, persons: Collection[str]) -> Sequence[str]:
        """The lanes of these persons' direct messages."""
        names = [one.name for one in self._directory.principals() if one.person in persons]
        links = [await self.link_of(name) for name in names]
        return sorted({_DIRECT + link.account for link in links if link is not None})

    async def channel_of(self, lane: str) -> Answer:
        """The channel behind a lane, under `channel.id`; a direct message's is opened first."""
        if not lane.startswith(_DIRECT):
            return Answer({"channel": {"id": lane}})
        known = self._channels.get(lane)
        if known is None:
            known = await self._api.call("conversations.open", users=lane.removeprefix(_DIRECT))
            if known.ok:
                self._channels[lane] = known
        return known

    async def _say(self, lane: str, body: dict[str, Any]) -> Answer:
        opened = await self.channel_of(lane)
        if not opened.ok:
            return opened
        return await self._api.call(
            "chat.postMessage", channel=opened.text("channel", "id"), **body
        )


def _plain_message(said: str, shown: str) -> dict[str, Any]:
    block = blocks.rich(blocks.line(blocks.text(said)))
    return {"text": words.plain(shown), "blocks": [block], **blocks.QUIET}
