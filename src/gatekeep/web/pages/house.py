"""The door of the pages: what every request passes before a page is made, and how faults are told.

In this order: not in clear over a network; within its pace; from a page of ours, if it changes
something; signed in, if the page asks for that.
"""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import web

from gatekeep.domain.identity import Principal
from gatekeep.errors import ClientFault, GatekeepError, JournalUnavailable, NotPermitted
from gatekeep.identity.lockouts import address_prefix
from gatekeep.messages import web as words
from gatekeep.web.hosts import Handler
from gatekeep.web.pages.browsers import Browsers
from gatekeep.web.pages.crossing import (
    cookie_of,
    is_from_ourselves,
    is_led_from_elsewhere,
    is_token,
    safe_next,
)
from gatekeep.web.pages.needs import PageNeeds
from gatekeep.web.pages.pacing import Pace
from gatekeep.web.pages.templating import Templates
from gatekeep.web.pages.visits import Page, Visit

PAGE_SECONDS: Final = 30.0
MAX_FORM: Final = 64 * 1024
_FORM: Final = "application/x-www-form-urlencoded"
_KEY_BYTES: Final = 32

_log = structlog.get_logger(__name__)


class House:
    """All that the pages share. `opened` puts a page behind the door."""

    def __init__(self, needs: PageNeeds) -> None:
        self.needs = needs
        self.templates = Templates()
        self.browsers = Browsers(needs.now_us, needs.draw, self._mark, needs.sign_in.limits)
        self._token_key = needs.draw(_KEY_BYTES)
        self._reading = Pace(needs.monotonic_ns, per_s=5, burst=200)
        self._changing = Pace(needs.monotonic_ns, per_s=0.5, burst=30)

    def opened(self, page: Page, *, to_all: bool = False) -> Handler:
        """The handler of a page; `to_all` also for those who are not signed in."""

        async def handler(request: web.Request) -> web.StreamResponse:
            visit = self._visit(request)
            try:
                async with asyncio.timeout(PAGE_SECONDS):
                    return await self._served(visit, page, to_all=to_all)
            except web.HTTPException as error:
                return visit.trouble(error.status, words.of_status(error.status))
            except TimeoutError:
                return visit.trouble(504, words.TOO_LATE)
            except GatekeepError as error:
                return _worded(visit, error)
            except Exception as error:  # noqa: BLE001 - any other fault is a page with an incident
                return _unforeseen(visit, error)

        return handler

    async def _served(self, visit: Visit, page: Page, *, to_all: bool) -> web.StreamResponse:
        request = visit.request
        if not self.needs.sources.is_protected(request):
            return visit.trouble(403, words.IN_CLEAR)
        changes = request.method == "POST"
        if not (self._changing if changes else self._reading).takes(self._pacer(visit)):
            return visit.trouble(429, words.TOO_FAST)
        if changes:
            refusal = await self._take_form(visit)
            if refusal is not None:
                return visit.trouble(403, refusal)
        elif visit.browser is None and is_led_from_elsewhere(request):
            # A Strict cookie stays at home when a link in Slack or mail is followed: this page
            # leads on by itself, and from a page of ours the cookie comes along.
            visit.is_new = False
            return visit.page("onward", title=words.ONWARD, onward=safe_next(request.path_qs))
        if visit.browser is None and not to_all:
            return self._to_sign_in(visit, changes=changes)
        return await page(visit)

    async def _take_form(self, visit: Visit) -> words.Trouble | None:
        """Read the form, if it comes from a page of ours; else why not."""
        request = visit.request
        if not is_from_ourselves(request, self.needs.base_url):
            return words.FOREIGN_FORM
        if request.content_type != _FORM:
            return words.FOREIGN_FORM
        if request.content_length is None or request.content_length > MAX_FORM:
            raise web.HTTPRequestEntityTooLarge(MAX_FORM, request.content_length or 0)
        given = await request.post()
        token = given.get("token", "")
        if visit.is_new or not isinstance(token, str):
            return words.OLD_FORM
        if not is_token(self._token_key, visit.browser_id, token):
            return words.OLD_FORM
        for name, value in given.items():
            if isinstance(value, str):
                visit.form.add(name, value)
        return None

    def _visit(self, request: web.Request) -> Visit:
        browser_id = cookie_of(request, self.needs.base_url)
        browser = self.browsers.find(browser_id) if browser_id else None
        return Visit(
            request,
            self.needs,
            self.browsers,
            self.templates,
            self.needs.sources.source_of(request),
            browser_id or self.browsers.new_id(),
            browser,
            self._token_key,
            is_new=not browser_id,
        )

    def _pacer(self, visit: Visit) -> str:
        """Whose pace this counts in: the principal's, or the stranger's neighbourhood's."""
        if visit.browser is not None:
            return f"principal {visit.browser.principal.name}"
        return f"source {address_prefix(visit.source)}"

    def _to_sign_in(self, visit: Visit, *, changes: bool) -> web.Response:
        if changes:
            return visit.trouble(403, words.SIGNED_OUT)
        path = safe_next(visit.request.path_qs)
        return visit.onward("/sign-in" if path == "/" else f"/sign-in?next={quote(path, safe='/')}")

    def _mark(self, principal: Principal) -> str | None:
        """What stands for the proofs of a principal as he is now; None for one who has changed."""
        sign_in = self.needs.sign_in
        mark = sign_in.passwords.mark(principal.name)
        if self.needs.directory.principal(principal.name) != principal or not mark:
            return None
        return f"{mark} {sign_in.proofs.needs_code(principal.name)}"


def _worded(visit: Visit, error: GatekeepError) -> web.Response:
    if isinstance(error, NotPermitted):
        return visit.trouble(403, words.not_permitted(error.public))
    if isinstance(error, ClientFault):
        return visit.trouble(400, words.bad_request(error.public))
    if isinstance(error, JournalUnavailable):
        return visit.trouble(503, words.CANNOT_RECORD)
    return visit.trouble(500, words.bad_request(error.public))


def _unforeseen(visit: Visit, error: Exception) -> web.Response:
    incident = visit.needs.draw(4).hex().upper()
    frame = traceback.extract_tb(error.__traceback__)[-1]
    # The text of an unforeseen error may hold anything, so only its place is told.
    _log.error(
        "page failed",
        incident=incident,
        error=type(error).__name__,
        place=f"{Path(frame.filename).name}:{frame.lineno}",
    )
    return visit.trouble(500, words.failed(incident))
