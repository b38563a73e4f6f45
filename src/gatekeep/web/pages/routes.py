"""Every address of the pages. A page lives in its own file; what it must pass, in `house`."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gatekeep.messages import web as words
from gatekeep.web.hosts import problem
from gatekeep.web.pages.grants import grants, revoke
from gatekeep.web.pages.house import House
from gatekeep.web.pages.inbox import home, inbox
from gatekeep.web.pages.needs import PageNeeds
from gatekeep.web.pages.requests import decide, show_request
from gatekeep.web.pages.sign_in import show_sign_in, show_sign_out, sign_in, sign_out
from gatekeep.web.pages.slack import begin_slack, finish_slack, show_slack
from gatekeep.web.pages.suggestions import (
    answer_sample,
    decide_suggestion,
    list_suggestions,
    show_suggestion,
)
from gatekeep.web.pages.templating import STYLE_PATH
from gatekeep.web.pages.visits import Page, Visit

TO_ALL: Final[tuple[tuple[str, str, Page], ...]] = (
    ("GET", "/sign-in", show_sign_in),
    ("POST", "/sign-in", sign_in),
)
SIGNED_IN: Final[tuple[tuple[str, str, Page], ...]] = (
    ("GET", "/", home),
    ("GET", "/inbox", inbox),
    ("GET", "/r/{id}", show_request),
    ("POST", "/r/{id}", decide),
    ("GET", "/grants", grants),
    ("POST", "/grants/{id}/revoke", revoke),
    ("GET", "/suggestions", list_suggestions),
    ("GET", "/suggestions/{id}", show_suggestion),
    ("POST", "/suggestions/{id}", decide_suggestion),
    ("POST", "/suggestion-samples/{id}", answer_sample),
    ("GET", "/me/slack", show_slack),
    ("POST", "/me/slack/begin", begin_slack),
    ("POST", "/me/slack/finish", finish_slack),
    ("GET", "/sign-out", show_sign_out),
    ("POST", "/sign-out", sign_out),
)
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class Pages:
    """All pages of one gateway."""

    def __init__(self, needs: PageNeeds) -> None:
        self.house = House(needs)

    def add(self, app: web.Application) -> None:
        """Hang them on the door's application."""
        for method, path, page in TO_ALL:
            app.router.add_route(method, path, self.house.opened(page, to_all=True))
        for method, path, page in SIGNED_IN:
            app.router.add_route(method, path, self.house.opened(page))
        app.router.add_get(STYLE_PATH, self._style)

    async def nothing_here(self, request: web.Request) -> web.StreamResponse:
        """What people who have strayed are told; programs get it as ever."""
        if "text/html" not in request.headers.get("Accept", ""):
            return problem(404, "nothing is here", advice="/healthz /readyz /metrics")
        return await self.house.opened(_stray, to_all=True)(request)

    async def _style(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=self.house.templates.style,
            content_type="text/css",
            charset="utf-8",
            headers={"Cache-Control": _FOR_EVER},
        )


async def _stray(visit: Visit) -> web.StreamResponse:
    return visit.trouble(404, words.NOT_FOUND)
