"""Clicks on a request's buttons and what its dialogues bring back, taken to the desk as ballots.

All of it comes after Slack was answered. Believed is only the seal on a button and who Slack says has
clicked; whether a ballot counts is the desk's affair, which also words most answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Approvals, Ballot
from gatekeep.messages import slack as words
from gatekeep.notify import slack_modals as modals
from gatekeep.notify.slack_api import SlackApi
from gatekeep.notify.slack_blocks import approvable, title_of
from gatekeep.notify.slack_board import SlackBoard
from gatekeep.notify.slack_links import SlackLinks
from gatekeep.notify.slack_seal import APPROVE, DENY, Seal, request_in

VIA: Final = "slack"
_CRITICAL: Final = "critical"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Click:
    """One click or one answer of a dialogue, as Slack tells it. `trigger` opens a dialogue, shortly."""

    account: str
    value: str
    channel: str
    message: str = ""
    respond: str = ""
    trigger: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """A click that is believed: on which request, by whom."""

    request: ApprovalRequest
    principal: Principal


@dataclass(frozen=True, slots=True)
class ClickNeeds:
    """What clicks are worked off with."""

    approvals: Approvals
    board: SlackBoard
    links: SlackLinks
    api: SlackApi
    seal: Seal
    team: str
    console: Callable[[], str]


class SlackClicks:
    """Every method answers who clicked, where there is something to say, and never raises."""

    def __init__(self, needs: ClickNeeds) -> None:
        self._needs = needs

    async def approve(self, click: Click) -> None:
        """A click on the button that approves."""
        known = await self._known(click, APPROVE)
        if isinstance(known, str):
            await self._say(click, known)
            return
        request = known.request
        if request.state is RequestState.PENDING:
            refused = self._not_here(click, request)
            if refused:
                await self._say(click, refused)
                return
            if request.high_risk and self._may(known):
                await self._open(click, request, modals.INTENT_VIEW)
                return
        await self._cast(click, known, VoteVerdict.APPROVE, "")

    async def deny(self, click: Click) -> None:
        """A click on the button that denies: ask why, unless his word would not count anyhow."""
        known = await self._known(click, DENY)
        if isinstance(known, str):
            await self._say(click, known)
        elif known.request.state is RequestState.PENDING and self._may(known):
            await self._open(click, known.request, modals.DENY_VIEW)
        else:
            # Without a reason it cannot count; the desk says why it would not.
            await self._cast(click, known, VoteVerdict.DENY, "")

    async def deny_because(self, click: Click, reason: str) -> None:
        """The reason of a denial was sent."""
        known = await self._known(click, DENY)
        if isinstance(known, str):
            await self._say(click, known)
        else:
            await self._cast(click, known, VoteVerdict.DENY, reason)

    async def intend_because(self, click: Click, reason: str) -> None:
        """Why he would approve what is of high risk was sent: the page asks for the second factor."""
        known = await self._known(click, APPROVE)
        if isinstance(known, str):
            await self._say(click, known)
        elif known.request.state is RequestState.PENDING and self._may(known):
            link = self._needs.board.link(known.request.id)
            await self._say(click, words.step_up(known.request.id, link, reason))
        else:
            await self._cast(click, known, VoteVerdict.APPROVE, reason)

    # inside

    async def _known(self, click: Click, deed: str) -> _Known | str:
        """The request and the principal, or what to answer instead."""
        request_id = request_in(click.value)
        request = await self._needs.approvals.request(request_id) if request_id else None
        if request is None or not self._needs.seal.fits(click.value, request, deed):
            _log.warning("a click that does not fit", account=click.account)
            return words.NOT_OURS
        found = await self._needs.links.principal_of(self._needs.team, click.account)
        if found is None:
            console = self._needs.console()
            return words.unlinked(f"{console}/me/slack" if console else "")
        principal, link = found
        if request.state is RequestState.PENDING:
            if request.why.risk == _CRITICAL:
                return words.security_key(request.id, self._needs.board.link(request.id))
            if request.high_risk and self._needs.links.is_young(link):
                return words.young_link(request.id)
        return _Known(request, principal)

    def _not_here(self, click: Click, request: ApprovalRequest) -> str:
        """Why this click approves nothing now, whoever clicked."""
        board = self._needs.board
        if board.just_changed(request.id, click.channel, click.message):
            return words.just_changed(request.id)
        if not approvable(request, board.detail(request)):
            return words.only_in_console(request.id, board.link(request.id))
        return ""

    def _may(self, known: _Known) -> bool:
        return known.principal.person in self._needs.approvals.deciders(known.request)

    async def _cast(
        self, click: Click, known: _Known, verdict: VoteVerdict, reason: str
    ) -> None:
        request = known.request
        scope = Scope.ONCE if request.place.session else request.scope
        ballot = Ballot(verdict, request.digest, VIA, reason=reason, scope=scope)
        try:
            cast = await self._needs.approvals.cast(request.id, known.principal, ballot)
        except JournalUnavailable:
            await self._say(click, words.not_recorded(request.id))
            return
        except KeyError:
            await self._say(click, words.NOT_OURS)
            return
        if not cast.counted or cast.request.state is RequestState.PENDING:
            await self._say(click, cast.words)

    async def _open(self, click: Click, request: ApprovalRequest, view: str) -> None:
        carried = modals.Carried(click.value, click.channel)
        answer = await self._needs.api.call(
            "views.open", trigger_id=click.trigger,
            view=modals.reason_view(view, title_of(request), carried),
        )  # fmt: skip
        if not answer.ok:
            await self._say(click, words.not_answered(request.id))

    async def _say(self, click: Click, said: str) -> None:
        """To who clicked alone."""
        if click.respond:
            answer = await self._needs.api.respond(click.respond, words.plain(said))
            if answer.ok:
                return
        await self._needs.api.call(
            "chat.postEphemeral", channel=click.channel, user=click.account, text=words.plain(said)
        )


def click_in(body: Mapping[str, Any]) -> Click | None:
    """A click on a button, out of a payload of kind `block_actions`; None if it is not one."""
    actions = body.get("actions")
    action = actions[0] if isinstance(actions, list) and len(actions) == 1 else {}
    found = Click(
        _text(body, "user", "id"),
        _text(action, "value"),
        _text(body, "container", "channel_id") or _text(body, "channel", "id"),
        _text(body, "container", "message_ts"),
        _text(body, "response_url"),
        _text(body, "trigger_id"),
    )
    return found if found.account and found.value else None


def answer_in(body: Mapping[str, Any]) -> tuple[Click, str] | None:
    """A dialogue's answer with its reason, out of a payload of kind `view_submission`."""
    view = body.get("view")
    if not isinstance(view, Mapping):
        return None
    carried = modals.carried_in(view.get("private_metadata"))
    account = _text(body, "user", "id")
    if carried is None or not account:
        return None
    return Click(account, carried.value, carried.channel), modals.reason_in(view)


def _text(body: Any, *names: str) -> str:
    for name in names:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body if isinstance(body, str) else ""
