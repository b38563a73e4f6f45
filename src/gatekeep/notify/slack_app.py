"""What Slack sends us, by the library's app: answered at once, then worked off by tasks of ours.

Slack waits three seconds for an answer, so nothing here waits for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult

from gatekeep.messages import slack as words
from gatekeep.messages import slack_links as link_words
from gatekeep.notify import slack_modals as modals
from gatekeep.notify.slack_api import SlackApi, library_logger
from gatekeep.notify.slack_blocks import APPROVE_ID, DENY_ID, OPEN_ID
from gatekeep.notify.slack_clicks import Click, SlackClicks, answer_in, click_in
from gatekeep.notify.slack_links import SlackLinks
from gatekeep.runtime.tasks import TaskOwner

MOST_AT_ONCE: Final = 256
"""How many clicks are worked off at a time; more are told that it is too much."""

_log = structlog.get_logger(__name__)


class SlackApp:
    """Calls of one workspace. `team` is its id: what comes from elsewhere is answered and ignored."""

    def __init__(
        self, api: SlackApi, clicks: SlackClicks, links: SlackLinks, owner: TaskOwner, team: str
    ) -> None:
        self._clicks = clicks
        self._links = links
        self._owner = owner
        self._team = team
        self.bolt = self._made(api)

    def _made(self, api: SlackApi) -> AsyncApp:
        team = self._team

        async def authorize() -> AuthorizeResult:
            """Nothing is asked of Slack while it waits for us; our calls carry their own token."""
            return AuthorizeResult(enterprise_id=None, team_id=team, bot_token="none")  # noqa: S106 - none is used

        app = AsyncApp(
            name="gatekeep",
            logger=library_logger(),
            client=api.client(),
            authorize=authorize,
            # Our own tasks do the work, so the listener's end is the answer.
            process_before_response=True,
            # `slack_signature` has looked at calls over HTTP before they get here.
            request_verification_enabled=False,
            signing_secret="",
            ssl_check_enabled=False,
            url_verification_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
        )
        app.action(APPROVE_ID)(self._on_approve)
        app.action(DENY_ID)(self._on_deny)
        app.action(OPEN_ID)(self._on_open)
        app.view(modals.DENY_VIEW)(self._on_deny_reason)
        app.view(modals.INTENT_VIEW)(self._on_intent_reason)
        app.command(link_words.COMMAND)(self._on_command)
        return app

    async def _on_approve(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._work(body, click_in(body), self._clicks.approve)

    async def _on_deny(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._work(body, click_in(body), self._clicks.deny)

    async def _on_open(self, ack: AsyncAck) -> None:
        await ack()

    async def _on_deny_reason(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await self._on_reason(ack, body, self._clicks.deny_because)

    async def _on_intent_reason(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await self._on_reason(ack, body, self._clicks.intend_because)

    async def _on_reason(
        self,
        ack: AsyncAck,
        body: dict[str, Any],
        then: Callable[[Click, str], Coroutine[Any, Any, None]],
    ) -> None:
        answer = answer_in(body)
        wrong = modals.wrong_reason(answer[1]) if answer is not None else {}
        if wrong:
            await ack(response_action="errors", errors=wrong)
            return
        await ack()
        if answer is not None:
            click, reason = answer
            self._work(body, click, lambda one: then(one, reason))

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        said = str(body.get("text", "")).split()
        if len(said) != 2 or said[0] != link_words.WORD:  # noqa: PLR2004 - `link` and a word
            await ack(text=words.plain(link_words.USAGE))
            return
        await ack(text=link_words.LOOK_IN_DM)
        account = body.get("user_id")
        if isinstance(account, str) and self._is_ours(body) and self._has_room():
            self._owner.spawn(self._links.sent_word(account, said[1]), name="word")

    def _work(
        self,
        body: Mapping[str, Any],
        click: Click | None,
        deed: Callable[[Click], Coroutine[Any, Any, None]],
    ) -> None:
        if click is not None and self._is_ours(body) and self._has_room():
            self._owner.spawn(deed(click), name="click")

    def _is_ours(self, body: Mapping[str, Any]) -> bool:
        """Whether workspace and account are those that we serve: channels may be shared with others."""
        team, account = body.get("team"), body.get("user")
        teams = {
            team.get("id") if isinstance(team, Mapping) else body.get("team_id"),
            account.get("team_id", self._team) if isinstance(account, Mapping) else self._team,
        }
        if teams == {self._team}:
            return True
        _log.warning("a call from another workspace", teams=sorted(map(str, teams)))
        return False

    def _has_room(self) -> bool:
        if len(self._owner) < MOST_AT_ONCE:
            return True
        _log.error("too many clicks at once", most=MOST_AT_ONCE)
        return False
