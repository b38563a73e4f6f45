"""Linking one's Slack account: begun here with a second factor, finished here with Slack's code.

How Slack is spoken to lives elsewhere, behind `needs.SlackLinking`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gatekeep.errors import NotPermitted
from gatekeep.messages import web as words
from gatekeep.web.pages.needs import SlackInvitation, SlackLinking
from gatekeep.web.pages.proving import Proof, stepped_up
from gatekeep.web.pages.visits import Visit

MAX_CODE: Final = 40
_PROOFS: Final = {
    Proof.REFUSED: (words.SLACK_REFUSED, 403),
    Proof.BUSY: (words.SLACK_BUSY, 503),
    Proof.NO_CODES: (words.SLACK_NEEDS_CODES, 403),
}


async def show_slack(visit: Visit) -> web.StreamResponse:
    """Which account is linked, and how to begin."""
    if visit.needs.slack is None:
        return visit.trouble(404, words.NO_SLACK)
    return await _shown(visit, visit.needs.slack)


async def begin_slack(visit: Visit) -> web.StreamResponse:
    """Open an invitation for who shows that it is still him."""
    slack = visit.needs.slack
    if slack is None:
        return visit.trouble(404, words.NO_SLACK)
    proof = await stepped_up(visit)
    if proof is not Proof.GOOD:
        alert, status = _PROOFS[proof]
        return await _shown(visit, slack, alert, status)
    return await _shown(visit, slack, invitation=await slack.begin(visit.principal))


async def finish_slack(visit: Visit) -> web.StreamResponse:
    """Take the code that Slack showed to the account."""
    slack = visit.needs.slack
    if slack is None:
        return visit.trouble(404, words.NO_SLACK)
    try:
        await slack.finish(visit.principal, visit.given("slack_code", MAX_CODE).strip())
    except NotPermitted as error:
        return await _shown(visit, slack, words.plain(error.public), 403)
    return visit.onward("/me/slack")


async def _shown(
    visit: Visit,
    slack: SlackLinking,
    alert: str = "",
    status: int = 200,
    *,
    invitation: SlackInvitation | None = None,
) -> web.StreamResponse:
    link = await slack.linked(visit.principal)
    browser = visit.browser
    return visit.page(
        "slack",
        status=status,
        title=words.SLACK_TITLE,
        alert=alert,
        has_codes=visit.needs.sign_in.proofs.needs_code(visit.principal.name),
        asks_password=browser is not None and not visit.browsers.is_fresh(browser),
        linked=""
        if link is None
        else words.slack_linked(link.account, link.display_name, link.workspace, link.linked_us),
        begun=""
        if invitation is None
        else words.slack_begun(invitation.workspace, invitation.instruction, invitation.ends_us),
    )
