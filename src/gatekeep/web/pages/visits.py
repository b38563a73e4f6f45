"""One request of a browser: who it is, what its form says, and how its page is made.

What is on a page lives in the file of that page; which requests get so far, in `house`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from multidict import MultiDict

from gatekeep.domain.identity import Principal
from gatekeep.messages.web import Trouble
from gatekeep.web.pages.browsers import Browser, Browsers
from gatekeep.web.pages.crossing import set_cookie, token_for
from gatekeep.web.pages.needs import PageNeeds
from gatekeep.web.pages.templating import Templates

#: Scripts have no part in these pages. `same-origin` and not `no-referrer`: under the latter
#: browsers say `Origin: null` with every form, and nobody could tell ours from others'.
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}


@dataclass(slots=True)
class Visit:
    """A request on its way to a page.

    `browser_id` is what the cookie brought, or a new one that the answer sets; `browser` is None
    for who is not signed in. `form` is empty but for a POST that was checked.
    """

    request: web.Request
    needs: PageNeeds
    browsers: Browsers
    templates: Templates
    source: str
    browser_id: str
    browser: Browser | None
    token_key: bytes
    is_new: bool = False
    form: MultiDict[str] = field(default_factory=MultiDict)

    @property
    def principal(self) -> Principal:
        """Who is signed in; asked only on pages for those who are."""
        if self.browser is None:
            raise web.HTTPForbidden
        return self.browser.principal

    def given(self, name: str, limit: int) -> str:
        """A text of the form, at most `limit` characters; empty if it is longer or not there."""
        text = self.form.get(name, "")
        return text if len(text) <= limit else ""

    def page(self, template: str, /, *, status: int = 200, **values: Any) -> web.Response:
        """A page made of a template; `title` must be among the values."""
        return self.answer(self.rendered(template, **values), status)

    def rendered(self, template: str, /, **values: Any) -> str:
        """The page's text."""
        return self.templates.render(
            template,
            me=self.browser.principal if self.browser else None,
            token=token_for(self.token_key, self.browser_id),
            path=self.request.path,
            **values,
        )

    def answer(self, text: str, status: int = 200) -> web.Response:
        """The answer that carries a page."""
        response = web.Response(
            text=text, status=status, content_type="text/html", headers=HEADERS
        )
        if self.is_new:
            set_cookie(response, self.needs.base_url, self.browser_id)
        return response

    def trouble(self, status: int, trouble: Trouble) -> web.Response:
        """A page that says what went wrong, what was not done, and whom to ask."""
        return self.page("trouble", status=status, title=trouble.what, trouble=trouble)

    def onward(self, path: str) -> web.Response:
        """After a form: look at this page."""
        response = web.Response(status=303, headers={"Location": path, **HEADERS})
        if self.is_new:
            set_cookie(response, self.needs.base_url, self.browser_id)
        return response


Page = Callable[[Visit], Awaitable[web.StreamResponse]]
"""What makes one page. Raises GatekeepError or HTTPException for a page of trouble."""
